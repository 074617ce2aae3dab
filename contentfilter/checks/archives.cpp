// SPDX-License-Identifier: Apache-2.0
// archives (attachments): the files in archives and in the archives in those, to archives.max_levels, as libarchive
// reads them in the scan workers. docs/checks/archives.md explains the symbols.
//   ARCHIVE_EXECUTABLE_NAME   a file that runs when it is opened: quarantine, forbidden-file
//   ARCHIVE_DOUBLE_EXTENSION  such a file made up as a document: quarantine, virus, and a strike
//   ARCHIVE_BIDI_NAME         a bidi override shows a name otherwise than it is: quarantine, virus
//   ARCHIVE_HIDDEN_NAME       blanks, invisible or look-alike characters hide the extension of a program
//   ARCHIVE_CONFUSABLE_NAME   a word of Latin letters has some of another script in it that look like them
//   ARCHIVE_RISKY_NAME        a kind that often carries programs; weight by kind
//   ARCHIVE_EXECUTABLE_FILE   a program by its content; under a name that does not say so: quarantine, virus, a strike
//   ARCHIVE_TYPE_MISMATCH     an old office document under the name of another kind
//   ARCHIVE_ENCRYPTED         content, or names as well, that cannot be seen without a password
//   ARCHIVE_POLYGLOT          begins as something else and is an archive all the same
//   ARCHIVE_BOMB              unpacks to so many times its size that it is meant to do harm: quarantine
//   ARCHIVE_BOUND             more levels, files, octets, memory or time than is looked at
//   ARCHIVE_SPLIT             a piece of an archive, by its name: nobody can look into it
//   ARCHIVE_OTHER_KIND        holds one file, and that is of another kind than the archive's name says
//   ARCHIVE_BROKEN            damaged: what a more patient unpacker makes of it is not known
// An extension of the rule files ([[extension]]) has its own symbol here too; RISKY_NAME is ARCHIVE_RISKY_NAME.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/file_name_rules.hpp"
#include "contentfilter/checks/file_type_rules.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/checks/part_file.hpp"
#include "contentfilter/checks/rule_files.hpp"
#include "contentfilter/checks/scan_workers.hpp"
#include "contentfilter/worker/archive_report.hpp"
#include "contentfilter/worker/signatures.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

using config::forced_verdict;
using worker::archive_report;

void quarantine(finding& f, reason why, std::optional<strike_kind> strike = {}) {
    f.action = forced_verdict::quarantine;
    f.why = why;
    f.strikes = strike;
}

/// The operator's own extensions: under the symbol that they name, or as those that are known here.
void judge_by_rules(const name_judgement& judged, const std::string& evidence, const rule_set& rules,
                    finding_list& found) {
    for (const auto& reading : judged.readings)
        if (const auto* rule = rules.of_name(reading))
            found.add(*rule, rule->symbol == "RISKY_NAME" ? "ARCHIVE_RISKY_NAME" : rule->symbol, evidence);
}

void judge_member(const std::string& name, const std::string& type, const std::string& evidence, const rule_set* rules,
                  finding_list& found) {
    const auto judged = judge_name(name);
    if (judged.executable) quarantine(found.add("ARCHIVE_EXECUTABLE_NAME", 8, evidence), reason::forbidden_file);
    if (judged.twofold)
        quarantine(found.add("ARCHIVE_DOUBLE_EXTENSION", 10, evidence), reason::virus, strike_kind::virus);
    if (judged.overridden) quarantine(found.add("ARCHIVE_BIDI_NAME", 8, evidence), reason::virus);
    if (judged.hidden) found.add("ARCHIVE_HIDDEN_NAME", 4, evidence);
    if (judged.confusable) found.add("ARCHIVE_CONFUSABLE_NAME", 4, evidence);
    if (judged.risk > 0) found.add("ARCHIVE_RISKY_NAME", judged.risk, evidence);
    if (std::any_of(judged.readings.begin(), judged.readings.end(), is_volume)) found.add("ARCHIVE_SPLIT", 2, evidence);
    if (rules) judge_by_rules(judged, evidence, *rules, found);
    if (contradicts(kind_found(type), content_kind::unknown, kind_named(judged.extension)))
        found.add("ARCHIVE_TYPE_MISMATCH", 3, evidence + ", " + printable(type, 60));
    if (!is_program_type(type)) return;
    // An honest name makes it a file of a forbidden kind; another name makes it a trap.
    auto& f = found.add("ARCHIVE_EXECUTABLE_FILE", judged.executable ? 8 : 12, evidence + ", " + printable(type, 60));
    if (!judged.executable)
        quarantine(f, reason::virus, strike_kind::virus);
    else if (f.action == forced_verdict::none)
        quarantine(f, reason::forbidden_file);
}

struct bound_words {
    worker::report_flag flag;
    std::string_view words;
};
constexpr std::array<bound_words, 5> bounds{{{worker::too_deep, "more archives inside each other than max_levels"},
                                             {worker::too_many, "more files than max_files"},
                                             {worker::too_large, "more octets than max_unpacked or max_member"},
                                             {worker::too_slow, "more time than worker_timeout allows"},
                                             {worker::no_memory, "more memory than worker_memory"}}};

void judge_whole(const archive_report& report, const std::string& label, finding_list& found) {
    const auto why = report.detail.empty() ? label : label + ": " + printable(report.detail, 200);
    if (report.has(worker::encrypted)) found.add("ARCHIVE_ENCRYPTED", report.has(worker::names_encrypted) ? 4 : 2, why);
    if (report.has(worker::bomb))
        quarantine(
            found.add("ARCHIVE_BOMB", 12, label + ": " + std::to_string(report.unpacked) + " octets and more unpacked"),
            reason::forbidden_file);
    for (const auto& b : bounds)
        if (report.has(b.flag)) found.add("ARCHIVE_BOUND", 10, why + ": " + std::string{b.words});
    if (report.has(worker::damaged)) found.add("ARCHIVE_BROKEN", 1, why);
}

/// A compressed file names no file in it: the part's name without its last extension is what an unpacker uses.
std::string inner_name(const mime::part& part) {
    if (part.fields.names.empty()) return {};
    const auto& name = part.fields.names.front();
    const auto dot = name.rfind('.');
    return dot == std::string::npos ? name : name.substr(0, dot);
}

/// "invoice.pdf.zip", and in it "invoice.html" alone.
void judge_promise(const mime::part& part, const archive_report& report, finding_list& found) {
    if (report.members.size() != 1 || report.members.front().path.empty()) return;
    const auto& held = report.members.front().path;
    const auto promised = kind_named(judge_name(inner_name(part)).extension);
    const bool file = promised == content_kind::image || promised == content_kind::media ||
                      promised == content_kind::pdf || promised == content_kind::office;
    if (file && kind_named(judge_name(held).extension) != promised)
        found.add("ARCHIVE_OTHER_KIND", 2, part.label() + ": " + printable(held, 200));
}

void judge(const mime::part& part, const archive_report& report, const rule_set* rules, finding_list& found) {
    for (const auto& m : report.members) {
        const auto name = m.path.empty() ? inner_name(part) : m.path;
        judge_member(name, m.type, part.label() + ": " + printable(name, 200), rules, found);
    }
    judge_promise(part, report, found);
    judge_whole(report, part.label(), found);
}

bool is_split(const mime::part& part) {
    return std::any_of(part.fields.names.begin(), part.fields.names.end(), [](const std::string& name) {
        const auto judged = judge_name(name);
        return std::any_of(judged.readings.begin(), judged.readings.end(), is_volume);
    });
}

worker::unpack_bounds bounds_of(const config::archive_settings& s, std::chrono::milliseconds timeout) {
    worker::unpack_bounds out;
    out.levels = s.max_levels;
    out.files = s.max_files;
    out.unpacked = s.max_unpacked.value;
    out.member = s.max_member.value;
    out.ratio = s.max_ratio;
    out.ratio_from = s.ratio_from.value;
    out.cpu_milliseconds = static_cast<std::uint64_t>(timeout.count()) / 2; // it answers before it is killed
    return out;
}

enum class kind { none, archive, polyglot };

kind kind_of(const mime::part& part) {
    // Text that nobody is to save needs no look at its end.
    if (part.is_text() && !part.is_attachment())
        return worker::is_archive(beginning_of(part, scan_workers::looks_at)) ? kind::archive : kind::none;
    const auto ends = ends_of(part);
    if (worker::is_archive(ends.beginning)) return kind::archive;
    return worker::ends_as_zip(ends.end) ? kind::polyglot : kind::none;
}

} // namespace

boost::asio::awaitable<std::vector<finding>> archives(check_context context) {
    finding_list found{"attachments"};
    if (!context.mime) co_return found.take();
    const auto settings = context.message->settings;
    for (const auto& part : context.mime->parts()) {
        if (part.container) continue;
        if (is_split(part)) found.add("ARCHIVE_SPLIT", 2, part.label());
        const auto what = kind_of(part);
        if (what == kind::none) continue;
        const auto workers = context.resources->workers;
        if (!workers) throw std::runtime_error{"no scan workers"};
        const auto file = copy_of(part, settings->contentfilter);
        if (file->size() > settings->archives.max_part.value) {
            found.add("ARCHIVE_BOUND", 10, part.label() + ": larger than archives.max_part");
            continue;
        }
        const auto bounds = bounds_of(settings->archives, workers->timeout());
        const auto answer = co_await workers->inspect(worker::request_kind::archive, bounds, file);
        if (!answer) throw std::runtime_error{"part " + part.path + ": " + answer.error().message()};
        const auto report = archive_report::decode(*answer);
        if (!report) throw std::runtime_error{"part " + part.path + ": scan worker: garbage"};
        if (what == kind::polyglot && !report->is_archive) continue; // the end of a zip, but not the rest of one
        // A letter may begin as an archive does; who attaches what cannot be unpacked is told so.
        if (!report->is_archive && !part.is_attachment()) continue;
        if (what == kind::polyglot) found.add("ARCHIVE_POLYGLOT", 6, part.label());
        judge(part, *report, context.resources->rules.get(), found);
    }
    co_return found.take();
}

} // namespace postsluice::contentfilter::checks
