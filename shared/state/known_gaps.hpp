// SPDX-License-Identifier: Apache-2.0
// Where a view of an environment is known to have nothing: from some key on to the end of those that begin with the
// same octet. Records whose keys grow with the time, as those of mail transactions do, are looked for in vain when they
// are new, and a look into LMDB is the dearest part of answering for one. The first such look of a view asks whether
// anything comes after it; those that follow are answered from memory. A kind of record whose keys are in no order is
// asked about a few times for each view, and left alone then. One thread at a time.
#pragma once

#include "shared/state/store.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace postsluice::state {

class known_gaps {
public:
    /// The view is another one now.
    void clear() noexcept {
        for (auto& one : kinds_) {
            one.from.clear();
            one.asked = 0;
        }
    }
    [[nodiscard]] bool has(std::string_view key) const noexcept {
        const auto& one = kind_of(key);
        return !one.from.empty() && key >= one.from;
    }
    /// `view` does not have `key`: is there anything after it?
    void learn(const read_txn& view, std::string_view key) {
        auto& one = kinds_[static_cast<std::uint8_t>(key.front())];
        if (one.asked == most_asked) return;
        ++one.asked;
        bool more = false;
        view.scan(key.substr(0, 1), key, [&more](std::string_view, std::string_view) {
            more = true;
            return false;
        });
        if (!more && !view.damaged()) one.from = key;
    }

private:
    static constexpr std::uint8_t most_asked = 4;
    struct kind {
        std::string from; ///< empty: nothing is known
        std::uint8_t asked = 0;
    };
    [[nodiscard]] const kind& kind_of(std::string_view key) const noexcept {
        return kinds_[static_cast<std::uint8_t>(key.front())];
    }
    std::array<kind, 256> kinds_;
};

} // namespace postsluice::state
