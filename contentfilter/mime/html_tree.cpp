// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/html_tree.hpp"

#include "contentfilter/mime/cpu_time.hpp"

#include <algorithm>
#include <csetjmp>
#include <new>
#include <vector>

namespace postsluice::contentfilter::mime {

namespace {

constexpr std::size_t first_chunk = 65536, largest_chunk = 1U << 20U;
constexpr unsigned between_looks = 64; // allocations: reading the clock costs as much as some of them

/// What is before the tag number `most` + 1. A '<' with a letter or a slash behind it may be a tag; that it stands in a
/// comment or a script makes the count too high, never too low.
std::string_view within_elements(std::string_view html, std::size_t most) {
    std::size_t tags = 0;
    for (auto at = html.find('<'); at != std::string_view::npos; at = html.find('<', at + 1)) {
        const char next = at + 1 < html.size() ? html[at + 1] : '\0';
        const bool tag = next == '/' || (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z');
        if (tag && ++tags > most) return html.substr(0, at);
    }
    return html;
}

} // namespace

class html_tree::arena {
public:
    explicit arena(std::size_t most)
        : most_{most}
        , until_{thread_time() + max_time} {}

    std::jmp_buf full;

    static void* allocate(void* self, std::size_t size) { return static_cast<arena*>(self)->take(size); }
    static void release(void*, void*) {}

private:
    // Trivial frames only: what is left by longjmp() has nothing to destroy.
    void* take(std::size_t size) {
        size = (size + alignment - 1) / alignment * alignment;
        const bool late = ++taken_ % between_looks == 0 && thread_time() > until_;
        if (late || (size > room_ && !grow(size))) std::longjmp(full, 1);
        auto* const out = next_;
        next_ += size;
        room_ -= size;
        return out;
    }
    bool grow(std::size_t size) noexcept {
        const auto wanted = std::max(size, std::min(largest_chunk, chunks_.empty() ? first_chunk : used_));
        if (size > most_ || used_ + wanted > most_) return false;
        try {
            chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(wanted));
        } catch (const std::bad_alloc&) {
            return false;
        }
        used_ += wanted;
        next_ = chunks_.back().get();
        room_ = wanted;
        return true;
    }

    static constexpr std::size_t alignment = alignof(std::max_align_t);
    std::size_t most_, used_ = 0, room_ = 0;
    std::chrono::nanoseconds until_;
    unsigned taken_ = 0;
    std::byte* next_ = nullptr;
    std::vector<std::unique_ptr<std::byte[]>> chunks_;
};

html_tree::html_tree(std::string_view html, std::size_t max_elements, std::size_t max_memory)
    : arena_{std::make_unique<arena>(max_memory)} {
    const auto text = within_elements(html, max_elements);
    cut_ = text.size() < html.size();
    auto options = kGumboDefaultOptions;
    options.allocator = arena::allocate;
    options.deallocator = arena::release;
    options.userdata = arena_.get();
    options.max_errors = 0;
    if (setjmp(arena_->full) == 0) root_ = gumbo_parse_with_options(&options, text.data(), text.size())->root;
}

html_tree::~html_tree() = default;

} // namespace postsluice::contentfilter::mime
