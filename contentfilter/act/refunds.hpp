// SPDX-License-Identifier: Apache-2.0
// Before the queue END-OF-MESSAGE has settled the charge when our answer comes. Where that answer is 4xx the client
// will come again, as a new transaction: policyd is told, with the message's ticket, to give the charge back. It does
// so once for each ticket, however often it is asked. Where it cannot be asked (it is being started again), it is asked
// again until the charge cannot be given back any more (policyd.lease): contentfilter.max_refunds of them, which a file
// keeps over a restart of ours (refund_file.hpp). What is lost is a claim under way to a policyd that does not answer
// (refund_timeout) while we are killed. A reply of ours that says 4xx before there is a message (RCPT, 421) is told
// nobody: there is no ticket. Any thread.
#pragma once

#include "contentfilter/act/refund_file.hpp"
#include "contentfilter/intake/message.hpp"
#include "shared/smtp/reply.hpp"

#include <boost/asio/awaitable.hpp>

#include <mutex>
#include <optional>

namespace postsluice::contentfilter::act {

class refunds {
public:
    /// Reads what waited when the last process ended.
    refunds(const clock& time, const config::settings& settings);
    refunds(const refunds&) = delete;

    /// For the sender of a message that was put off; nothing where no ticket says who that is. Within refund_timeout:
    /// the client waits.
    boost::asio::awaitable<void> ask(sender_identity sender, config::settings_ptr settings);
    /// For those that could not be asked for; stops at the first that cannot again. From time to time, one at a time.
    boost::asio::awaitable<void> ask_again(config::settings_ptr settings);
    [[nodiscard]] std::size_t waiting() const;

private:
    /// False: ask again. `before`: it was asked for before, maybe, and the answer was not heard.
    static boost::asio::awaitable<bool> try_once(refund_claim one, config::settings_ptr settings, bool before);
    void keep(refund_claim one, std::size_t most);
    /// The one to ask for now; it still waits.
    std::optional<refund_claim> next();
    void asked(const refund_claim& one, bool done);
    void forget_settled(); ///< the file, where nobody waits; under the lock

    const clock& clock_;
    mutable std::mutex mutex_;
    std::deque<refund_claim> waiting_;
    refund_file file_;
};

/// Is it a "come again"?
[[nodiscard]] bool puts_off(const std::vector<smtp::reply>& replies) noexcept;

} // namespace postsluice::contentfilter::act
