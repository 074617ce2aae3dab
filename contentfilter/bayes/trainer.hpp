// SPDX-License-Identifier: Apache-2.0
// Teaches the bayes check: messages become tokens and are written to the state, on one thread of its own, so that a
// long lesson keeps no mail waiting. Writes are cut into transactions of `at_once` tokens, since whoever passes mail
// writes to the same environment. Any thread may ask. It outlives what it was asked for.
#pragma once

#include "contentfilter/intake/message.hpp"
#include "shared/state/token_statistics.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <optional>
#include <vector>

namespace postsluice::contentfilter::bayes {

class trainer {
public:
    static constexpr std::size_t at_once = 16'384;

    explicit trainer(state::token_statistics& into)
        : into_{into} {}
    /// Finishes what is under way.
    ~trainer() { pool_.join(); }
    trainer(const trainer&) = delete;

    using outcome = state::token_statistics::outcome;
    /// Learns the messages as `as`, or takes back what they taught where that is nothing. One outcome a message, in
    /// their order; on a failure what came before it is learned.
    boost::asio::awaitable<result<std::vector<outcome>>> teach(std::optional<state::mail_class> as,
                                                               std::vector<message_ptr> messages);
    [[nodiscard]] result<state::token_statistics::totals> total(seconds half_life) { return into_.total(half_life); }

private:
    boost::asio::awaitable<result<std::vector<outcome>>> work(std::optional<state::mail_class> as,
                                                              std::vector<message_ptr> messages);
    state::token_statistics& into_;
    boost::asio::thread_pool pool_{1};
};

/// The tokens of a message that no check has looked at. Throws std::runtime_error where the spool cannot be read.
[[nodiscard]] state::token_set read_tokens(const message_ptr& of);

} // namespace postsluice::contentfilter::bayes
