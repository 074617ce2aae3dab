// SPDX-License-Identifier: Apache-2.0
#include "policyd/pipeline.hpp"

#include "shared/core/account_name.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/awaitable.hpp>

#include <algorithm>
#include <utility>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

bool to_abuse(const config::settings& settings, std::string_view recipient) noexcept {
    return !settings.abuse_address.empty() && iequals(recipient, settings.abuse_address);
}

bool passes(const rule_answer& answer) noexcept {
    return answer && answer->kind == decision_kind::dunno;
}

/// Only abuse_address so far, and that uncounted: there is nothing to reconcile or to settle.
bool uncounted(const transaction& t) noexcept {
    return t.exempt > 0 && !t.counted;
}

std::span<const rule> rules_for(const known_client& client) noexcept {
    return client.ours() ? all_rules() : inbound_rules();
}

void log_accepted(const request& what, const decision& d) {
    log::debug("accepted")
        .kv("stage", to_string(what.at))
        .kv("login", what.sasl_username)
        .kv("client", what.client_address)
        .kv("sender", what.sender)
        .kv("recipient", what.recipient)
        .kv("queue_id", what.queue_id)
        .kv("instance", what.instance)
        .kv("answer", to_string(d.kind));
}

} // namespace

bool observes(const config::settings& settings, const config::profile& profile, std::string_view rule) noexcept {
    return settings.mode == config::run_mode::observe || profile.observe ||
           std::ranges::find(profile.observe_rules, rule) != profile.observe_rules.end();
}

struct pipeline::round {
    decision verdict;
    bool exempt = false;                  // for abuse_address: nothing is refused
    bool& reported;                       // observe mode reports the first refusal only, as enforce mode would
    std::optional<decision> invalid = {}; // a recipient that cannot exist, and is refused for nothing else yet
};

pipeline::pipeline(asio::any_io_executor executor, parts with, config::settings_ptr settings)
    : executor_{std::move(executor)}
    , with_{with}
    , settings_{std::move(settings)}
    , strikes_{executor_, with_.locks} {
    with_.helpers.limits = &limits_;
}

void pipeline::use(config::settings_ptr settings) {
    settings_ = std::move(settings);
    limits_.forget_plans();
    if (with_.record != nullptr) {
        with_.record->use(settings_->policyd);
    }
}

asio::awaitable<decision> pipeline::answer(const request& what, speaker& from) {
    if (what.at == stage::other || what.instance.empty()) {
        ++counts_.other;
        ++counts_.not_asked;
        co_return decision{};
    }
    take_up(what, from);
    auto out = at_once(what, from);
    if (out && from.current.uncommitted) {
        const auto safe = co_await with_.accounts.committed();
        from.current.uncommitted = false;
        if (!safe) {
            from.asked.said = safe.error();
            out.reset();
        }
    }
    if (!out) {
        out = co_await with_waits(what, from);
    }
    take_note(what, from, *out);
    co_return std::move(*out);
}

// A RCPT or DATA after END-OF-MESSAGE under one instance: the next message of a Postfix before 3.7.22.
bool pipeline::comes_before(const request& what, const transaction& current) noexcept {
    return current.ended && what.at != stage::end_of_message;
}

// Settles who asks, under which settings, and of which transaction.
void pipeline::take_up(const request& what, speaker& from) {
    from.client.look(settings_, what);
    from.asked = {};
    from.current.uncommitted = false;
    if (what.instance == from.current.id.instance && !comes_before(what, from.current)) {
        return;
    }
    // The release is applied before anything else is asked, but shares its commit with what comes.
    transaction over = std::exchange(from.current, {});
    if (conclude(over)) {
        release(over, from.number);
    }
    from.current.asks = std::move(over.asks);
    from.current.id.server.reserve(what.server_address.size() + 1 + what.server_port.size());
    from.current.id.server.append(what.server_address).append(1, ':').append(what.server_port);
    from.current.id.instance = what.instance;
    from.current.seen_by = &hooks_.at(what.server_port, what.policy_context);
}

// Takes note that the transaction is over. True: something is reserved that wants releasing.
bool pipeline::conclude(const transaction& over) {
    if (over.seen_by == nullptr) {
        return false;
    }
    hooks_.transaction_over(*over.seen_by, over.data, over.ended, settings_->policyd.accounting);
    return over.reserved;
}

void pipeline::release(const transaction& over, std::uint64_t connection) {
    const bool hooked = over.seen_by->end_of_message > 0;
    if (const auto done = with_.accounts.abort_at_once(over.id, connection, hooked); !done) {
        not_released(over, done.error());
    }
}

// Its lease will end it.
void pipeline::not_released(const transaction& over, const failure& why) {
    ++counts_.trouble;
    log::warning("abort failed").kv("instance", over.id.instance).kv("why", why.message());
}

asio::awaitable<void> pipeline::abandon(speaker& from) {
    if (with_.record != nullptr) {
        with_.record->closed(from.number, with_.time.now());
    }
    const transaction over = std::exchange(from.current, {});
    if (conclude(over)) {
        release(over, from.number);
        if (const auto safe = co_await with_.accounts.committed(); !safe) {
            not_released(over, safe.error());
        }
    }
}

rule_context pipeline::context_of(const request& what, speaker& from, std::string_view rule) {
    const auto& client = from.client;
    return {what,
            client.settings(),
            client.profile(),
            client.who(),
            with_.time.now(),
            from.number,
            observes(client.settings(), client.profile(), rule),
            from.current,
            with_.locks,
            with_.accounts,
            with_.helpers};
}

// What was answered, once nothing can change it.
void pipeline::take_note(const request& what, speaker& from, const decision& out) {
    from.current.held = from.current.held || (what.at == stage::rcpt && out.kind == decision_kind::hold);
    if (what.at == stage::rcpt && from.client.ours()) {
        counts_.accepted += out.refuses() ? 0 : 1;
        totals_.recipient(from.client.who().account, with_.time.now(), out.refuses(), from.asked.reported);
    } else if (what.at == stage::data && !out.refuses()) {
        accepted_data(what, from);
    }
    if (!out.refuses() && log::enabled(log::level::debug)) {
        log_accepted(what, out);
    }
    if (with_.record != nullptr) {
        with_.record->answered(what, from.number, with_.time.now(), out);
    }
}

void pipeline::accepted_data(const request& what, speaker& from) {
    if (!from.client.ours()) {
        return;
    }
    if (!uncounted(from.current)) {
        const auto context = context_of(what, from, "limits");
        if (const auto refused = std::exchange(from.current.refused_by_others, 0); !context.observe && refused > 0) {
            strikes_.refused_by_others(context, refused);
        }
        if (auto noted = rules::trend_at_data(context)) {
            in_background(note(std::move(*noted)));
        }
    }
    ++counts_.accepted;
    totals_.message(from.client.who().account, with_.time.now());
}

// ---- without a wait

std::optional<decision> pipeline::at_once(const request& what, speaker& from) {
    switch (what.at) {
    case stage::rcpt:
        ++counts_.rcpt;
        ++from.current.seen_by->rcpt;
        from.current.rcpt = true;
        counts_.with_login += what.sasl_username.empty() ? 0 : 1;
        return rcpt_at_once(what, from);
    case stage::data:
        ++counts_.data;
        return data_at_once(what, from);
    default:
        ++counts_.end_of_message;
        ++counts_.not_asked;
        return settle_at_once(what, from);
    }
}

std::optional<decision> pipeline::rcpt_at_once(const request& what, speaker& from) {
    if (!from.client.ours()) {
        ++counters::of(counts_.decided, reason::not_ours);
    }
    auto context = context_of(what, from, {});
    auto& at = from.asked.next;
    for (const auto rules = rules_for(from.client); at < rules.size(); ++at) {
        const rule& r = rules[at];
        if (r.asks != nullptr && !r.asks(context)) {
            continue;
        }
        if (!r.at_once(context)) {
            return std::nullopt;
        }
        context.observe = observes(context.settings, context.profile, r.name);
        if (auto answer = r.judge(context); !passes(answer)) {
            from.asked.said = std::move(answer);
            return std::nullopt;
        }
    }
    --at; // should the commit fail, it is the last one's answer that does: the one that charged
    return decision{};
}

std::optional<decision> pipeline::data_at_once(const request& what, speaker& from) {
    hooks_.saw_data(*from.current.seen_by, from.current.rcpt, what.queue_id);
    from.current.data = true;
    if (!from.client.ours()) {
        ++counters::of(counts_.decided, reason::not_ours);
        return ticket_for(what, "-", {});
    }
    if (!uncounted(from.current)) {
        if (auto answer = rules::limits_at_data(context_of(what, from, "limits")); !passes(answer)) {
            from.asked.said = std::move(answer);
            return std::nullopt;
        }
    }
    return ticket_of_ours(what, from);
}

// Before the queue what is learned of the message may have to be taken back.
decision pipeline::ticket_of_ours(const request& what, speaker& from) {
    std::optional<std::uint32_t> fresh;
    if (what.queue_id.empty() && !uncounted(from.current)) {
        fresh = rules::new_recipients_for_trend(context_of(what, from, "trend"));
    }
    return ticket_for(what, from.client.who().account, from.client.who().login, fresh);
}

std::optional<decision> pipeline::settle_at_once(const request& what, speaker& from) {
    const auto mode = from.client.settings().policyd.accounting;
    hooks_.saw_end_of_message(*from.current.seen_by, mode);
    from.current.ended = true;
    from.current.reserved = false; // if this fails, the lease ends it, and charges
    if (mode != config::accounting_mode::end_of_message || uncounted(from.current) || !from.client.ours()) {
        return decision{};
    }
    if (auto done = with_.accounts.settle_at_once(from.current.id, from.number, what.queue_id, what.size); !done) {
        from.asked.said = done.error();
        return std::nullopt;
    }
    from.current.uncommitted = true;
    return decision{};
}

// ---- with waits

asio::awaitable<decision> pipeline::with_waits(const request& what, speaker& from) {
    switch (what.at) {
    case stage::rcpt:
        co_return co_await at_rcpt(what, from);
    case stage::data:
        co_return co_await at_data(what, from);
    default:
        trouble(from.client.settings(), what, "settle", from.asked.said->error());
        co_return decision{};
    }
}

asio::awaitable<decision> pipeline::at_rcpt(const request& what, speaker& from) {
    auto context = context_of(what, from, {});
    round so_far{{}, to_abuse(context.settings, what.recipient), from.asked.reported};
    auto& at = from.asked.next;
    for (const auto rules = rules_for(from.client); at < rules.size(); ++at) {
        context.observe = observes(context.settings, context.profile, rules[at].name);
        auto answer = co_await ask(rules[at], context, from.asked);
        if (passes(answer)) {
            continue;
        }
        const bool over = co_await weigh(context, rules[at].name, std::move(answer), so_far);
        if (over) {
            break;
        }
    }
    if (so_far.invalid && !so_far.verdict.refuses()) {
        context.observe = observes(context.settings, context.profile, so_far.invalid->rule);
        co_await take_invalid(context, so_far);
    }
    co_return std::move(so_far.verdict);
}

// A recipient that is taken although it cannot exist (valid_recipients = "count"). One that a limit refuses comes
// again, and again: it is neither counted nor told.
asio::awaitable<void> pipeline::take_invalid(const rule_context& context, round& so_far) {
    auto d = std::move(*so_far.invalid);
    if (const auto counted = co_await rules::count_invalid_recipient(context); !counted) {
        log::warning("invalid recipient not counted")
            .kv("account", context.who.account)
            .kv("why", counted.error().message());
    }
    co_await report(context, d);
    if (so_far.verdict.kind == decision_kind::dunno && !context.observe) {
        so_far.verdict = std::move(d);
    }
}

asio::awaitable<decision> pipeline::at_data(const request& what, speaker& from) {
    const auto context = context_of(what, from, "limits");
    // For abuse_address where it is the only one.
    round so_far{{}, to_abuse(context.settings, what.recipient), from.asked.reported};
    auto answer = co_await when_safe(std::move(*from.asked.said), from.current);
    const bool over = co_await weigh(context, "limits", std::move(answer), so_far);
    // One action is all that Postfix takes. What is on hold already wants the ticket; else the limit's word stands.
    const bool to_hold = so_far.verdict.kind == decision_kind::hold && !from.current.held;
    if (over || to_hold) {
        co_return std::move(so_far.verdict);
    }
    co_return ticket_of_ours(what, from);
}

// The answer of a rule, or the one it gave already.
asio::awaitable<rule_answer> pipeline::ask(const rule& r, const rule_context& context, progress& so_far) {
    if (so_far.said) {
        auto said = std::move(*so_far.said);
        so_far.said.reset();
        co_return co_await when_safe(std::move(said), context.current);
    }
    if (r.asks != nullptr && !r.asks(context)) {
        co_return decision{};
    }
    if (!r.at_once(context)) {
        co_return co_await r.wait(context);
    }
    co_return co_await when_safe(r.judge(context), context.current);
}

// The answer that stands once what was charged for it is committed.
asio::awaitable<rule_answer> pipeline::when_safe(rule_answer answer, transaction& current) {
    if (std::exchange(current.uncommitted, false)) {
        if (const auto safe = co_await with_.accounts.committed(); !safe) {
            co_return safe.error();
        }
    }
    co_return answer;
}

// Takes an answer other than "pass" into the round. True: that is the decision, ask no further. Hold and warn leave an
// event and a log line as refusals do.
asio::awaitable<bool> pipeline::weigh(const rule_context& context, std::string_view rule, rule_answer answer,
                                      round& so_far) {
    decision d;
    if (answer) {
        d = std::move(*answer);
    } else {
        d = trouble(context.settings, context.what, rule, answer.error());
    }
    d.rule = rule;
    if (!d.refuses()) {
        if (so_far.exempt || d.kind == decision_kind::dunno) {
            co_return false;
        }
        if (d.why == reason::recipient_invalid) {
            so_far.invalid = std::move(d);
            co_return false;
        }
        co_await report(context, d);
        const bool heavier = so_far.verdict.kind == decision_kind::dunno ||
                             (so_far.verdict.kind == decision_kind::warn && d.kind == decision_kind::hold);
        if (heavier && !context.observe) {
            so_far.verdict = std::move(d);
        }
        co_return false;
    }
    if (so_far.exempt) {
        if (rule == "limits" && !context.observe) {
            context.current.exempt = 1; // asked for twice it is still one recipient less to count
        }
        co_return false;
    }
    if (context.observe && (!answer || std::exchange(so_far.reported, true))) {
        co_return false;
    }
    if (answer) {
        co_await report(context, d);
    }
    if (!context.observe) {
        so_far.verdict = std::move(d);
    }
    co_return !context.observe;
}

} // namespace postsluice::policyd
