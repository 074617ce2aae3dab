// SPDX-License-Identifier: Apache-2.0
// An envelope kept as data: the argument of each command as it was received (parsed as liberally as Postfix does and passed on
// unmodified), what it means for us, and XFORWARD's attributes.
#pragma once

#include "shared/core/mail_address.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::smtp {

struct path_argument {
    std::string raw;      ///< "<a@example.org> SIZE=100 BODY=8BITMIME", as received after "MAIL FROM:"
    std::string path;     ///< "<a@example.org>" as received
    mail_address address; ///< what it means
    std::vector<std::string> parameters; ///< "SIZE=100", as received
    [[nodiscard]] std::optional<std::string> parameter(std::string_view keyword) const; ///< value; "" for a bare keyword
    bool operator==(const path_argument&) const = default;
};
/// Parses what follows "MAIL FROM:" or "RCPT TO:". Liberal: blanks before the path, no brackets, odd case.
[[nodiscard]] result<path_argument> parse_path_argument(std::string_view text);

struct envelope {
    path_argument sender;
    std::vector<path_argument> recipients;
    std::map<std::string, std::string> xforward; ///< NAME ADDR PORT PROTO HELO IDENT SOURCE, decoded (xtext), unknown ones absent
    std::string helo;
};

} // namespace postsluice::smtp
