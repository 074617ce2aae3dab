// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/worker/legacy_office.hpp"

#include "contentfilter/worker/little_endian.hpp"

#include <algorithm>
#include <string>

namespace postsluice::contentfilter::worker {

namespace {

std::string lowered_name(std::string_view path) {
    std::string name{path.substr(path.rfind('/') + 1)};
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return name;
}

/// The workbook's own records, from its BOF to its EOF; those of the sheets come after.
void read_workbook(std::string_view records, legacy_office& out) {
    constexpr std::uint16_t begin = 0x0809, end = 0x000A, password = 0x002F, sheet = 0x0085;
    constexpr unsigned macro_sheet = 1;
    if (little_endian<std::uint16_t>(records, 0) != begin) return; // nothing that Excel opens
    std::size_t open = 0;
    for (std::size_t at = 0; at + 4 <= records.size();) {
        const auto id = little_endian<std::uint16_t>(records, at);
        const std::size_t size = little_endian<std::uint16_t>(records, at + 2);
        at += 4;
        if (size > records.size() - at) break;
        if (id == begin) ++open;
        if (id == end && --open == 0) return;
        if (id == password) out.encrypted = true;
        // Behind a password the kind of a sheet cannot be read; that there is one is a finding of its own.
        if (id == sheet && size >= 6 && !out.encrypted && static_cast<unsigned char>(records[at + 5]) == macro_sheet)
            out.macro_sheets = true;
        at += size;
    }
    out.damaged = !out.cut;
}

void read_word(std::string_view fib, legacy_office& out) {
    constexpr std::uint16_t word_97 = 0xA5EC, word_6 = 0xA5DC, encrypted = 0x0100;
    const auto magic = little_endian<std::uint16_t>(fib, 0);
    if (magic != word_97 && magic != word_6) return;
    if ((little_endian<std::uint16_t>(fib, 10) & encrypted) != 0) out.encrypted = true;
}

void read_current_user(std::string_view atom, legacy_office& out) {
    constexpr std::uint32_t encrypted = 0xF3D1C4DF;
    if (little_endian<std::uint32_t>(atom, 12) == encrypted) out.encrypted = true;
}

} // namespace

legacy_office read_legacy_office(const compound_file& from, std::size_t most) {
    constexpr std::size_t beginning = 64;
    legacy_office out;
    for (const auto& e : from.entries()) {
        if (!e.stream) continue;
        const auto name = lowered_name(e.path);
        if (name == "worddocument") read_word(from.read(e, beginning), out);
        if (name == "current user") read_current_user(from.read(e, beginning), out);
        if (name != "workbook" && name != "book") continue;
        const auto records = from.read(e, most);
        most -= records.size();
        legacy_office workbook;
        workbook.cut = most == 0 && records.size() < e.size;
        read_workbook(records, workbook);
        out.macro_sheets = out.macro_sheets || workbook.macro_sheets;
        out.encrypted = out.encrypted || workbook.encrypted;
        out.cut = out.cut || workbook.cut;
        out.damaged = out.damaged || workbook.damaged;
    }
    return out;
}

} // namespace postsluice::contentfilter::worker
