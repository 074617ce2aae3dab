// SPDX-License-Identifier: Apache-2.0
// Hands mail to a next hop: smtp::client on a net::stream. One object is one connection, opened when needed and used
// for many messages, one at a time, on one executor. The filter re-enters mail through it and the policy daemon sends
// its notices.
//
// What holds (no loss, no needless duplicate): until the final dot is written, every failure closes the connection
// without the dot, and the next hop delivers nothing. The dot leaves in the last write, once, and never again: what
// happens after it (stage dot_sent) is only waited for. A connection that was kept and is found dead before its first
// reply is opened again, once; no content has been asked for then. Every wait has a deadline, and each phase one for
// the whole of it, so a peer that trickles gains nothing.
#pragma once

#include "shared/net/endpoint.hpp"
#include "shared/smtp/client.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::relay {

namespace asio = boost::asio;

struct deadlines {
    std::chrono::milliseconds connect{30'000};
    std::chrono::milliseconds hello{60'000};     ///< greeting and EHLO together
    std::chrono::milliseconds envelope{300'000}; ///< from the first command to the answer to DATA
    std::chrono::milliseconds content{180'000};  ///< each write of content
    std::chrono::milliseconds dot{300'000};      ///< all replies after the final dot
    std::chrono::milliseconds quit{2'000};
};

/// The content in CRLF lines, not dot-stuffed, piece by piece; an empty piece ends it. A failure ends the transaction
/// without the dot.
using content_source = std::function<result<std::string>()>;

struct mail {
    smtp::envelope envelope;
    std::uint64_t size = 0; ///< announced as SIZE where offered
    content_source content;
    /// Asked once, when DATA is accepted: result().recipients say who was refused. False: closed without content.
    /// Absent: go on.
    std::function<bool(const smtp::transaction_result&)> go_ahead;
    /// Asked just before the final dot is written (has our own client gone away?). False: closed without the dot.
    /// Absent: go on.
    std::function<bool()> still_wanted;
    /// No final dot after this: our own client would have given up, and would send again what we deliver.
    std::optional<std::chrono::steady_clock::time_point> dot_before;
    /// No phase of this one may be longer, whatever the deadlines say.
    std::optional<std::chrono::milliseconds> at_most;
};

class relay_connection {
public:
    /// `client.speaks` and `client.hostname` say how to talk.
    relay_connection(net::endpoint where, smtp::client_options client, deadlines limits = {});
    relay_connection(relay_connection&&) noexcept;
    relay_connection& operator=(relay_connection&&) noexcept;
    ~relay_connection(); ///< closes, without QUIT

    /// Connects and greets where there is no usable connection; capabilities() are then the next hop's.
    asio::awaitable<result<void>> open(std::optional<std::chrono::milliseconds> at_most = {});
    /// One message, over the kept connection where it still lives. Never throws for what the peer does;
    /// smtp::outcomes() turns the result into a reply per recipient. Trouble of our own (the content source) is
    /// errc::internal or its own errc.
    asio::awaitable<smtp::transaction_result> deliver(mail what);
    /// The next deliver() will not need to connect, as far as can be known now.
    [[nodiscard]] bool reusable();
    /// Of the last greeting; kept after a close.
    [[nodiscard]] const std::vector<std::string>& capabilities() const noexcept { return capabilities_; }
    /// Closes at once.
    void close() noexcept;
    /// QUIT, and a short wait for its answer; then closed.
    asio::awaitable<void> quit();

private:
    struct session;
    asio::awaitable<bool> run_transaction(mail& what);
    asio::awaitable<void> send_content(mail& what);
    asio::awaitable<smtp::client_action> converse(std::chrono::steady_clock::time_point until);

    net::endpoint where_;
    smtp::client_options options_;
    deadlines limits_;
    std::vector<std::string> capabilities_;
    std::unique_ptr<session> session_;
};

} // namespace postsluice::relay
