// SPDX-License-Identifier: Apache-2.0
// macros (attachments): VBA and Excel 4 macros in office documents, also in archives, as the scan workers read them.
// docs/checks/macros.md explains the symbols.
//   MACRO_DOCUMENT      a document with macros
//   MACRO_AUTORUN       they run without a click
//   MACRO_DANGEROUS     they run without a click, and start programs or load code: quarantine, virus
//   EXTERNAL_TEMPLATE   a template is loaded from the web when the document is opened
//   DOCUMENT_ENCRYPTED  cannot be read without a password
//   DOCUMENT_DAMAGED    cannot be read as a whole, though an office may
//   DOCUMENT_BOUND      more than is looked at
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/checks/part_file.hpp"
#include "contentfilter/checks/scan_workers.hpp"
#include "contentfilter/worker/document_report.hpp"
#include "contentfilter/worker/signatures.hpp"
#include "shared/core/text.hpp"

#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

void judge(const worker::document& document, const std::string& label, finding_list& found) {
    const auto where = document.path.empty() ? label : label + ": " + printable(document.path, 200);
    if (document.macros) found.add("MACRO_DOCUMENT", 2, where);
    if (document.damaged) found.add("DOCUMENT_DAMAGED", 1, where);
    if (!document.autorun.empty()) found.add("MACRO_AUTORUN", 3, where + ": " + document.autorun);
    if (!document.autorun.empty() && !document.calls.empty()) {
        auto& f = found.add("MACRO_DANGEROUS", 8, where + ": " + document.autorun + "; " + document.calls);
        f.action = config::forced_verdict::quarantine;
        f.why = reason::virus;
    }
    if (!document.external.empty()) found.add("EXTERNAL_TEMPLATE", 6, where + ": " + printable(document.external, 200));
}

/// `told`: what lies deeper has its weight from archives already, which goes no deeper itself.
void judge(const worker::document_report& report, const std::string& label, bool told, finding_list& found) {
    for (const auto& document : report.documents)
        judge(document, label, found);
    const auto why = report.detail.empty() ? label : label + ": " + printable(report.detail, 200);
    if (report.has(worker::encrypted)) found.add("DOCUMENT_ENCRYPTED", 1, why);
    constexpr std::uint64_t bounds =
        worker::too_deep | worker::too_many | worker::too_large | worker::too_slow | worker::no_memory | worker::bomb;
    const auto hit = report.flags & bounds;
    if (hit != 0) found.add("DOCUMENT_BOUND", hit == worker::too_deep && told ? 3 : 6, why);
}

worker::unpack_bounds bounds_of(const config::settings& s, std::chrono::milliseconds timeout) {
    worker::unpack_bounds out;
    out.levels = s.macros.max_levels;
    out.files = s.macros.max_streams;
    out.unpacked = s.archives.max_unpacked.value;
    out.member = s.archives.max_member.value;
    out.ratio = s.archives.max_ratio;
    out.ratio_from = s.archives.ratio_from.value;
    out.code = s.macros.max_code.value;
    out.cpu_milliseconds = static_cast<std::uint64_t>(timeout.count()) / 2; // it answers before it is killed
    return out;
}

/// Is there anything in the part to look into, at its beginning or behind something else?
bool is_of_interest(const mime::part& part) {
    const auto begins = [](std::string_view octets) {
        return worker::is_compound(octets) || worker::is_archive(octets);
    };
    // Text that nobody is to save needs no look at the rest.
    if (part.is_text() && !part.is_attachment()) return begins(beginning_of(part, scan_workers::looks_at));
    const auto ends = ends_of(part);
    return begins(ends.beginning) || ends.compound || worker::ends_as_zip(ends.end);
}

} // namespace

boost::asio::awaitable<std::vector<finding>> macros(check_context context) {
    finding_list found{"attachments"};
    if (!context.mime) co_return found.take();
    const auto settings = context.message->settings;
    for (const auto& part : context.mime->parts()) {
        if (part.container || !is_of_interest(part)) continue;
        const auto workers = context.resources->workers;
        if (!workers) throw std::runtime_error{"no scan workers"};
        const auto file = copy_of(part, settings->contentfilter);
        if (file->size() > settings->macros.max_part.value) {
            found.add("DOCUMENT_BOUND", 6, part.label() + ": larger than macros.max_part");
            continue;
        }
        const auto bounds = bounds_of(*settings, workers->timeout());
        const auto answer = co_await workers->inspect(worker::request_kind::document, bounds, file);
        if (!answer) throw std::runtime_error{"part " + part.path + ": " + answer.error().message()};
        const auto report = worker::document_report::decode(*answer);
        if (!report) throw std::runtime_error{"part " + part.path + ": scan worker: garbage"};
        const bool told = settings->archives.max_levels <= settings->macros.max_levels &&
                          worker::is_archive(beginning_of(part, scan_workers::looks_at));
        judge(*report, part.label(), told, found);
    }
    co_return found.take();
}

} // namespace postsluice::contentfilter::checks
