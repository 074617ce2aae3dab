// SPDX-License-Identifier: Apache-2.0
// The dot transparency of RFC 5321 section 4.5.2, both directions, streaming, without Asio. The reader ends at exactly CRLF.CRLF; a bare CR
// or LF becomes a blank (as Postfix does) and never ends a line, so no second message can be smuggled. The stuffer takes CRLF text and
// appends the final CRLF where missing.
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
    /// The last complete line was "QUIT" (any case): what smtpd writes inside DATA after a policy refusal (SMTPD_PROXY_README).
    [[nodiscard]] bool last_line_is_quit() const noexcept;

private:
    enum class at { line_start, dot, dot_cr, text, cr } at_ = at::line_start;
    std::string line_; // the first octets of the current line, for last_line_is_quit()
    bool quit_ = false;
};

class dot_stuffer {
public:
    void feed(std::string_view crlf_text, std::string& out);
    /// Final CRLF where missing, then ".\r\n".
    void finish(std::string& out);

private:
    bool line_start_ = true;
    bool cr_ = false;
};

} // namespace postsluice::smtp
