// SPDX-License-Identifier: Apache-2.0
// Replies out of a stream of octets, for the client machine (RFC 5321 section 4.2.1). Strict where a mistake would lose
// mail: a line ends at CRLF, begins with a code in 200..599, and all lines of one reply carry the same code. A line
// that breaks this is errc::protocol, never skipped: a skipped line could shift which reply belongs to which command.
// The text is free and is made printable. Lines and their number are bounded (errc::too_large). After an error the
// parser is of no more use.
#pragma once

#include "shared/smtp/reply.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace postsluice::smtp {

class reply_parser {
public:
    reply_parser(std::size_t max_lines, std::size_t max_line)
        : max_lines_{max_lines}
        , max_line_{max_line} {}
    void feed(std::string_view octets);
    /// The next whole reply; nullopt: more octets are needed.
    [[nodiscard]] result<std::optional<reply>> next();
    /// No octet waits, and no reply is half read.
    [[nodiscard]] bool idle() const noexcept { return at_ == in_.size() && partial_.lines.empty(); }

private:
    [[nodiscard]] result<bool> take(std::string_view line); // true: the reply is whole

    std::size_t max_lines_, max_line_;
    std::string in_;
    std::size_t at_ = 0; // in_ before it has been used
    reply partial_;
};

} // namespace postsluice::smtp
