// SPDX-License-Identifier: Apache-2.0
// account_reputation (reputation): what the account did before. docs/checks/account_reputation.md.
//   NEW_RECIPIENTS  most of many recipients are addresses that the account never wrote to, though it has written to
//                   others: content.novelty_*
//   RECENT_STRIKES  spam, phish or viruses of the account within content.strike_memory: 1 each, 3 at most
// Silent for unknown accounts. A state that cannot be read is this check's temporary error.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "shared/state/account_store.hpp"
#include "shared/state/recipient_memory.hpp"

#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

constexpr std::size_t most_strikes = 100; // looked at
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

void judge_strikes(const message& of, state::account_store& accounts, instant now, finding_list& out) {
    const auto memory = of.settings->content.strike_memory;
    if (memory.count() == 0) return;
    const auto history = accounts.history(of.sender.account, most_strikes);
    if (!history) throw std::runtime_error{history.error().message()};
    const auto proves = [&](const strike& s) {
        const bool content =
            s.kind == strike_kind::spam || s.kind == strike_kind::phish || s.kind == strike_kind::virus;
        return content && now - s.at < memory;
    };
    const auto count = std::count_if(history->strikes.begin(), history->strikes.end(), proves);
    if (count == 0) return;
    out.add("RECENT_STRIKES", std::min(static_cast<double>(count), highest),
            std::to_string(count) + (count == 1 ? " strike" : " strikes"));
}

} // namespace

boost::asio::awaitable<std::vector<finding>> account_reputation(check_context context) {
    finding_list out{"reputation"};
    const auto& message = *context.message;
    const auto& known = context.resources->accounts;
    if (message.sender.account == "-" || message.sender.account.empty()) co_return out.take();
    if (known.recipients) judge_recipients(message, *known.recipients, out);
    if (known.strikes && known.time) judge_strikes(message, *known.strikes, known.time->now(), out);
    co_return out.take();
}

} // namespace postsluice::contentfilter::checks
