// SPDX-License-Identifier: Apache-2.0
// An SMTP reply (RFC 5321 section 4.2, enhanced codes RFC 3463). to_wire() is pure and total: text is made printable,
// never empty, one CRLF-terminated line per text line, under 512 octets each.
#pragma once

#include "shared/core/result.hpp"

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::smtp {

struct reply {
    int code = 0;                   ///< 200..599
    std::string enhanced;           ///< "4.3.0" or empty
    std::vector<std::string> lines; ///< text, without codes; at least one
    [[nodiscard]] int klass() const noexcept { return code / 100; }
    [[nodiscard]] bool ok() const noexcept { return klass() == 2; }
    [[nodiscard]] std::string text() const; ///< "451 4.3.0 text text", one line
    bool operator==(const reply&) const = default;
};
[[nodiscard]] reply make_reply(int code, std::string enhanced, std::string text);
[[nodiscard]] std::string to_wire(const reply& r);
std::ostream& operator<<(std::ostream& out, const reply& r);

/// Length of the enhanced code ("4.3.0", RFC 3463) that `text` begins with, followed by a blank or nothing; 0 where
/// there is none.
[[nodiscard]] std::size_t enhanced_code_length(std::string_view text) noexcept;

} // namespace postsluice::smtp
