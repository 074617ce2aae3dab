// SPDX-License-Identifier: Apache-2.0
// main.cf and master.cf as Postfix reads them, without losing an octet of how the admin wrote them: logical lines
// (postconf(5), master(5): a line that starts with a blank continues the one above, comments and empty lines may stand
// anywhere, also inside) and what is between them. text() gives back what parse() got. Pure; any text parses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postsluice::admin::setup {

struct piece {
    std::string raw;    ///< with its line ends
    bool entry = false; ///< a logical line; otherwise comments and empty lines
    bool operator==(const piece&) const = default;
};

class logical_lines {
public:
    logical_lines() = default;
    explicit logical_lines(std::string_view text);
    [[nodiscard]] std::string text() const;
    /// Adds at the end; `comment` (with the empty line above it) may be empty.
    void append(std::string_view comment, std::string_view entry);
    /// Removes the entry at `index`, and `comment` where it stands directly above.
    void remove(std::size_t index, std::string_view comment);

    std::vector<piece> pieces;
};

/// A logical line as one: comments left out, physical lines joined.
[[nodiscard]] std::string joined(std::string_view raw);
/// The same with every run of blanks as one: what means the same to Postfix compares equal.
[[nodiscard]] std::string normalized(std::string_view raw);
/// Whether a physical line holds nothing, or a comment.
[[nodiscard]] bool is_comment(std::string_view line) noexcept;

} // namespace postsluice::admin::setup
