// SPDX-License-Identifier: Apache-2.0
// Text as readers of mail take it, whatever its charset is said to be: a byte order mark goes before the declaration;
// ISO 8859-1 and US-ASCII mean windows-1252, as the WHATWG encoding standard has it; where nothing or something unknown
// is declared, it is UTF-8 if it can be, and windows-1252 otherwise. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postsluice::contentfilter::mime {

/// What keeps a text from being what it was declared. Where nothing is declared, or US-ASCII, readers guess as we do:
/// that is no fault.
struct charset_faults {
    bool unknown = false;    ///< a charset is declared that is none, or that we do not know
    std::size_t invalid = 0; ///< octets that are no character of the declared charset
    std::size_t octets = 0;  ///< of the whole text
    bool operator==(const charset_faults&) const = default;
};

/// `octets` as UTF-8: itself where nothing has to be changed, else in `storage`. What is declared UTF-8 stays as it is.
[[nodiscard]] std::string_view to_utf8(std::string_view octets, std::string_view declared, std::string& storage,
                                       charset_faults& faults);
[[nodiscard]] std::string_view to_utf8(std::string_view octets, std::string_view declared, std::string& storage);

/// The charset that HTML declares in its first kilobyte (<meta charset>, or in http-equiv); may be empty.
[[nodiscard]] std::string_view html_charset(std::string_view html);

} // namespace postsluice::contentfilter::mime
