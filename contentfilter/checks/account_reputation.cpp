// SPDX-License-Identifier: Apache-2.0
// account_reputation (reputation): what the account did before. docs/checks/account_reputation.md.
//   NEW_RECIPIENTS  most of many recipients are addresses that the account never wrote to, though it has written to
//                   others: content.novelty_*
//   RECENT_STRIKES  spam, phish or viruses of the account within content.strike_memory: 1 each, 3 at most
//   RECENT_VERDICTS  of the account's last messages within content.strike_memory too large a share was bad: 1 to 3
// Silent for unknown accounts. A state that cannot be read is this check's temporary error.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "shared/state/account_store.hpp"
#include "shared/state/recipient_memory.hpp"
#include "shared/state/verdict_history.hpp"

#include <cmath>
#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

constexpr std::size_t most_strikes = 100; // looked at, and as many transitions of the lock
constexpr double highest = 3;

std::vector<std::string> recipients_of(const message& of) {
    std::vector<std::string> out;
    for (const auto& one : of.envelope.recipients)
        out.push_back(one.address.key());
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

void judge_recipients(const message& of, state::recipient_memory& memory, finding_list& out) {
    const auto& bounds = of.settings->content;
    const auto recipients = recipients_of(of);
    if (recipients.size() < bounds.novelty_recipients) return;
    const auto answer = memory.ask(of.sender.account, recipients);
    if (!answer) throw std::runtime_error{answer.error().message()};
    const auto share = static_cast<double>(answer->fresh) / static_cast<double>(recipients.size());
    if (answer->known < bounds.novelty_history || answer->fresh < bounds.novelty_recipients ||
        share < bounds.novelty_share)
        return;
    out.add("NEW_RECIPIENTS", 2,
            std::to_string(answer->fresh) + " of " + std::to_string(recipients.size()) + " recipients are new");
}

void judge_strikes(const state::account_history& history, seconds memory, instant now, finding_list& out) {
    const auto proves = [&](const strike& s) {
        const bool content =
            s.kind == strike_kind::spam || s.kind == strike_kind::phish || s.kind == strike_kind::virus;
        return content && now - s.at < memory;
    };
    const auto count = std::count_if(history.strikes.begin(), history.strikes.end(), proves);
    if (count == 0) return;
    out.add("RECENT_STRIKES", std::min(static_cast<double>(count), highest),
            std::to_string(count) + (count == 1 ? " strike" : " strikes"));
}

/// When a person last opened the account: what was before is settled.
instant clean_since(const state::account_history& history) {
    const auto opens = [](const lock_event& e) {
        return e.kind == lock_event_kind::reset || e.kind == lock_event_kind::unlocked_by_person;
    };
    const auto newest = std::find_if(history.events.begin(), history.events.end(), opens);
    return newest == history.events.end() ? instant{} : newest->at;
}

void judge_verdicts(const message& of, state::verdict_history& verdicts, instant since, finding_list& out) {
    const auto& bounds = of.settings->content;
    if (bounds.recent_verdicts == 0) return;
    const auto seen = verdicts.ask(of.sender.account, since, bounds.recent_verdicts);
    if (!seen) throw std::runtime_error{seen.error().message()};
    if (seen->messages < bounds.recent_verdicts_needed) return;
    const auto least = bounds.recent_verdicts_share;
    const auto share = static_cast<double>(seen->bad) / static_cast<double>(seen->messages);
    if (share < least) return;
    const auto excess = least < 1 ? (share - least) / (1 - least) : 1;
    out.add("RECENT_VERDICTS", 1 + std::round((highest - 1) * excess * 10) / 10,
            std::to_string(seen->bad) + " of the last " + std::to_string(seen->messages) + " messages were bad");
}

void judge_past(const message& of, const account_memory& known, finding_list& out) {
    const auto memory = of.settings->content.strike_memory;
    if (memory.count() == 0) return;
    const auto now = known.time->now();
    const auto history = known.strikes->history(of.sender.account, most_strikes);
    if (!history) throw std::runtime_error{history.error().message()};
    judge_strikes(*history, memory, now, out);
    if (known.verdicts)
        judge_verdicts(of, *known.verdicts, std::max<instant>(now - memory, clean_since(*history)), out);
}

} // namespace

boost::asio::awaitable<std::vector<finding>> account_reputation(check_context context) {
    finding_list out{"reputation"};
    const auto& message = *context.message;
    const auto& known = context.resources->accounts;
    if (message.sender.account == "-" || message.sender.account.empty()) co_return out.take();
    if (known.recipients) judge_recipients(message, *known.recipients, out);
    if (known.strikes && known.time) judge_past(message, known, out);
    co_return out.take();
}

} // namespace postsluice::contentfilter::checks
