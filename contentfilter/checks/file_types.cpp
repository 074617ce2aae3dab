// SPDX-License-Identifier: Apache-2.0
// file_types (attachments): EXECUTABLE_FILE for a program under any name (PE, MS-DOS, ELF, Mach-O, Windows shortcut and
// installer), by the content of the first 64 KiB of each part as libmagic sees it in the scan workers. Scripts are text
// to libmagic and to us: their names are judged by file_names. A part that begins with nothing but text is not sent to
// a worker: no program does, and libmagic would take a letter that begins with "MZ" for one. A worker's trouble is this
// check's temperror.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/file_type_rules.hpp"
#include "contentfilter/checks/part_file.hpp"
#include "contentfilter/checks/scan_workers.hpp"
#include "contentfilter/mime/tree.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

bool is_plain_text(std::string_view octets) {
    return std::all_of(octets.begin(), octets.end(), [](char c) {
        const auto u = static_cast<unsigned char>(c);
        return u >= 0x20 || (u >= 0x07 && u <= 0x0d) || u == 0x1b;
    });
}

finding program_found(const mime::part& part, const file_kind& kind) {
    finding f;
    f.symbol = "EXECUTABLE_FILE";
    f.score = 12;
    f.group = "attachments";
    f.action = config::forced_verdict::quarantine;
    f.why = reason::virus;
    f.strikes = strike_kind::virus;
    f.evidence = part.label() + ": " + printable(kind.description.empty() ? kind.type : kind.description, 120);
    if (!part.fields.type.starts_with("application/")) f.evidence += ", declared as " + printable(part.fields.type, 60);
    return f;
}

} // namespace

boost::asio::awaitable<std::vector<finding>> file_types(check_context context) {
    std::vector<finding> found;
    if (!context.mime) co_return found;
    for (const auto& part : context.mime->parts()) {
        if (part.container) continue;
        auto octets = beginning_of(part, scan_workers::looks_at);
        if (is_plain_text(octets)) continue;
        const auto& workers = context.resources->workers;
        if (!workers) throw std::runtime_error{"no scan workers"};
        const auto kind = co_await workers->identify(std::move(octets));
        if (!kind) throw std::runtime_error{"part " + part.path + ": " + kind.error().message()};
        if (!is_program_type(kind->type)) continue;
        found.push_back(program_found(part, *kind));
        break; // the verdict is made; a message of a thousand programs is no worse
    }
    co_return found;
}

} // namespace postsluice::contentfilter::checks
