// SPDX-License-Identifier: Apache-2.0
// What libmagic's types are good for: which are programs (opening such a file runs it), and which contradict what a
// part is said to be, by its Content-Type and by the extension of its name. Pure. Only kinds that no honest sender
// mixes up are told apart: a PNG that is called JPEG is an image, a spreadsheet that is a zip, an old office file or
// HTML is what programs write.
#pragma once

#include <string_view>

namespace postsluice::contentfilter {

[[nodiscard]] bool is_program_type(std::string_view type) noexcept;

/// The type of what is told by its first octets alone, in libmagic's words: the usual attachments, none of which can be
/// a program, since each format of those has other first octets. Empty: libmagic has to look. Of a zip archive it would
/// say what is inside, of which nothing here depends.
[[nodiscard]] std::string_view type_at_a_glance(std::string_view octets) noexcept;

enum class content_kind {
    unknown, ///< contradicts nothing
    image,
    media, ///< sound and film
    pdf,
    zip,        ///< as found: an archive, or what is one inside (documents)
    old_office, ///< as found: a compound file
    archive,    ///< of another format, or as declared
    office,     ///< as declared
};
/// Of a type that libmagic found.
[[nodiscard]] content_kind kind_found(std::string_view type) noexcept;
/// What a Content-Type, or the extension of a name (lower case, without its dot), lets a reader expect.
[[nodiscard]] content_kind kind_declared(std::string_view type) noexcept;
[[nodiscard]] content_kind kind_named(std::string_view extension) noexcept;
/// Does what was found contradict all that was said about it?
[[nodiscard]] bool contradicts(content_kind found, content_kind declared, content_kind named) noexcept;

} // namespace postsluice::contentfilter
