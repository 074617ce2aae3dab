// SPDX-License-Identifier: Apache-2.0
// Does the account send far more today than it usually does? (core/trend.hpp says what that means and where it is
// wrong.) Asked before `limits`, of each recipient, with the message under way. What is learned is learned at DATA: one
// message and its recipient_count. So a recipient that a rule refuses counts nothing, however often it comes again; a
// DATA that Postfix repeats on the same connection counts once, and one on another connection twice, which is too rare
// to matter here. Without a hook at DATA nothing is learned, and nobody is judged. What the filter puts off before the
// queue is taken back with its charge; the ticket says what was learned.
#include "policyd/rules/rule.hpp"
#include "shared/account/scopes.hpp"

#include <algorithm>
#include <cmath>

namespace postsluice::policyd::rules {

namespace {

bool learns(const rule_context& context) {
    return context.profile.trend.factor > 0 && context.helpers.trends != nullptr;
}

std::uint64_t network_of(const state::trend_store& trends, std::string_view who, std::string_view client) {
    const auto network = account::network_of(client);
    return network ? trends.hash_of(who, network->to_string()) : 0;
}

trend_message under_way(const rule_context& context, std::uint32_t recipients) {
    trend_message out;
    out.at = context.now;
    out.recipients = recipients;
    out.new_recipients = std::min(context.current.trend.fresh, recipients);
    out.network = network_of(*context.helpers.trends, context.who.account, context.what.client_address);
    return out;
}

std::uint32_t recipients_at_data(const rule_context& context) {
    const auto counted = context.what.recipient_count;
    return counted != 0 ? counted : static_cast<std::uint32_t>(context.current.trend.recipients.size());
}

/// Each recipient once, however often it is asked about.
void note_recipient(const rule_context& context, const trend_memory& memory) {
    auto& notes = context.current.trend;
    const auto key = account::recipient_key(context.settings, mail_address::from_internal(context.what.recipient));
    const auto hash = context.helpers.trends->hash_of(context.who.account, key);
    if (notes.recipients.size() >= trend_notes::most ||
        std::find(notes.recipients.begin(), notes.recipients.end(), hash) != notes.recipients.end()) {
        return;
    }
    notes.recipients.push_back(hash);
    notes.fresh += knows(memory, hash) ? 0U : 1U;
}

std::string text_of(const trend_judgement& said, const trend_bounds& bounds) {
    const auto usual = std::to_string(std::llround(std::ceil(said.usual)));
    return std::to_string(said.today) + (bounds.by_recipients ? " recipients" : " messages") +
           " within 24 hours, far more than this account usually sends (up to " + usual + " a day)";
}

std::string subject_of(const trend_judgement& said, const trend_bounds& bounds) {
    std::string out = bounds.by_recipients ? "trend of recipients" : "trend of messages";
    for (const auto& [holds, what] :
         {std::pair{said.unusual_hour, ", unusual hour"}, std::pair{said.unusual_network, ", unusual network"},
          std::pair{said.unusual_recipients, ", unusual recipients"}}) {
        out += holds ? what : "";
    }
    return out;
}

decision act(limit_action action, std::string subject, std::string text) {
    decision out = refuse(action == limit_action::reject ? refusal_code::reject_policy : refusal_code::defer_policy,
                          reason::trend, std::move(subject), std::move(text));
    if (action == limit_action::hold) {
        out.kind = decision_kind::hold;
    }
    if (action == limit_action::warn) {
        out.kind = decision_kind::warn;
    }
    return out;
}

} // namespace

rule_answer trend(const rule_context& context) {
    const auto& setting = context.profile.trend;
    if (!learns(context)) {
        return decision{};
    }
    const auto memory = context.helpers.trends->read(context.who.account);
    if (!memory) {
        return memory.error();
    }
    note_recipient(context, *memory);
    const trend_bounds bounds{setting.factor, setting.floor.count, setting.floor.unit != limit_unit::messages};
    const auto so_far = static_cast<std::uint32_t>(context.current.trend.recipients.size());
    const auto said = judge(*memory, bounds, under_way(context, so_far));
    if (!said.exceeded) {
        return decision{};
    }
    return act(setting.action, subject_of(said, bounds), text_of(said, bounds));
}

std::optional<boost::asio::awaitable<result<void>>> trend_at_data(const rule_context& context) {
    auto& notes = context.current.trend;
    if (!learns(context) || std::exchange(notes.observed, true)) {
        return std::nullopt;
    }
    const auto message = under_way(context, recipients_at_data(context));
    return context.helpers.trends->observe(context.who.account, message, notes.recipients);
}

std::optional<std::uint32_t> new_recipients_for_trend(const rule_context& context) {
    if (!learns(context)) {
        return std::nullopt;
    }
    return std::min(context.current.trend.fresh, recipients_at_data(context));
}

boost::asio::awaitable<result<void>> trend_taken_back(state::trend_store* trends, account::ticket put_off) {
    if (trends == nullptr || !put_off.new_recipients) {
        co_return result<void>{};
    }
    const trend_message message{put_off.issued, put_off.recipients, *put_off.new_recipients,
                                network_of(*trends, put_off.account, put_off.client)};
    co_return co_await trends->take_back(std::move(put_off.account), message);
}

} // namespace postsluice::policyd::rules
