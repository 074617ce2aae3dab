// SPDX-License-Identifier: Apache-2.0
// fingerprint (content): the same letter, layout or file as one that was seen before. docs/checks/fingerprint.md.
//   KNOWN_FINGERPRINT    the text or a file of a message that an operator added: quarantine, spam, and a strike
//   KNOWN_LAYOUT         the layout of one
//   CAMPAIGN_ACCOUNTS    the text came from fingerprints.many_accounts within fingerprints.window
//   CAMPAIGN_FILE        a file did
//   CAMPAIGN_LAYOUT      a layout did
//   CAMPAIGN_RECIPIENTS  the account sent the text to fingerprints.many_recipients within the window
//   FINGERPRINT_BOUND    there are more layouts or files than are looked at
// What is found is learned once the verdict is known (the pipeline does it); asking changes nothing. Of unknown
// accounts only what operators added is looked for. A state that cannot be read is this check's temporary error.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/checks/known_book.hpp"
#include "contentfilter/checks/message_fingerprints.hpp"
#include "contentfilter/intake/message_notes.hpp"
#include "shared/core/clock.hpp"
#include "shared/state/campaigns.hpp"

#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

void find_known(const fingerprint& one, const known_book& book, double similarity, finding_list& out) {
    const auto match = book.find(one, similarity);
    if (!match) return;
    const auto evidence = one.of + " is that of " + match->id + (match->why.empty() ? "" : ": " + match->why);
    if (one.kind == fingerprint_kind::layout) {
        out.add("KNOWN_LAYOUT", 3, evidence);
        return;
    }
    auto& f = out.add("KNOWN_FINGERPRINT", 15, evidence);
    f.action = config::forced_verdict::quarantine;
    f.why = reason::spam;
    f.strikes = strike_kind::spam;
}

struct weight {
    std::string_view symbol;
    double score;
};
weight weight_of(fingerprint_kind kind) {
    switch (kind) {
    case fingerprint_kind::text:
        return {"CAMPAIGN_ACCOUNTS", 3};
    case fingerprint_kind::file:
        return {"CAMPAIGN_FILE", 2};
    case fingerprint_kind::layout:
        return {"CAMPAIGN_LAYOUT", 0.5};
    }
    return {"CAMPAIGN_ACCOUNTS", 3};
}

void find_campaign(const fingerprint& one, const message& of, state::campaigns& memory, instant now,
                   finding_list& out) {
    const auto& bounds = of.settings->fingerprints;
    const auto seen = memory.ask(one, of.sender.account, now, campaign_bounds(bounds));
    if (!seen) throw std::runtime_error{seen.error().message()};
    const auto accounts = seen->others + 1; // this one
    if (accounts >= bounds.many_accounts) {
        const auto [symbol, score] = weight_of(one.kind);
        out.add(symbol, score, one.of + " came from " + std::to_string(accounts) + " accounts");
    }
    const auto recipients = seen->recipients + recipients_of(of);
    if (one.kind == fingerprint_kind::text && recipients >= bounds.many_recipients)
        out.add("CAMPAIGN_RECIPIENTS", 1, "sent to " + std::to_string(recipients) + " recipients");
}

} // namespace

boost::asio::awaitable<std::vector<finding>> fingerprint(check_context context) {
    finding_list out{"content"};
    const auto& message = *context.message;
    const auto& known = context.resources->accounts;
    const auto [all, cut] = fingerprints_of(context.mime.get(), *context.content, message.settings->fingerprints);
    if (cut) out.add("FINGERPRINT_BOUND", 0, "more layouts or files than are looked at");
    const bool named = message.sender.account != "-" && !message.sender.account.empty();
    for (const auto& one : all) {
        if (known.bad) find_known(one, *known.bad, message.settings->fingerprints.similarity, out);
        if (known.campaigns && known.time && named)
            find_campaign(one, message, *known.campaigns, known.time->now(), out);
    }
    if (named) message.notes->set(all);
    co_return out.take();
}

} // namespace postsluice::contentfilter::checks
