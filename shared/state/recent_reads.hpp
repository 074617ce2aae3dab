// SPDX-License-Identifier: Apache-2.0
// The values that a transaction read last, by key: a record that is written back was read a moment ago, and a journal
// needs only what differs then (journal.hpp). Only views are kept: whoever owns the values says when they end.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace postsluice::state {

class recent_reads {
public:
    void add(std::string_view key, std::string_view value) {
        auto& r = last_[next_++ % last_.size()];
        r.key = key;
        r.value = value;
    }
    [[nodiscard]] std::optional<std::string_view> find(std::string_view key) const noexcept {
        for (const auto& r : last_)
            if (r.key == key && r.value.data() != nullptr) return r.value;
        return std::nullopt;
    }
    void clear() noexcept {
        for (auto& r : last_)
            r.value = {};
    }

private:
    struct reading {
        std::string key;
        std::string_view value;
    };
    std::array<reading, 4> last_;
    std::size_t next_ = 0;
};

} // namespace postsluice::state
