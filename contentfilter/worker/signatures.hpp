// SPDX-License-Identifier: Apache-2.0
// What files begin with: cheap guesses that save a full look, never a verdict. Header only, for the worker and for the
// filter, which sends nothing to the worker that cannot be of interest.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace postsluice::contentfilter::worker {

using namespace std::string_view_literals;

/// OLE's compound file ([MS-CFB] section 2.2): old office documents, and installers.
inline constexpr std::string_view compound_magic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv;

inline bool is_compound(std::string_view octets) noexcept {
    return octets.starts_with(compound_magic);
}

inline bool is_zip(std::string_view octets) noexcept {
    return octets.starts_with("PK\3\4"sv) || octets.starts_with("PK\5\6"sv) || octets.starts_with("PK00PK"sv);
}

/// Something that the worker can unpack; wants 64 KiB of the beginning, since an ISO 9660 image shows itself late.
inline bool is_archive(std::string_view octets) noexcept {
    constexpr std::array starts{"Rar!\x1a\x07"sv, "7z\xbc\xaf\x27\x1c"sv, "\x1f\x8b"sv,         "\x1f\x9d"sv,
                                "BZh"sv,          "\xfd\x37zXZ\0"sv,      "\x28\xb5\x2f\xfd"sv, "MSCF"sv,
                                "LZIP"sv,         "\x04\x22\x4d\x18"sv,   "!<arch>\n"sv,        "070701"sv,
                                "070707"sv};
    const auto has = [&](std::string_view magic) { return octets.starts_with(magic); };
    if (is_zip(octets) || std::any_of(starts.begin(), starts.end(), has)) return true;
    if (octets.size() > 262 && octets.substr(257, 5) == "ustar") return true;
    if (octets.size() > 7 && octets[2] == '-' && octets[3] == 'l' && octets[4] == 'h' && octets[6] == '-') return true;
    return octets.size() > 32774 && octets.substr(32769, 5) == "CD001";
}

/// A zip archive is read from its end: this record is looked for there (APPNOTE.TXT section 4.3.16).
inline bool ends_as_zip(std::string_view octets) noexcept {
    constexpr std::size_t farthest = 22 + 65535;
    const auto tail = octets.substr(octets.size() > farthest ? octets.size() - farthest : 0);
    return tail.rfind("PK\5\6"sv) != std::string_view::npos && octets.find("PK\1\2"sv) != std::string_view::npos;
}

/// Worth libmagic's time: it may be a program, an installer or a shortcut.
inline bool may_be_program(std::string_view octets) noexcept {
    constexpr std::array starts{"MZ"sv,
                                "\x7f"
                                "ELF"sv,
                                "L\0\0\0\1\x14\2\0"sv,
                                "\xfe\xed\xfa\xce"sv,
                                "\xfe\xed\xfa\xcf"sv,
                                "\xce\xfa\xed\xfe"sv,
                                "\xcf\xfa\xed\xfe"sv,
                                "\xca\xfe\xba\xbe"sv,
                                compound_magic};
    return std::any_of(starts.begin(), starts.end(), [&](std::string_view magic) { return octets.starts_with(magic); });
}

} // namespace postsluice::contentfilter::worker
