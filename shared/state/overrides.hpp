// SPDX-License-Identifier: Apache-2.0
// Limits that an operator set for single accounts, in the `state` environment: who, when, why and until when. policyd
// alone writes and reads them, and keeps all of them in memory (policyd/limit_book). Writes go through the writer
// thread and are on disk when they return. At most `most_overrides` in all: errc::too_large. The store and the writer
// must outlive it.
//
//   O <hash of account> <hash of subject>   one override
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/limit.hpp"
#include "shared/state/store.hpp"
#include "shared/state/writer.hpp"

#include <boost/asio/awaitable.hpp>

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
};

class overrides {
public:
    static constexpr std::size_t most_overrides = 10'000;

    overrides(store& where, writer& through, std::string hash_secret);
    /// In place of one of the same subject.
    boost::asio::awaitable<result<void>> set(limit_override what);
    /// One of them by its subject ("recipients per day"), or all where it is empty; says how many there were.
    boost::asio::awaitable<result<std::size_t>> clear(std::string account, std::string subject_or_all);
    /// All there are, expired ones too; their `what` is not filled in.
    [[nodiscard]] result<std::vector<limit_override>> all();

private:
    store& store_;
    writer& writer_;
    std::string secret_;
};

} // namespace postsluice::state
