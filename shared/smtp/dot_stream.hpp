// SPDX-License-Identifier: Apache-2.0
// The dot transparency of RFC 5321 section 4.5.2, both directions, streaming, without Asio. The reader ends at exactly
// CRLF.CRLF; a bare CR or LF becomes a blank (as Postfix does) and never ends a line, so no second message can be
// smuggled. The stuffer takes CRLF text and appends the final CRLF where missing; a bare CR or LF in what it is given
// leaves as a blank too. Both copy whole runs and look at single octets only around CR, LF and dots at the start of a
// line. Output grows by at most the input, and a dot for each line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postsluice::smtp {

class dot_reader {
public:
    struct progress {
        std::size_t consumed = 0; ///< octets of `in` used; what follows the dot is not
        bool ended = false;
    };
    /// Appends unstuffed content to `out`.
    progress feed(std::string_view in, std::string& out);
    void reset() noexcept { *this = dot_reader{}; }
    /// What came so far ends with the complete line "QUIT" (any case): what smtpd writes inside DATA after a policy
    /// refusal (SMTPD_PROXY_README).
    [[nodiscard]] bool last_line_is_quit() const noexcept;

private:
    progress read(std::string_view in, std::string& out);

    enum class at { line_start, dot, dot_cr, text, cr } at_ = at::line_start;
    std::string tail_ =
        "\r\n"; // the last octets that came, for last_line_is_quit(); the start of the content is a line's start
};

class dot_stuffer {
public:
    void feed(std::string_view crlf_text, std::string& out);
    /// Final CRLF where missing, then ".\r\n". The stuffer is then as new.
    void finish(std::string& out);

private:
    bool line_start_ = true;
    bool cr_ = false; // a CR came last and waits to see whether LF follows
};

} // namespace postsluice::smtp
