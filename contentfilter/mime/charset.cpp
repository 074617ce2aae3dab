// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/charset.hpp"

#include "contentfilter/mime/decoders.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace postsluice::contentfilter::mime {

namespace {

using namespace std::string_view_literals;

// What mailers write where they mean windows-1252.
constexpr std::array latin{"iso-8859-1"sv, "iso8859-1"sv, "iso_8859-1"sv, "latin1"sv, "latin-1"sv, "l1"sv};
constexpr std::array ascii{"us-ascii"sv, "ascii"sv, "ansi_x3.4-1968"sv, "iso-ir-6"sv};

template <class List>
bool is_in(const List& list, std::string_view word) {
    return std::any_of(list.begin(), list.end(), [&](std::string_view one) { return iequals(one, word); });
}

bool all_ascii(std::string_view text) {
    std::size_t i = 0;
    for (; i + 8 <= text.size(); i += 8) {
        std::uint64_t eight = 0;
        std::memcpy(&eight, text.data() + i, 8);
        if (eight & 0x8080808080808080U) return false;
    }
    return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(i), text.end(),
                       [](char c) { return static_cast<signed char>(c) >= 0; });
}

bool keeps_ascii(std::string_view charset) {
    return !istarts_with(charset, "utf-7") && !istarts_with(charset, "utf-16") && !istarts_with(charset, "utf-32") &&
           !istarts_with(charset, "iso-2022") && !istarts_with(charset, "hz") && !istarts_with(charset, "ucs") &&
           !istarts_with(charset, "ebcdic") && !istarts_with(charset, "ibm0") && !istarts_with(charset, "ibm1") &&
           !istarts_with(charset, "unicode") && !istarts_with(charset, "csunicode");
}

std::string_view converted(std::string_view octets, std::string_view charset, std::string& storage) {
    charset_decoder decoder{charset};
    if (!decoder.converts()) return octets;
    storage = decoder.feed(octets);
    return storage;
}

} // namespace

std::string_view to_utf8(std::string_view octets, std::string_view declared, std::string& storage) {
    declared = trim(declared);
    if (octets.starts_with("\xef\xbb\xbf"sv)) return octets.substr(3);
    if (octets.starts_with("\xff\xfe"sv)) return converted(octets.substr(2), "utf-16le", storage);
    if (octets.starts_with("\xfe\xff"sv)) return converted(octets.substr(2), "utf-16be", storage);
    if (keeps_ascii(declared) && all_ascii(octets)) return octets;
    if (iequals(declared, "utf-8") || iequals(declared, "utf8")) return octets;
    if (is_in(latin, declared)) return converted(octets, "windows-1252", storage);
    const bool unknown = declared.empty() || is_in(ascii, declared) || !charset_decoder{declared}.converts();
    if (!unknown) return converted(octets, declared, storage);
    return is_valid_utf8(octets) ? octets : converted(octets, "windows-1252", storage);
}

std::string_view html_charset(std::string_view html) {
    html = html.substr(0, 1024);
    for (auto at = html.find("charset"); at != std::string_view::npos; at = html.find("charset", at + 1)) {
        auto rest = html.substr(at + 7);
        rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
        if (!rest.starts_with('=')) continue;
        rest.remove_prefix(1);
        rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n\"'"), rest.size()));
        return rest.substr(0, rest.find_first_of(" \t\r\n\"';>/"));
    }
    return {};
}

} // namespace postsluice::contentfilter::mime
