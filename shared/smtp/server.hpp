// SPDX-License-Identifier: Apache-2.0
// The SMTP and LMTP server machine (RFC 5321, RFC 2033, RFC 2920; XFORWARD_README). Sans-I/O: octets in, actions out, replies in
// output(); no socket, no clock. It answers EHLO/LHLO, XFORWARD, MAIL, RCPT, RSET, NOOP, VRFY (252), QUIT itself;
// MAIL and RCPT are only recorded (the envelope is replayed to the next hop later), but for configured bounds.
//
// Use: feed() octets, then call step() until it says want_input or bye; write and clear output() whenever a wait follows. Replies to
// pipelined commands so leave in one write. End of data is exactly CRLF.CRLF; a bare CR or LF never ends a line: in content it
// becomes a blank. No valid recipient: 554 to DATA, never 354. RCPT after a failed MAIL: 503. BDAT, AUTH, STARTTLS are not offered (502).
#pragma once

#include "shared/smtp/envelope.hpp"
#include "shared/smtp/reply.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postsluice::smtp {

enum class protocol : std::uint8_t { smtp, lmtp };

struct server_options {
    protocol speaks = protocol::lmtp;
    std::string hostname;
    std::vector<std::string> capabilities; ///< "PIPELINING", "SIZE 1000", ... as EHLO lines; the next hop's last known
    std::size_t max_recipients = 10000;    ///< beyond: 452 4.5.3
    std::size_t max_command_line = 12288;
    std::size_t max_errors = 20;           ///< then 421
    std::uint64_t max_message_size = 0;    ///< 0: none; MAIL SIZE= beyond: 552 5.3.4; content beyond: reported at end_of_message
    bool allow_xforward = true;
};

namespace action {
struct want_input {};
/// DATA is acceptable: answer with accept_data() or refuse_data().
struct begin_message {};
/// Content, dot-unstuffed, CRLF line ends. The view is valid until the next call.
struct content { std::string_view bytes; };
/// The final dot: answer with finish().
struct end_of_message { bool too_large = false; };
/// The client went away, broke off or said QUIT inside DATA: nothing may be delivered.
struct abort_message { std::string_view why; };
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
    /// SMTP: exactly one reply. LMTP: one per recipient of current(), in order. Ends the transaction; XFORWARD is cleared.
    void finish(const std::vector<reply>& replies);
    /// Our own stop: 421 at the next command boundary, then bye.
    void shut_down();

    [[nodiscard]] const envelope& current() const noexcept { return envelope_; }
    [[nodiscard]] std::string& output() noexcept { return output_; }
    [[nodiscard]] bool in_transaction() const noexcept;

private:
    server_options options_;
    envelope envelope_;
    std::string output_;
    // the helper implementing this completes the private part
};

} // namespace postsluice::smtp
