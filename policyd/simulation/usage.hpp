// SPDX-License-Identifier: Apache-2.0
// What accounts really sent, and the limits that would have fitted: for `--propose`. Pure.
//
// For each account, unit (messages, recipients) and period (minute, hour, day): of every period in which the account
// sent anything, the highest count of a sliding window that ended in it; of these the 99th percentile (nearest rank),
// rounded up to two digits, is proposed. So an account's quiet days do not lower its limit, and one day in a hundred
// may exceed it. What it assumes: that the time looked at was usual, and that nobody abused an account in it; with
// fewer than a hundred periods the percentile is the highest one. A profile's limit is the highest of its accounts';
// the account that makes it so is named, since it may want a profile of its own.
#pragma once

#include "shared/core/limit.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace postsluice::policyd::simulation {

struct proposed_limit {
    limit what; ///< with the proposed count
    std::uint64_t percentile = 0, highest = 0;
    std::size_t periods = 0; ///< in which the account sent anything
    std::size_t above = 0;   ///< of these, how many exceed the proposal
};
struct account_proposal {
    std::string account, profile;
    std::vector<proposed_limit> limits;
};
struct profile_limit {
    limit what;
    std::uint64_t median = 0;  ///< of the accounts' percentiles
    std::uint64_t highest = 0; ///< of the accounts' percentiles
    std::string highest_account;
};
struct profile_proposal {
    std::string profile;
    std::size_t accounts = 0;
    std::vector<profile_limit> limits;
};

class usage {
public:
    /// In the order of time.
    void message(const std::string& account, const std::string& profile, instant at, std::uint32_t recipients);
    [[nodiscard]] std::vector<account_proposal> accounts() const;
    [[nodiscard]] static std::vector<profile_proposal> profiles(const std::vector<account_proposal>& of);

private:
    struct sent {
        instant at{};
        std::uint32_t recipients = 0;
    };
    struct one {
        std::string profile;
        std::vector<sent> messages;
    };
    static proposed_limit propose(const std::vector<sent>& messages, limit_unit unit, seconds period);
    std::map<std::string, one> known_;
};

/// Up to two digits that are not zero, never down: 7, 42, 430, 4400.
[[nodiscard]] std::uint64_t round_up(std::uint64_t n) noexcept;

} // namespace postsluice::policyd::simulation
