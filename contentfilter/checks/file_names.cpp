// SPDX-License-Identifier: Apache-2.0
// file_names (attachments): every file name of every part, as declared in Content-Disposition or Content-Type.
//   EXECUTABLE_NAME   opening it runs a program: quarantine, forbidden-file (no strike by the name alone)
//   DOUBLE_EXTENSION  a program made up as a document ("invoice.pdf.exe"): quarantine, virus, and a strike
//   BIDI_NAME         a bidi override shows the name otherwise than it is: quarantine, virus
//   HIDDEN_NAME       %XX, trailing blanks, invisible characters or look-alike dots hide the extension of a program
//   RISKY_NAME        a kind that often carries programs (disk images, macro documents); weight by kind
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/file_name_rules.hpp"
#include "contentfilter/mime/tree.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::contentfilter::checks {

namespace {

/// Keeps the worst finding of each symbol: a hundred files of one kind count once.
class collector {
public:
    finding& add(std::string_view symbol, double score, const std::string& evidence) {
        auto at = std::find_if(found_.begin(), found_.end(), [&](const auto& f) { return f.symbol == symbol; });
        if (at == found_.end()) {
            found_.emplace_back();
            at = found_.end() - 1;
            at->symbol = symbol;
            at->group = "attachments";
        }
        if (score > at->score) {
            at->score = score;
            at->evidence = evidence;
        }
        return *at;
    }
    std::vector<finding> take() && { return std::move(found_); }

private:
    std::vector<finding> found_;
};

void judge(const std::string& name, const std::string& evidence, collector& found) {
    const auto judged = judge_name(name);
    if (judged.executable) {
        auto& f = found.add("EXECUTABLE_NAME", 8, evidence);
        f.action = config::forced_verdict::quarantine;
        f.why = reason::forbidden_file;
    }
    if (judged.twofold) {
        auto& f = found.add("DOUBLE_EXTENSION", 10, evidence);
        f.action = config::forced_verdict::quarantine;
        f.why = reason::virus;
        f.strikes = strike_kind::virus;
    }
    if (judged.overridden) {
        auto& f = found.add("BIDI_NAME", 8, evidence);
        f.action = config::forced_verdict::quarantine;
        f.why = reason::virus;
    }
    if (judged.hidden) found.add("HIDDEN_NAME", 4, evidence);
    if (judged.risk > 0) found.add("RISKY_NAME", judged.risk, evidence);
}

} // namespace

boost::asio::awaitable<std::vector<finding>> file_names(check_context context) {
    collector found;
    if (context.mime)
        for (const auto& part : context.mime->parts())
            for (const auto& name : part.fields.names)
                judge(name, part.path + ": " + printable(name, 120), found);
    co_return std::move(found).take();
}

} // namespace postsluice::contentfilter::checks
