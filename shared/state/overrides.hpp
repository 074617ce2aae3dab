// SPDX-License-Identifier: Apache-2.0
// Limits that an operator set for single accounts, in the `state` environment: who, when, why and until when. policyd
// writes them, and keeps all of them in memory (policyd/limit_book); the filter reads those of a message's account.
// Writes go through the writer thread and are on disk when they return; each takes away what has expired. At most
// `most_overrides` hold at a time: errc::too_large. The store and the writer must outlive it.
//
//   V <hash of account> <hash of subject>   one override
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/limit.hpp"
#include "shared/state/store.hpp"
#include "shared/state/writer.hpp"

#include <boost/asio/awaitable.hpp>

#include <span>
#include <string>
#include <vector>

namespace postsluice::state {

struct limit_override {
    std::string account;
    std::string text; ///< the limit as it is printed; what config::parse_limit reads
    limit what;       ///< filled in by who read `text`
    instant set{};
    instant until{}; ///< the epoch: until it is cleared
    std::string actor, why;
    [[nodiscard]] bool in_force(instant now) const noexcept { return until == instant{} || now < until; }
};

/// A profile's limits with those of its account in force: in the place of one of the same subject, or besides.
[[nodiscard]] std::vector<limit> with_overrides(std::vector<limit> limits, std::span<const limit_override> its,
                                                instant now);

class overrides {
public:
    static constexpr std::size_t most_overrides = 10'000;

    overrides(store& where, writer& through, std::string hash_secret);
    /// In place of one of the same subject.
    boost::asio::awaitable<result<void>> set(limit_override what);
    /// One of them by its subject ("recipients per day"), or all where it is empty; says how many there were.
    boost::asio::awaitable<result<std::size_t>> clear(std::string account, std::string subject_or_all);
    /// Those in force at `now`: all, or of one account; their `what` is not filled in.
    [[nodiscard]] result<std::vector<limit_override>> all(instant now);
    [[nodiscard]] result<std::vector<limit_override>> of(std::string_view account, instant now);

private:
    [[nodiscard]] result<std::vector<limit_override>> below(std::string_view prefix, instant now);

    store& store_;
    writer& writer_;
    std::string secret_;
};

} // namespace postsluice::state
