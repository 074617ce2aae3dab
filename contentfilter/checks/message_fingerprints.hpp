// SPDX-License-Identifier: Apache-2.0
// The fingerprints of a message (core/fingerprint.hpp): one of its letter's text, one of each HTML part's layout, one
// of each file. Pure but for reading the spool: throws std::runtime_error where that fails.
//
// A text's members are its pairs of neighbouring words. Words are runs of letters in lower case; one with digits in it
// (amounts, dates, tokens in URLs) is as any other such. Not looked at: quoted lines and what comes after the mark of a
// signature (RFC 3676 section 4.3), which are not what the letter says. So what is put into it for each recipient, a
// name or a number, costs two members each of some hundreds.
// A layout's members are its runs of four neighbouring elements, whatever their attributes and text.
#pragma once

#include "contentfilter/mime/content.hpp"
#include "contentfilter/mime/tree.hpp"
#include "shared/core/fingerprint.hpp"

#include <vector>

namespace postsluice::contentfilter {

struct fingerprint_set {
    std::vector<fingerprint> all;
    bool cut = false; ///< there are more layouts (4) or files (20) than are looked at
};
/// `parts` may be null: there are none then.
[[nodiscard]] fingerprint_set fingerprints_of(const mime::tree* parts, const mime::content& content,
                                              const config::fingerprint_settings& bounds);
/// Absent where the text has fewer than `least` words.
[[nodiscard]] std::optional<min_hash> sketch_of_text(const std::vector<std::string_view>& texts, std::size_t least);
/// `layout`: html_text::layout.
[[nodiscard]] std::optional<min_hash> sketch_of_layout(std::string_view layout, std::size_t least);

} // namespace postsluice::contentfilter
