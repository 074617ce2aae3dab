// SPDX-License-Identifier: Apache-2.0
// The way back into Postfix: a pool of connections to the next hop, reused while they are idle for less than
// next_hop_idle. Every connection lives on a strand of its own, so messages of any session and thread may use it.
// deliver() never throws for what the peer does; relay.hpp says what holds about loss and duplicates. The capabilities
// that we offer to Postfix are the next hop's last known: a probe at the start, then each greeting; until the first one
// those of any Postfix.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/core/clock.hpp"
#include "shared/relay/relay.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

namespace postsluice::contentfilter::act {

/// "unix:/path", "inet:127.0.0.1:10026", with "lmtp:" or "smtp:" (the default) in front: the form of `listen` and
/// `next_hop`.
struct service_address {
    smtp::protocol speaks = smtp::protocol::smtp;
    net::endpoint where;
    [[nodiscard]] static result<service_address> parse(std::string_view text, smtp::protocol otherwise);
};

class next_hop : public std::enable_shared_from_this<next_hop> {
public:
    /// Throws std::runtime_error where `address` cannot be read.
    next_hop(boost::asio::any_io_executor executor, const config::settings& settings, const std::string& address);

    boost::asio::awaitable<smtp::transaction_result> deliver(relay::mail what);
    /// Connects and greets, so that capabilities() are right before the first message.
    boost::asio::awaitable<void> probe();
    /// Ends connections that were idle for too long; call it every few seconds. `all`: every idle one.
    void tend(bool all = false);

    struct standing {
        std::string address;
        std::vector<std::string> capabilities;
        std::optional<std::chrono::system_clock::time_point> reached;
        std::string error; ///< of the last attempt, empty where it went well
        std::size_t idle = 0;
    };
    [[nodiscard]] standing status() const;
    [[nodiscard]] std::vector<std::string> capabilities() const;
    /// The longest that the replies to a final dot are waited for: a dot must leave that long before our own deadline.
    [[nodiscard]] std::chrono::milliseconds dot_timeout() const noexcept { return limits_.dot; }

private:
    struct slot;
    using slot_ptr = std::shared_ptr<slot>;
    static boost::asio::awaitable<smtp::transaction_result> run(std::shared_ptr<next_hop> self, slot_ptr on,
                                                                std::shared_ptr<relay::mail> what);
    static boost::asio::awaitable<void> greet(std::shared_ptr<next_hop> self, slot_ptr on);
    slot_ptr take();
    void give_back(slot_ptr used);
    void learn(const slot& from, const std::string& error);

    boost::asio::any_io_executor executor_;
    service_address where_;
    smtp::client_options options_;
    relay::deadlines limits_;
    seconds keep_idle_;
    mutable std::mutex mutex_; // what follows
    std::vector<slot_ptr> idle_;
    std::vector<std::string> capabilities_;
    std::optional<std::chrono::system_clock::time_point> reached_;
    std::string error_;
};

/// All endpoints that mail leaves to, each with a pool of its own: the default one, those that profiles name, and the
/// hold listener where a profile wants it. Immutable; a reload makes another one, which takes over the pools whose
/// endpoint stays what it was.
class next_hops {
public:
    /// Throws std::runtime_error where an endpoint cannot be read.
    next_hops(boost::asio::any_io_executor executor, config::settings_ptr settings, const next_hops* before = nullptr);

    /// Where mail that passed goes.
    [[nodiscard]] std::shared_ptr<next_hop> standard() const { return all_.front().second; }
    /// Empty: the default one. An endpoint that the settings do not name any more has a pool for the one message.
    [[nodiscard]] std::shared_ptr<next_hop> of(const std::string& address) const;
    /// The default one first.
    [[nodiscard]] const std::vector<std::pair<std::string, std::shared_ptr<next_hop>>>& all() const noexcept {
        return all_;
    }

private:
    [[nodiscard]] std::shared_ptr<next_hop> find(const std::string& address) const;
    boost::asio::any_io_executor executor_;
    config::settings_ptr settings_;
    std::vector<std::pair<std::string, std::shared_ptr<next_hop>>> all_; ///< by the text in the settings
};

/// How the outcome is told to Postfix, who may only have one reply (SMTP) or one for each recipient (LMTP).
struct relayed {
    std::vector<smtp::reply> replies; ///< LMTP: one per recipient; SMTP: one
    std::string next_queue_id;        ///< "-" where nothing was queued
    std::size_t delivered = 0;
    bool partly_refused =
        false;           ///< SMTP: some recipients were refused, so that nothing was sent; a mistake of configuration
    std::string trouble; ///< private: what failed, empty where nothing did
};
[[nodiscard]] relayed relay_outcome(const smtp::transaction_result& from, smtp::protocol to_client);
/// "3F2A1" of "250 2.0.0 Ok: queued as 3F2A1"; "-" where the reply does not say.
[[nodiscard]] std::string queued_as(const smtp::reply& r);

} // namespace postsluice::contentfilter::act
