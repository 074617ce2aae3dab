// SPDX-License-Identifier: Apache-2.0
// Before the queue END-OF-MESSAGE has settled the charge when our answer comes. Where that answer is 4xx the client
// will come again, as a new transaction: policyd is told, with the message's ticket, to give the charge back. It does
// so once for each ticket, however often it is asked. Where it cannot be asked (it is being started again), it is asked
// again until the charge cannot be given back any more (policyd.lease): contentfilter.max_refunds of them, which a
// restart of ours forgets. Any thread.
#pragma once

#include "contentfilter/intake/message.hpp"
#include "shared/core/clock.hpp"
#include "shared/smtp/reply.hpp"

#include <boost/asio/awaitable.hpp>

#include <deque>
#include <mutex>

namespace postsluice::contentfilter::act {

class refunds {
public:
    explicit refunds(const clock& time)
        : clock_{time} {}
    refunds(const refunds&) = delete;

    /// For the sender of a message that was put off; nothing where no ticket says who that is. Within refund_timeout:
    /// the client waits.
    boost::asio::awaitable<void> ask(sender_identity sender, config::settings_ptr settings);
    /// For those that could not be asked for; stops at the first that cannot again. From time to time.
    boost::asio::awaitable<void> ask_again(config::settings_ptr settings);
    [[nodiscard]] std::size_t waiting() const;

private:
    struct claim {
        std::string sealed, account;
        instant until{};
    };
    /// False: ask again.
    static boost::asio::awaitable<bool> try_once(claim one, config::settings_ptr settings);
    void keep(claim one, std::size_t most);
    std::optional<claim> take();

    const clock& clock_;
    mutable std::mutex mutex_;
    std::deque<claim> waiting_;
};

/// Is it a "come again"?
[[nodiscard]] bool puts_off(const std::vector<smtp::reply>& replies) noexcept;

} // namespace postsluice::contentfilter::act
