// SPDX-License-Identifier: Apache-2.0
// An envelope kept as data: the argument of each command as it was received (parsed as liberally as Postfix does and
// passed on unmodified), what it means for us, and XFORWARD's attributes.
#pragma once

#include "shared/core/mail_address.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::smtp {

struct path_argument {
    std::string raw;                     ///< "<a@example.org> SIZE=100 BODY=8BITMIME", as received after "MAIL FROM:"
    std::string path;                    ///< "<a@example.org>" as received
    mail_address address;                ///< what it means
    std::vector<std::string> parameters; ///< "SIZE=100", as received
    [[nodiscard]] std::optional<std::string>
    parameter(std::string_view keyword) const; ///< value; "" for a bare keyword
    bool operator==(const path_argument&) const = default;
};
/// Parses what follows "MAIL FROM:" or "RCPT TO:". Liberal: blanks before the path, no brackets, odd case; where the
/// quoting is broken the address is the text as it stands (Postfix took it, so we do). errc::malformed: no path at all,
/// or control characters.
[[nodiscard]] result<path_argument> parse_path_argument(std::string_view text);

struct envelope {
    path_argument sender;
    std::vector<path_argument> recipients;
    std::map<std::string, std::string>
        xforward; ///< NAME ADDR PORT PROTO HELO IDENT SOURCE, and LOGIN of postsluice-pipe (no Postfix offers it, so it
                  ///< goes no further); decoded (xtext), unknown ones absent
    std::string helo;
};

/// An envelope of our own making (a notice): paths in RFC 5321 form, no parameters. A null `sender` is "<>".
[[nodiscard]] envelope make_envelope(const mail_address& sender, const std::vector<mail_address>& recipients);

/// xtext (RFC 3461 section 4): '+', '=' and what is not printable ASCII as +XX.
[[nodiscard]] std::string xtext_encode(std::string_view text);
/// errc::malformed where '+' is not followed by two hexadecimal digits. Control characters in the result become '?'.
[[nodiscard]] result<std::string> xtext_decode(std::string_view text);

/// Takes the argument of one XFORWARD command ("NAME=a.example ADDR=192.0.2.1") into `attributes`: names in any case,
/// unknown names ignored, "[UNAVAILABLE]" erases. All or nothing: errc::malformed leaves `attributes` as they were.
[[nodiscard]] result<void> apply_xforward(std::string_view argument, std::map<std::string, std::string>& attributes);

} // namespace postsluice::smtp
