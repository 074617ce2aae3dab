// SPDX-License-Identifier: Apache-2.0
// The SMTP and LMTP client machine. Sans-I/O. One connection, many transactions: greeting, EHLO/LHLO once, then per transaction
// XFORWARD (where offered), MAIL, RCPT..., DATA pipelined where offered, content by the caller through dot_stuffer, final dot, replies.
//
// Use: feed() octets, then step() until it says want_input or done; write and clear output() before a wait. A reply that breaks the
// grammar, an over-long one or a class that does not fit (3xx to RCPT, 2xx to DATA) is a protocol failure of the transaction: never taken
// for success. After the final dot nothing is ever sent again for the transaction.
#pragma once

#include "shared/smtp/envelope.hpp"
#include "shared/smtp/reply.hpp"
#include "shared/smtp/server.hpp"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace postsluice::smtp {

struct client_options {
    protocol speaks = protocol::smtp;
    std::string hostname;
    std::size_t max_reply_lines = 200;
    std::size_t max_reply_line = 4096;
};

/// How far a transaction came.
enum class client_stage : std::uint8_t { connecting, greeted, ready, envelope, content, dot_sent, done };

/// What the peer said. Absent replies were never received.
struct transaction_result {
    std::optional<reply> mail;
    std::vector<std::optional<reply>> recipients; ///< same order as the envelope's
    std::optional<reply> data;
    std::vector<std::optional<reply>> dot;        ///< SMTP: one; LMTP: one per accepted recipient, in order
    std::optional<std::string> failure;           ///< connection lost, protocol broken, ...: private text
    client_stage stage = client_stage::connecting;
    bool reused_connection_died = false;          ///< nothing was answered on a reused connection: may be reopened once
};

namespace action {
/// The greeting and EHLO are done; capabilities() is valid; begin() may be called.
struct ready {};
/// 354 came and at least one recipient was accepted: write the content through dot_stuffer, then content_sent().
struct send_content {};
/// The transaction is over; result() says how. The connection is usable again where reusable().
struct finished {};
} // namespace action
using client_action = std::variant<action::want_input, action::ready, action::send_content, action::finished>;

class client {
public:
    explicit client(client_options options);
    void feed(std::string_view octets);
    void feed_end();
    [[nodiscard]] client_action step();

    /// Starts a transaction; `size` is announced where SIZE is offered; parameters of the peer's missing capabilities are dropped
    /// (BODY, SMTPUTF8 when needed is a failure), others pass verbatim. XFORWARD is sent as far as offered, SOURCE as REMOTE.
    void begin(const envelope& what, std::uint64_t size);
    /// The content has been written, ".\r\n" with it.
    void content_sent();
    void quit();

    [[nodiscard]] const std::vector<std::string>& capabilities() const noexcept { return capabilities_; }
    [[nodiscard]] const transaction_result& result() const noexcept { return result_; }
    [[nodiscard]] bool reusable() const noexcept;
    [[nodiscard]] client_stage stage() const noexcept;
    [[nodiscard]] std::string& output() noexcept { return output_; }

private:
    client_options options_;
    std::vector<std::string> capabilities_;
    transaction_result result_;
    std::string output_;
    // the helper implementing this completes the private part
};

} // namespace postsluice::smtp
