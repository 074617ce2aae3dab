// SPDX-License-Identifier: Apache-2.0
// file_types (attachments), by the content of the first 64 KiB of each part as libmagic sees it in the scan workers:
//   EXECUTABLE_FILE     a program under any name (PE, MS-DOS, ELF, Mach-O, Windows shortcut and installer): quarantine,
//                       virus, and a strike
//   FILE_TYPE_MISMATCH  of another kind than both its declared type and its name's extension say (an archive that is
//                       called a picture)
// Scripts are text to libmagic and to us: their names are judged by file_names. A part that begins with nothing but
// text is not sent to a worker: no program does, and libmagic would take a letter that begins with "MZ" for one. Nor is
// what the first octets tell (type_at_a_glance): libmagic needs a millisecond for a picture. A worker's trouble is this
// check's temperror.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/file_name_rules.hpp"
#include "contentfilter/checks/file_type_rules.hpp"
#include "contentfilter/checks/finding_list.hpp"
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

std::string describe(const mime::part& part, const file_kind& kind) {
    return part.label() + ": " + printable(kind.description.empty() ? kind.type : kind.description, 120);
}

void add_program(finding_list& to, const mime::part& part, const file_kind& kind) {
    auto evidence = describe(part, kind);
    if (!part.fields.type.starts_with("application/")) evidence += ", declared as " + part.fields.type.substr(0, 60);
    auto& f = to.add("EXECUTABLE_FILE", 12, evidence);
    f.action = config::forced_verdict::quarantine;
    f.why = reason::virus;
    f.strikes = strike_kind::virus;
}

bool is_mislabelled(const mime::part& part, const file_kind& kind) {
    const auto named =
        part.fields.names.empty() ? content_kind::unknown : kind_named(judge_name(part.fields.names.front()).extension);
    return contradicts(kind_found(kind.type), kind_declared(part.fields.type), named);
}

} // namespace

boost::asio::awaitable<std::vector<finding>> file_types(check_context context) {
    finding_list found{"attachments"};
    if (!context.mime) co_return found.take();
    for (const auto& part : context.mime->parts()) {
        if (part.container) continue;
        auto octets = beginning_of(part, scan_workers::looks_at);
        if (is_plain_text(octets)) continue;
        result<file_kind> kind = file_kind{std::string{type_at_a_glance(octets)}, {}};
        if (kind->type.empty()) {
            const auto& workers = context.resources->workers;
            if (!workers) throw std::runtime_error{"no scan workers"};
            kind = co_await workers->identify(std::move(octets));
        }
        if (!kind) throw std::runtime_error{"part " + part.path + ": " + kind.error().message()};
        if (is_mislabelled(part, *kind))
            found.add("FILE_TYPE_MISMATCH", 3,
                      describe(part, *kind) + ", declared as " + part.fields.type.substr(0, 60));
        if (!is_program_type(kind->type)) continue;
        add_program(found, part, *kind);
        break; // the verdict is made; a message of a thousand programs is no worse
    }
    co_return found.take();
}

} // namespace postsluice::contentfilter::checks
