// SPDX-License-Identifier: Apache-2.0
// One value of a TOML file, changed in place: layout, comments and order stay (TOML 1.0). Pure. What comes out is to be
// parsed again by whoever writes it: this knows where statements begin and end, not what they mean.
#pragma once

#include "shared/core/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postsluice::admin {

/// "profile.\"a.b\".limits" -> {"profile", "a.b", "limits"}; empty: no key.
[[nodiscard]] std::vector<std::string> split_key(std::string_view key);
/// Whether the text sets the key, in a plain table.
[[nodiscard]] bool sets_key(std::string_view toml, const std::vector<std::string>& key);
/// The text with `key` set to `value` (TOML as it is to stand there): in its place; where it is not set, behind the
/// line that shows its default as a comment, else at the end of its table, else in a new table at the end of the file.
/// errc::unsupported: it is set inside of another value ("lock = { for = ... }"); malformed: a line that is no TOML.
[[nodiscard]] result<std::string> set_key(std::string_view toml, const std::vector<std::string>& key,
                                          std::string_view value);

} // namespace postsluice::admin
