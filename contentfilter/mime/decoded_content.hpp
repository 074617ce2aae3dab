// SPDX-License-Identifier: Apache-2.0
// What one part holds, with its transfer encoding undone: decoded by the first that asks, kept for all others, as long
// as the budget that the parts of a message share has room; where it has none each decodes for itself, in pieces. Any
// thread; those that come while it is made wait. It lasts as long as the tree. Used by tree.cpp alone.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace postsluice::contentfilter::mime {

class decoded_content {
public:
    class budget {
    public:
        explicit budget(std::uint64_t octets)
            : left_{octets} {}
        /// False, and nothing taken, where there is less.
        [[nodiscard]] bool take(std::uint64_t octets) noexcept {
            auto left = left_.load();
            while (left >= octets)
                if (left_.compare_exchange_weak(left, left - octets)) return true;
            return false;
        }
        void give_back(std::uint64_t octets) noexcept { left_ += octets; }

    private:
        std::atomic<std::uint64_t> left_;
    };

    explicit decoded_content(std::shared_ptr<budget> from)
        : budget_{std::move(from)} {}

    /// The octets, `most` at most; `decode` visits them in pieces, and is false where they cannot be read. nullopt:
    /// they are not kept.
    template <class Decode>
    std::optional<std::string_view> get(std::uint64_t most, Decode&& decode) {
        std::call_once(once_, [&] {
            if (!budget_->take(most)) return;
            octets_.reserve(static_cast<std::size_t>(most));
            there_ = decode([&](std::string_view piece) { return octets_ += piece, true; });
            if (!there_) octets_ = {};
            if (octets_.capacity() - octets_.size() > octets_.size() / 4) octets_.shrink_to_fit();
            budget_->give_back(most - std::min<std::uint64_t>(most, octets_.capacity()));
        });
        return there_ ? std::optional{std::string_view{octets_}} : std::nullopt;
    }

private:
    std::shared_ptr<budget> budget_;
    std::once_flag once_;
    std::string octets_;
    bool there_ = false;
};

} // namespace postsluice::contentfilter::mime
