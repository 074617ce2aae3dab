// SPDX-License-Identifier: Apache-2.0
// The trends of accounts (core/trend.hpp) in the `counters` environment, written within the turn's transaction.
//   B <hash of account>   version, trend_memory and the account's name; about 1300 octets an account
// A record whose account sent nothing for `trend_retention` goes. A damaged one starts empty. Used by the event loop's
// thread alone; the turn must outlive it.
#pragma once

#include "shared/core/trend.hpp"
#include "shared/state/turn.hpp"

#include <optional>
#include <string>
#include <vector>

namespace postsluice::state {

/// An account that rests for long is the one a thief likes: what is usual for it is kept over a year.
inline constexpr seconds trend_retention{400 * 86400};

class trend_store {
public:
    virtual ~trend_store() = default;
    /// Empty for an account that was never seen.
    [[nodiscard]] virtual result<trend_memory> read(std::string_view account) = 0;
    /// A message at DATA. `recipients`: hash_of() of those that are known, in any order.
    virtual boost::asio::awaitable<result<void>> observe(std::string account, trend_message message,
                                                         std::vector<std::uint64_t> recipients) = 0;
    /// It was put off, and is to come again.
    virtual boost::asio::awaitable<result<void>> take_back(std::string account, trend_message message) = 0;
    /// Forgets an account's trend (an operator's reset).
    virtual boost::asio::awaitable<result<void>> reset(std::string account) = 0;
    /// Looks at up to `most` records; returns how many it dropped.
    virtual boost::asio::awaitable<result<std::size_t>> sweep(std::size_t most) = 0;
    /// Keyed, so that nobody can aim at a collision; never 0.
    [[nodiscard]] virtual std::uint64_t hash_of(std::string_view account, std::string_view what) const = 0;
};

/// `counters`: the environment that `turns` writes.
[[nodiscard]] std::unique_ptr<trend_store> make_trend_store(turn& turns, std::string hash_secret, const clock& time);

/// For tests, and for those who look at a record.
[[nodiscard]] std::string encode(const trend_memory& memory, std::string_view account);
[[nodiscard]] std::optional<trend_memory> decode_trend(std::string_view value);

} // namespace postsluice::state
