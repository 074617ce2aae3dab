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

bool observes(const config::settings& settings, const config::profile& profile, std::string_view rule) noexcept {
    return settings.mode == config::run_mode::observe || profile.observe ||
           std::ranges::find(profile.observe_rules, rule) != profile.observe_rules.end();
}

bool to_abuse(const config::settings& settings, std::string_view recipient) noexcept {
    return !settings.abuse_address.empty() && iequals(recipient, settings.abuse_address);
}

account::client_facts facts_of(const request& what) noexcept {
    return {what.sasl_username, what.client_address, std::nullopt, what.ccert_fingerprint,
            what.ccert_pubkey_fingerprint};
}

bool passes(const rule_answer& answer) noexcept {
    return answer && answer->kind == decision_kind::dunno;
}

/// Only abuse_address so far, and that uncounted: there is nothing to reconcile or to settle.
bool uncounted(const transaction& t) noexcept {
    return t.exempt > 0 && !t.counted;
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

struct pipeline::round {
    decision verdict;
    bool exempt = false;   // for abuse_address: nothing is refused
    bool reported = false; // observe mode reports the first refusal only, as enforce mode would
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
    if (what.instance != from.current.id.instance || comes_before(what, from.current)) {
        // The release is applied before anything else is asked, but shares its commit with what comes: one turn, not
        // two.
        if (transaction over = std::exchange(from.current, {}); conclude(over)) {
            in_background(release(std::move(over), from.number));
        }
        begin(what, from);
    }
    decision out;
    switch (what.at) {
    case stage::rcpt:
        ++counts_.rcpt;
        counts_.with_login += what.sasl_username.empty() ? 0 : 1;
        out = co_await at_rcpt(settings_, what, from);
        break;
    case stage::data:
        ++counts_.data;
        out = co_await at_data(settings_, what, from);
        break;
    default:
        ++counts_.end_of_message;
        ++counts_.not_asked;
        co_await at_end_of_message(settings_, what, from);
    }
    if (!out.refuses() && log::enabled(log::level::debug)) {
        log_accepted(what, out);
    }
    if (with_.record != nullptr) {
        with_.record->answered(what, from.number, with_.time.now(), out);
    }
    co_return out;
}

// A RCPT or DATA after END-OF-MESSAGE under one instance: the next message of a Postfix before 3.7.22.
bool pipeline::comes_before(const request& what, const transaction& current) noexcept {
    return current.ended && what.at != stage::end_of_message;
}

void pipeline::begin(const request& what, speaker& from) {
    from.current = {};
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

asio::awaitable<void> pipeline::abandon(speaker& from) {
    if (with_.record != nullptr) {
        with_.record->closed(from.number, with_.time.now());
    }
    transaction over = std::exchange(from.current, {});
    if (conclude(over)) {
        co_await release(std::move(over), from.number);
    }
}

asio::awaitable<void> pipeline::release(transaction over, std::uint64_t connection) {
    const bool hooked = over.seen_by->end_of_message > 0;
    const auto done = co_await with_.accounts.abort(over.id, connection, hooked);
    if (!done) { // its lease will end it
        ++counts_.trouble;
        log::warning("abort failed").kv("instance", over.id.instance).kv("why", done.error().message());
    }
}

asio::awaitable<decision> pipeline::at_rcpt(config::settings_ptr settings, const request& what, speaker& from) {
    auto known = account::identify(*settings, facts_of(what));
    const bool ours = known.has_value();
    account::identity who;
    if (ours) {
        who = std::move(*known);
    } else {
        ++counters::of(counts_.decided, reason::not_ours);
        who = account::identity_of(*settings, no_account);
    }
    const auto profile = account::select_profile(*settings, who);
    rule_context context{what,         *settings,   *profile,       who,          with_.time.now(), from.number, false,
                         from.current, with_.locks, with_.accounts, with_.helpers};
    round so_far;
    so_far.exempt = to_abuse(*settings, what.recipient);
    const auto asked = ours ? all_rules() : inbound_rules();
    for (const rule& r : asked) {
        if (r.asks != nullptr && !r.asks(context)) {
            continue;
        }
        context.observe = observes(*settings, *profile, r.name);
        rule_answer answer{decision{}};
        if (r.at_once(context)) {
            answer = r.judge(context);
        } else {
            answer = co_await r.wait(context);
        }
        if (passes(answer)) {
            continue;
        }
        const bool over = co_await weigh(context, r.name, std::move(answer), so_far);
        if (over) {
            break;
        }
    }
    if (ours) {
        const bool refused = so_far.verdict.refuses();
        counts_.accepted += refused ? 0 : 1;
        totals_.recipient(who.account, context.now, refused, so_far.reported);
    }
    co_return std::move(so_far.verdict);
}

asio::awaitable<decision> pipeline::at_data(config::settings_ptr settings, const request& what, speaker& from) {
    ++from.current.seen_by->data;
    from.current.data = true;
    const auto who = account::identify(*settings, facts_of(what));
    if (!who) {
        ++counters::of(counts_.decided, reason::not_ours);
        co_return ticket_for(what, "-", {});
    }
    if (!uncounted(from.current)) {
        const auto profile = account::select_profile(*settings, *who);
        const rule_context context{what,
                                   *settings,
                                   *profile,
                                   *who,
                                   with_.time.now(),
                                   from.number,
                                   observes(*settings, *profile, "limits"),
                                   from.current,
                                   with_.locks,
                                   with_.accounts,
                                   with_.helpers};
        round so_far;
        so_far.exempt = to_abuse(*settings, what.recipient); // there where it is the only one
        auto answer = co_await rules::limits_at_data(context);
        if (!context.observe) {
            strikes_.refused_by_others(context, std::exchange(from.current.refused_by_others, 0));
        }
        if (!passes(answer)) {
            const bool over = co_await weigh(context, "limits", std::move(answer), so_far);
            if (over) {
                co_return std::move(so_far.verdict);
            }
        }
        if (auto noted = rules::trend_at_data(context)) {
            in_background(note(std::move(*noted)));
        }
    }
    ++counts_.accepted;
    totals_.message(who->account, with_.time.now());
    co_return ticket_for(what, who->account, who->login);
}

asio::awaitable<void> pipeline::at_end_of_message(config::settings_ptr settings, const request& what, speaker& from) {
    const auto mode = settings->policyd.accounting;
    hooks_.saw_end_of_message(*from.current.seen_by, mode);
    const bool nothing = uncounted(from.current);
    from.current.ended = true;
    from.current.reserved = false; // if this fails, the lease ends it, and charges
    if (mode != config::accounting_mode::end_of_message || nothing || !account::identify(*settings, facts_of(what))) {
        co_return;
    }
    const auto done =
        co_await with_.accounts.settle(from.current.id, from.number, std::string{what.queue_id}, what.size);
    if (!done) {
        trouble(*settings, what, "settle", done.error());
    }
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
