// SPDX-License-Identifier: Apache-2.0
// The SMTP and LMTP client machine. Sans-I/O. One connection, many transactions: greeting, EHLO/LHLO once, then per
// transaction XFORWARD (where offered), MAIL, RCPT..., DATA pipelined where offered, content by the caller through
// dot_stuffer, final dot, replies.
//
// Use: feed() octets, then step() until it says want_input or finished; write and clear output() before a wait. A reply
// that breaks the grammar, an over-long one, one that nobody asked for, or a class that does not fit (3xx to RCPT, 2xx
// to DATA) is a protocol failure of the transaction: never taken for success. After the final dot nothing is ever sent
// again for the transaction.
//
// step() answers by state, so it may be asked again: ready after the greeting, send_content until content_sent() or
// abort_content(), finished until the next begin(). A transaction that ended before the dot is cleared by RSET in front
// of the next.
#pragma once

#include "shared/smtp/envelope.hpp"
#include "shared/smtp/reply_parser.hpp"
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

/// What the peer said. Absent replies were never received, or mean nothing (to RCPT and DATA, where MAIL was refused).
struct transaction_result {
    std::optional<reply> mail;
    std::vector<std::optional<reply>> recipients; ///< same order as the envelope's
    std::optional<reply> data;
    std::vector<std::optional<reply>> dot; ///< SMTP: one; LMTP: one per accepted recipient, in order
    std::optional<reply> xforward_refused; ///< the mail goes on without it (as smtp(8) does); worth a line in the log
    std::optional<std::string> failure;    ///< connection lost, protocol broken, ...: private text
    errc failure_code = errc::closed;      ///< what kind of failure, where there is one
    client_stage stage = client_stage::connecting;
    bool reused_connection_died = false; ///< nothing was answered on a reused connection: may be reopened once

    /// Recipients the peer has accepted so far; what it said to each is in `recipients`.
    [[nodiscard]] std::size_t accepted() const noexcept;
};

/// The final reply for each recipient: the peer's own where it gave one (421 as 451: our own session does not end with
/// it), otherwise a 451 for the failure. 2xx only where the peer said 2xx to the final dot.
[[nodiscard]] std::vector<reply> outcomes(const transaction_result& from);

namespace action {
/// The greeting and EHLO are done; capabilities() is valid; begin() may be called.
struct ready {};
/// 354 came and at least one recipient was accepted (result() says which): write the content through dot_stuffer, then
/// content_sent(); or abort_content(). Octets that come before content_sent() are a failure: feed() them, and look at
/// step() before the final dot.
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

    /// Starts a transaction; `size` is announced where SIZE is offered; parameters of the peer's missing capabilities
    /// are dropped (BODY; RET, ENVID, NOTIFY, ORCPT without DSN; SMTPUTF8 when needed is a failure), others pass
    /// verbatim. XFORWARD is sent as far as offered, SOURCE as REMOTE. Asked for after `ready`, or after `finished`
    /// where reusable().
    void begin(const envelope& what, std::uint64_t size);
    /// The content has been written, ".\r\n" with it.
    void content_sent();
    /// The content will not be sent, or not to its end: close the connection without the final dot.
    void abort_content(std::string why);
    /// The driver gives up (errc::timed_out, a failed write, ...): the transaction fails and the connection is not
    /// reusable.
    void fail(errc code, std::string why);
    /// QUIT; then step() says want_input until its reply, and finished.
    void quit();

    [[nodiscard]] const std::vector<std::string>& capabilities() const noexcept { return capabilities_; }
    [[nodiscard]] const transaction_result& result() const noexcept { return result_; }
    [[nodiscard]] bool reusable() const noexcept;
    [[nodiscard]] client_stage stage() const noexcept { return result_.stage; }
    [[nodiscard]] std::string& output() noexcept { return output_; }

private:
    enum class state : std::uint8_t { greeting, hello, helo, idle, envelope, content, dots, quitting, over };
    enum class command : std::uint8_t { rset, xforward, mail, rcpt, data };
    struct step_of_envelope {
        command what;
        std::size_t recipient; // of rcpt
        std::string line;
    };

    [[nodiscard]] std::optional<client_action> advance();
    [[nodiscard]] std::optional<client_action> waiting_step();
    void take(const reply& r);
    void take_greeting(const reply& r);
    void take_hello(const reply& r);
    void take_envelope(const reply& r);
    void take_dot(const reply& r);
    void pump();
    void decide_content();
    void complete(bool needs_reset);
    void refuse_to_begin(errc code, std::string why);
    void lost();
    [[nodiscard]] const std::string* capability(std::string_view keyword) const;
    void queue_xforward(const envelope& what);
    [[nodiscard]] std::string path_line(std::string_view verb, const path_argument& path,
                                        std::optional<std::uint64_t> size) const;

    client_options options_;
    std::vector<std::string> capabilities_;
    transaction_result result_;
    std::string output_;

    reply_parser parser_;
    state state_ = state::greeting;
    std::vector<step_of_envelope> steps_; // the transaction's commands up to DATA
    std::size_t sent_ = 0, answered_ = 0; // of steps_
    bool extended_ = false;               // EHLO or LHLO was understood
    bool pipelining_ = false;
    bool used_ = false;  // a transaction went over this connection before
    bool heard_ = false; // something was answered in this transaction
    bool needs_reset_ = false;
    bool broken_ = false; // never to be used again
    bool eof_ = false;
};

} // namespace postsluice::smtp
