// SPDX-License-Identifier: Apache-2.0
// A message with its edits applied, as CRLF text, twice the same: once for the body hash and the size, once to be sent.
// Memory is that of the header; the body is read from the spool piece by piece. Lines over 998 octets are broken as
// smtp(8) would do it on its way out (CRLF and a blank, the blank counts on the next line), so that what was signed is
// what arrives. 8-bit octets pass, and so do NULs of the body; the header has none (intake/collector). A bare CR or LF,
// which nothing that came by SMTP holds, leaves as a blank.
#pragma once

#include "contentfilter/act/edits.hpp"

#include <functional>

namespace postsluice::contentfilter::act {

inline constexpr std::size_t longest_line = 998; ///< RFC 5322 section 2.1.1, without CRLF; smtp_line_length_limit

class line_breaker {
public:
    void feed(std::string_view text, std::string& out);
    /// Ends the last line.
    void finish(std::string& out);
    /// Whether anything left otherwise than it came; the end of a last line without one is none of that.
    [[nodiscard]] bool changed() const noexcept { return changed_; }

private:
    void run(std::string_view text, std::string& out); // octets without CR and LF
    void replace(std::string& out);                    // a bare CR or LF
    std::size_t column_ = 0;
    bool changed_ = false;
    bool cr_ = false; // a CR came last and waits for its LF
};
/// `field` with its long lines broken, without final CRLF.
[[nodiscard]] std::string break_field(std::string_view field);

/// The header's fields as they leave, each without final CRLF.
[[nodiscard]] std::vector<std::string> render_header(const message& what, const edits& changes);

/// The body as it leaves, piece by piece.
class body_reader {
public:
    body_reader(const message& what, const edits& changes);
    /// Empty: the end.
    [[nodiscard]] result<std::string> next();
    /// Of what was read so far: whether it is not as it came.
    [[nodiscard]] bool changed() const noexcept;

private:
    std::shared_ptr<const spool> from_;
    std::uint64_t offset_;
    bool replaced_;
    line_breaker breaker_;
    bool ended_ = false;
};

/// Everything of a message that is known before it is sent.
struct rendered {
    std::shared_ptr<const message> source;
    edits changes;
    std::vector<std::string> fields; ///< signatures among them
    std::uint64_t body_size = 0;
    [[nodiscard]] std::string head() const; ///< the fields and the empty line below them
    [[nodiscard]] std::uint64_t size() const;
};
/// All of it, for relay::mail::content: a source that yields pieces and, at the end, an empty one.
[[nodiscard]] std::function<result<std::string>()> stream_of(std::shared_ptr<const rendered> what);

} // namespace postsluice::contentfilter::act
