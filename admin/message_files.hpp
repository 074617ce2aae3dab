// SPDX-License-Identifier: Apache-2.0
// Messages as they lie in files, for the commands that hand them to the content filter. Blocking. Of one file in many
// that cannot be read the others do not suffer: the visitor is told.
#pragma once

#include "shared/core/result.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace postsluice::admin {

/// What the filter takes (its control_verbs.hpp).
inline constexpr std::size_t max_message = std::size_t{16} << 20U;

/// One message; "-" is standard input. errc::not_found: it cannot be read; too_large; malformed: it is empty.
[[nodiscard]] result<std::string> read_message(const std::string& name);

/// Standard base64 with padding.
[[nodiscard]] std::string base64(const std::string& text);

/// The files that `names` stand for: a file for itself ("-" too), a Maildir for what is in its `cur` and `new`, another
/// directory for the files in it (not those below), in the order of their names, without those that begin with a dot.
/// errc::not_found where there is none of that name.
[[nodiscard]] result<std::vector<std::string>> message_files(const std::vector<std::string>& names);

/// Calls `visit` with each message in a file: one, or all of an mbox (a file that begins with "From "; RFC 4155, with
/// ">From " quoted as in mboxrd). A failure: a message that is too large or empty, or a file that cannot be read.
/// Stops where `visit` returns false.
using message_visitor = std::function<bool(result<std::string>)>;
void for_each_message(const std::string& file, const message_visitor& visit);
/// The same from a stream; `name` is for failures.
void for_each_message(std::istream& in, const std::string& name, const message_visitor& visit);

} // namespace postsluice::admin
