// SPDX-License-Identifier: Apache-2.0
// One connection from Postfix: the Asio shell around smtp::server. A loop and a switch: octets in, content to the
// collector, the whole message to the pipeline, replies out (those to pipelined commands in one write). Owned by its
// own run(); lives on a strand of its own.
//
// A message whose final dot never came (end of stream, time-out, QUIT inside the content) is dropped: Postfix still has
// it. stop() lets a message that has begun come to its reply, or a new client have its first, then says 421. Settings
// are taken anew for each message, so a reload reaches kept connections.
#pragma once

#include "contentfilter/access.hpp"
#include "contentfilter/intake/collector.hpp"
#include "contentfilter/service.hpp"
#include "shared/net/endpoint.hpp"
#include "shared/smtp/server.hpp"

#include <array>
#include <memory>
#include <optional>

namespace postsluice::contentfilter {

/// What a listener is: its protocol, and how mail comes in by it.
struct entrance {
    smtp::protocol speaks = smtp::protocol::lmtp;
    way in = way::after_queue;
};

class session : public std::enable_shared_from_this<session> {
public:
    /// The stream's executor is the session's strand.
    session(net::stream connection, entrance through, service& of);

    /// Until the connection is over.
    boost::asio::awaitable<void> run();
    /// On the session's strand.
    void stop();

private:
    boost::asio::awaitable<bool> admit();
    boost::asio::awaitable<bool> read();
    boost::asio::awaitable<bool> flush();
    void begin_message();
    boost::asio::awaitable<void> end_message(bool too_large);
    boost::asio::awaitable<std::vector<smtp::reply>> answer(bool too_large);
    boost::asio::awaitable<void> give_charge_back();
    [[nodiscard]] sender_identity identify(const header_block& header);
    [[nodiscard]] result<void> look_at_header(message& what, const try_mark& mark);
    [[nodiscard]] std::string id_of_an_earlier_pass(const message& what) const;
    [[nodiscard]] std::vector<smtp::reply> no_room(const failure& why);
    void abort_message(std::string_view why);
    [[nodiscard]] bool client_is_there();

    net::stream stream_;
    service& service_;
    smtp::protocol speaks_;
    way in_;
    std::chrono::milliseconds timeout_;
    bool local_ = true;
    std::optional<smtp::server> machine_;
    std::optional<collector> content_;
    config::settings_ptr settings_; ///< of the message at hand
    sender_identity sender_;        ///< of the message that was answered, before the queue
    std::array<char, 65536> input_{};
    bool reading_ = false, served_ = false;
    bool interrupted_ = false; ///< stop() ended the read
    bool last_ = false;        ///< one message more, then 421
};

/// What the machine is told: our bounds, and the next hop's capabilities.
[[nodiscard]] smtp::server_options server_options_for(const config::settings& settings, smtp::protocol speaks,
                                                      std::vector<std::string> capabilities);

} // namespace postsluice::contentfilter
