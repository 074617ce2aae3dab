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
// "Nobody knows" (RFC 1428 section 3, and as some say it).
constexpr std::array none{"unknown-8bit"sv, "x-unknown"sv, "unknown"sv};

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
           !istarts_with(charset, "unicode") && !istarts_with(charset, "x-unicode") &&
           !istarts_with(charset, "csunicode");
}

std::string_view converted(std::string_view octets, std::string_view charset, std::string& storage,
                           charset_faults& faults) {
    charset_decoder decoder{charset};
    if (!decoder.converts()) return octets;
    storage = decoder.feed(octets);
    faults.invalid = decoder.invalid();
    return storage;
}

/// How long the character is that begins here, as UTF-8 has it (RFC 3629 section 4); 0: none does. One that the end of
/// the text cuts off is one: a bound may have done that.
std::size_t length_of_character(std::string_view text) {
    const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = octet(0);
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    const std::size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    for (std::size_t i = 1; i < size; ++i) {
        if (i == text.size()) return i;
        unsigned least = 0x80, most = 0xbf;
        if (i == 1) {
            least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : least;
            most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : most;
        }
        if (octet(i) < least || octet(i) > most) return 0;
    }
    return size;
}

std::size_t invalid_utf8(std::string_view text) {
    if (is_valid_utf8(text)) return 0;
    std::size_t invalid = 0;
    while (!text.empty()) {
        const auto size = length_of_character(text);
        invalid += size == 0 ? 1U : 0U;
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return invalid;
}

} // namespace

std::string_view to_utf8(std::string_view octets, std::string_view declared, std::string& storage,
                         charset_faults& faults) {
    faults = {false, 0, octets.size()};
    declared = trim(declared);
    const auto as_utf8 = [&](std::string_view text) {
        faults.invalid = invalid_utf8(text);
        return text;
    };
    if (octets.starts_with("\xef\xbb\xbf"sv)) return as_utf8(octets.substr(3));
    if (octets.starts_with("\xff\xfe"sv)) return converted(octets.substr(2), "utf-16le", storage, faults);
    if (octets.starts_with("\xfe\xff"sv)) return converted(octets.substr(2), "utf-16be", storage, faults);
    const bool utf8 = iequals(declared, "utf-8") || iequals(declared, "utf8");
    const bool nothing = declared.empty() || is_in(ascii, declared) || is_in(none, declared);
    if (keeps_ascii(declared) && all_ascii(octets)) {
        faults.unknown = !nothing && !utf8 && !is_in(latin, declared) && !charset_decoder{declared}.converts();
        return octets;
    }
    if (utf8) return as_utf8(octets);
    if (is_in(latin, declared)) return converted(octets, "windows-1252", storage, faults);
    faults.unknown = !nothing && !charset_decoder{declared}.converts();
    if (!nothing && !faults.unknown) return converted(octets, declared, storage, faults);
    if (is_valid_utf8(octets)) return octets;
    const auto guessed = converted(octets, "windows-1252", storage, faults);
    faults.invalid = 0; // a guess is no declaration
    return guessed;
}

std::string_view to_utf8(std::string_view octets, std::string_view declared, std::string& storage) {
    charset_faults ignored;
    return to_utf8(octets, declared, storage, ignored);
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
