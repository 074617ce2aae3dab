// SPDX-License-Identifier: Apache-2.0
// Gumbo's tree of an HTML text, within bounds of memory and of work. Gumbo knows neither: it asks for memory without
// looking whether it came, frees its tree by recursion as deep as the HTML is nested, walks all open elements for many
// a tag, and compares each attribute of a tag with all before it. So
//  - its memory comes from an arena that goes as a whole; where the arena is full, parsing ends there (a jump over
//    Gumbo's frames alone, which own nothing else);
//  - no more than `max_elements` tags reach it, the rest of a text with more is cut off: 20,000 tags inside each other
//    cost 0.8 s, ten times as many would cost a hundred times that;
//  - it ends in the same way after max_time of the thread's CPU: a tag with 100,000 attributes would take minutes.
// What walks the tree must not recurse either.
#pragma once

#include <gumbo.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>

namespace postsluice::contentfilter::mime {

class html_tree {
public:
    static constexpr std::chrono::seconds max_time{1};
    /// `html` must outlive the tree.
    html_tree(std::string_view html, std::size_t max_elements, std::size_t max_memory);
    ~html_tree();
    html_tree(const html_tree&) = delete;

    /// <html>; null where memory or time was not enough.
    [[nodiscard]] const GumboNode* root() const noexcept { return root_; }
    /// Was the text cut for its tags?
    [[nodiscard]] bool cut() const noexcept { return cut_; }

private:
    class arena;
    std::unique_ptr<arena> arena_;
    const GumboNode* root_ = nullptr;
    bool cut_ = false;
};

} // namespace postsluice::contentfilter::mime
