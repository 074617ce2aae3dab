// SPDX-License-Identifier: Apache-2.0
// The SMTP and LMTP server machine (RFC 5321, RFC 2033, RFC 2920; XFORWARD_README). Sans-I/O: octets in, actions out,
// replies in output(); no socket, no clock. It answers EHLO/LHLO, XFORWARD, MAIL, RCPT, RSET, NOOP, VRFY (252), QUIT
// itself; MAIL and RCPT are only recorded (the envelope is replayed to the next hop later), but for configured bounds.
//
// Use: feed() octets, then call step() until it says want_input or bye; write and clear output() whenever a wait
// follows. Replies to pipelined commands so leave in one write. End of data is exactly CRLF.CRLF; a bare CR or LF never
// ends a line: in content it becomes a blank. No valid recipient: 554 to DATA, never 354. RCPT after a failed MAIL:
// 503. BDAT, AUTH, STARTTLS are not offered (502).
//
// Errors of the peer (unknown verbs, broken syntax, wrong order, over-long lines) are counted; a finished message
// clears the count. What follows a refused MAIL or too many recipients is not an error: a pipelining client cannot
// know. How the octets were cut into feed() calls never changes the outcome.
#pragma once

#include "shared/smtp/dot_stream.hpp"
#include "shared/smtp/envelope.hpp"
#include "shared/smtp/reply.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postsluice::smtp {

enum class protocol : std::uint8_t { smtp, lmtp };

struct server_options {
    protocol speaks = protocol::lmtp;
    std::string hostname;
    /// "PIPELINING", "SIZE 1000", ... as EHLO lines; the next hop's last known. Offered are of these 8BITMIME, DSN,
    /// SMTPUTF8 and SIZE (lowered to max_message_size), and always our own: PIPELINING, ENHANCEDSTATUSCODES, XFORWARD
    /// where allowed.
    std::vector<std::string> capabilities;
    std::size_t max_recipients = 10000; ///< beyond: 452 4.5.3
    std::size_t max_command_line = 12288;
    std::size_t max_errors = 20; ///< then 421
    std::uint64_t max_message_size =
        0; ///< 0: none; MAIL SIZE= beyond: 552 5.3.4; content beyond: reported at end_of_message
    bool allow_xforward = true;
};

namespace action {
struct want_input {};
/// DATA is acceptable: answer with accept_data() or refuse_data().
struct begin_message {};
/// Content, dot-unstuffed, CRLF line ends. The view is valid until the next call.
struct content {
    std::string_view bytes;
};
/// The final dot: answer with finish().
struct end_of_message {
    bool too_large = false;
};
/// The client went away, broke off or said QUIT inside DATA: nothing may be delivered.
struct abort_message {
    std::string_view why;
};
/// Write output(), then close.
struct bye {};
} // namespace action
using server_action = std::variant<action::want_input, action::begin_message, action::content, action::end_of_message,
                                   action::abort_message, action::bye>;

class server {
public:
    explicit server(server_options options); ///< output() holds the greeting
    void feed(std::string_view octets);
    void feed_end(); ///< the peer closed its side
    [[nodiscard]] server_action step();

    void accept_data();
    void refuse_data(const reply& why);
    /// SMTP: exactly one reply. LMTP: one per recipient of current(), in order. Ends the transaction; XFORWARD is
    /// cleared.
    void finish(const std::vector<reply>& replies);
    /// Our own stop: 421 at the next command boundary, then bye.
    void shut_down();

    [[nodiscard]] const envelope& current() const noexcept { return envelope_; }
    [[nodiscard]] std::string& output() noexcept { return output_; }
    [[nodiscard]] bool in_transaction() const noexcept;

private:
    enum class state : std::uint8_t { command, deciding, content, finishing, closed };

    void say(int code, std::string enhanced, std::string text);
    void error(int code, std::string enhanced, std::string text); ///< say() and count
    void count_error();
    void reset_transaction();
    [[nodiscard]] std::string_view pending() const noexcept { return std::string_view{in_}.substr(at_); }
    [[nodiscard]] std::optional<std::string_view> next_line();
    void skip_line();
    [[nodiscard]] std::optional<server_action> command_step();
    [[nodiscard]] std::optional<server_action> content_step();

    void execute(std::string_view line);
    void on_hello(std::string_view argument);
    void on_helo(std::string_view argument);
    void on_xforward(std::string_view argument);
    void on_mail(std::string_view argument);
    void on_rcpt(std::string_view argument);
    void on_data(std::string_view argument);
    void on_rset(std::string_view argument);
    void on_noop(std::string_view argument);
    void on_vrfy(std::string_view argument);
    void on_quit(std::string_view argument);
    void on_not_offered(std::string_view argument);
    [[nodiscard]] bool size_is_acceptable(const path_argument& sender);

    server_options options_;
    envelope envelope_;
    std::string output_;

    state state_ = state::command;
    bool begun_ = false;       // begin_message has been reported for the DATA being decided
    bool greeted_ = false;     // EHLO, HELO or LHLO came
    bool mail_ = false;        // a MAIL was accepted
    bool mail_failed_ = false; // the last MAIL was refused: what was pipelined behind it is no error
    bool eof_ = false;
    bool stopping_ = false;
    std::size_t errors_ = 0;

    std::string in_;
    std::size_t at_ = 0;    // in_ before it has been used
    bool skipping_ = false; // inside an over-long line
    std::size_t skipped_ = 0;
    dot_reader reader_;
    std::string content_; // what action::content views
    std::uint64_t content_size_ = 0;
    bool ended_ = false; // the final dot came
    bool too_large_ = false;
};

} // namespace postsluice::smtp
