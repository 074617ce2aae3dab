// SPDX-License-Identifier: Apache-2.0
// What each account asked for since the daemon's start, and what came of it: for `account show`, beside the windows of
// its limits, which forget. In memory only. Bounded: when `most` accounts are known, the one whose turn it is by the
// table's order makes room, so a figure may be missing for an account that was seen long ago, but never is wrong:
// `since` says from when it counts. Event loop's thread.
#pragma once

#include "shared/core/clock.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace postsluice::policyd {

struct account_total {
    instant since{};
    std::uint64_t recipients = 0; ///< RCPT TO that nothing was said against
    std::uint64_t refused = 0;    ///< RCPT TO that were refused
    std::uint64_t observed = 0;   ///< RCPT TO that would have been refused but for observe mode
    std::uint64_t messages = 0;   ///< DATA that nothing was said against
};

class account_totals {
public:
    static constexpr std::size_t most = 20'000;

    void recipient(const std::string& account, instant now, bool was_refused, bool was_observed) {
        auto& of = at(account, now);
        ++(was_refused ? of.refused : of.recipients);
        of.observed += was_observed ? 1 : 0;
    }
    void message(const std::string& account, instant now) { ++at(account, now).messages; }
    /// Null: it asked for nothing since the start.
    [[nodiscard]] const account_total* find(const std::string& account) const {
        const auto at = known_.find(account);
        return at == known_.end() ? nullptr : &at->second;
    }

private:
    account_total& at(const std::string& account, instant now) {
        if (const auto found = known_.find(account); found != known_.end()) {
            return found->second;
        }
        if (known_.size() >= most) {
            known_.erase(known_.begin());
        }
        auto& made = known_[account];
        made.since = now;
        return made;
    }
    std::unordered_map<std::string, account_total> known_;
};

} // namespace postsluice::policyd
