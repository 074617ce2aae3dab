// SPDX-License-Identifier: Apache-2.0
// clamd (malware): asks ClamAV's daemon about the message, or about each part (clamd.scan). docs/checks/clamd.md
// explains the symbols.
//   CLAMD_FOUND      a signature matched: quarantine, virus (or phish, by the signature's name), and a strike
//   CLAMD_TOO_LARGE  not looked at: larger than clamd.max_size or than clamd's own StreamMaxLength
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/clamd_client.hpp"
#include "contentfilter/checks/external_scanners.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/checks/part_file.hpp"
#include "shared/core/text.hpp"

#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

struct file {
    std::shared_ptr<const spool> content;
    std::string label;
    std::string digest;
};

void note(const clamd::answer& answer, const std::string& label, finding_list& found) {
    if (answer.what == clamd::answer::kind::too_large) found.add("CLAMD_TOO_LARGE", 0, label);
    if (answer.what != clamd::answer::kind::found) return;
    const bool phish = answer.signature.find("Phish") != std::string::npos;
    auto& f = found.add("CLAMD_FOUND", 15, label + ": " + printable(answer.signature, 200));
    f.action = config::forced_verdict::quarantine;
    f.why = phish ? reason::phish : reason::virus;
    f.strikes = phish ? strike_kind::phish : strike_kind::virus;
}

boost::asio::awaitable<void> scan(clamd_client& clamd, const config::clamd_settings& how, file what,
                                  finding_list& found) {
    if (what.content->size() > how.max_size.value) {
        found.add("CLAMD_TOO_LARGE", 0, what.label + ": larger than clamd.max_size");
        co_return;
    }
    const auto answer = co_await clamd.scan(what.content, what.digest);
    if (!answer) throw std::runtime_error{answer.error().message()};
    note(*answer, what.label, found);
}

} // namespace

boost::asio::awaitable<std::vector<finding>> clamd(check_context context) {
    finding_list found{"malware"};
    const auto scanners = context.resources->scanners;
    if (!scanners || !scanners->clamd()) co_return found.take();
    const auto settings = context.message->settings;
    const auto& how = settings->clamd;
    if (how.scan == config::clamd_scan::message || !context.mime) {
        // Named before it is awaited: g++ 12 may destroy a temporary twice.
        file whole{context.message->content, "the message", context.message->digest};
        co_await scan(*scanners->clamd(), how, std::move(whole), found);
        co_return found.take();
    }
    for (const auto& part : context.mime->parts()) {
        if (part.container) continue;
        file one{copy_of(part, settings->contentfilter), part.label(), sha256_of(part)};
        co_await scan(*scanners->clamd(), how, std::move(one), found);
    }
    co_return found.take();
}

} // namespace postsluice::contentfilter::checks
