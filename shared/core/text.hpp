// SPDX-License-Identifier: Apache-2.0
// Small text helpers on ASCII (mail protocols fold case in ASCII only; RFC 5321 section 2.4).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice {

[[nodiscard]] char ascii_lower(char c) noexcept;
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] bool iequals(std::string_view a, std::string_view b) noexcept;
[[nodiscard]] bool istarts_with(std::string_view text, std::string_view prefix) noexcept;
/// Without leading and trailing blanks, tabs, CR and LF.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

/// One printable line: control bytes and invalid UTF-8 become '?', cut at max_bytes on a character boundary.
/// What goes to logs and into replies passes through here.
[[nodiscard]] std::string printable(std::string_view text, std::size_t max_bytes = 400);
[[nodiscard]] bool is_valid_utf8(std::string_view text) noexcept;

/// The nearest of `candidates` by edit distance, or empty where none is near enough to suggest.
[[nodiscard]] std::string_view did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

/// A glob with '*' (any run, also empty) and nothing else; both sides are compared as they are.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text) noexcept;

/// base64url without padding (RFC 4648 section 5); decode returns empty with ok=false on foreign characters.
[[nodiscard]] std::string base64url_encode(std::string_view bytes);
[[nodiscard]] bool base64url_decode(std::string_view text, std::string& bytes);

} // namespace postsluice
