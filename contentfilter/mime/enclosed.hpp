// SPDX-License-Identifier: Apache-2.0
// Files in the text of a letter itself, uuencoded ("begin 644 name" ... "end", POSIX uuencode): what mailers wrote
// before MIME, and some readers still take out of the text and list as attachments. They are parts like others then,
// below the text, with name and transfer encoding. A "begin" counts where a line of such data follows, so that prose is
// none; a block without an end goes on to the next one or to the end of the text. And files in Outlook's winmail.dat
// (tnef.cpp), which other readers open as well. Used by tree.cpp alone.
#pragma once

#include "contentfilter/mime/tree.hpp"

#include <functional>

namespace postsluice::contentfilter::mime {

/// Appends to `parts` what the text `parts[which]` encloses. Fails as tree::build() does.
[[nodiscard]] result<void> find_enclosed(std::vector<part>& parts, std::size_t which,
                                         const config::filter_settings& bounds);

/// Is the part Outlook's wrapping, by its type or by its name?
[[nodiscard]] bool is_tnef(const part& of);
/// Appends the attachments in it ([MS-OXTNEF]) with all names they have there, and its texts, but for compressed RTF;
/// and what the messages enclose that are attached in it, as parts of these.
[[nodiscard]] result<void> find_in_tnef(std::vector<part>& parts, std::size_t which,
                                        const config::filter_settings& bounds);

/// Visits the octets from `begin` to `end`, piece by piece, until `visit` returns false or an error, which is the
/// answer.
[[nodiscard]] result<void> for_range(const spool& of, std::uint64_t begin, std::uint64_t end,
                                     const std::function<result<bool>(std::string_view)>& visit);

/// A file within `parts[which]`, the `number`th; names and place are the caller's to fill in. errc::too_large at a
/// bound.
[[nodiscard]] result<part> enclosed_file(const std::vector<part>& parts, std::size_t which, std::size_t number,
                                         const config::filter_settings& bounds);

} // namespace postsluice::contentfilter::mime
