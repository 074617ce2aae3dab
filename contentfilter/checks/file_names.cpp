// SPDX-License-Identifier: Apache-2.0
// file_names (attachments): every file name of every part, as declared in Content-Disposition or Content-Type.
//   EXECUTABLE_NAME   opening it runs a program: quarantine, forbidden-file (no strike by the name alone)
//   DOUBLE_EXTENSION  a program made up as a document ("invoice.pdf.exe"): quarantine, virus, and a strike
//   BIDI_NAME         a bidi override shows the name otherwise than it is: quarantine, virus
//   HIDDEN_NAME       %XX, trailing blanks or dots, invisible characters or look-alike dots hide the extension of a
//                     program
//   CONFUSABLE_NAME   a word of Latin letters has some of another script in it that look like them
//   RISKY_NAME        a kind that often carries programs (disk images, macro documents); weight by kind
// An extension of the rule files ([[extension]]) has the symbol and score that it names there.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/file_name_rules.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/checks/rule_files.hpp"
#include "contentfilter/mime/tree.hpp"
#include "shared/core/text.hpp"

namespace postsluice::contentfilter::checks {

namespace {

void judge(const std::string& name, const std::string& evidence, const rule_set* rules, finding_list& out) {
    const auto judged = judge_name(name);
    if (judged.executable) {
        auto& f = out.add("EXECUTABLE_NAME", 8, evidence);
        f.action = config::forced_verdict::quarantine;
        f.why = reason::forbidden_file;
    }
    if (judged.twofold) {
        auto& f = out.add("DOUBLE_EXTENSION", 10, evidence);
        f.action = config::forced_verdict::quarantine;
        f.why = reason::virus;
        f.strikes = strike_kind::virus;
    }
    if (judged.overridden) {
        auto& f = out.add("BIDI_NAME", 8, evidence);
        f.action = config::forced_verdict::quarantine;
        f.why = reason::virus;
    }
    if (judged.hidden) out.add("HIDDEN_NAME", 4, evidence);
    if (judged.confusable) out.add("CONFUSABLE_NAME", 4, evidence);
    if (judged.risk > 0) out.add("RISKY_NAME", judged.risk, evidence);
    if (!rules) return;
    for (const auto& reading : judged.readings)
        if (const auto* rule = rules->of_name(reading)) out.add(*rule, rule->symbol, evidence);
}

} // namespace

boost::asio::awaitable<std::vector<finding>> file_names(check_context context) {
    finding_list out{"attachments"};
    const auto* const rules = context.resources->rules.get();
    if (context.mime)
        for (const auto& part : context.mime->parts())
            for (const auto& name : part.fields.names)
                judge(name, part.path + ": " + printable(name, 120), rules, out);
    co_return out.take();
}

} // namespace postsluice::contentfilter::checks
