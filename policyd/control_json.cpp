// SPDX-License-Identifier: Apache-2.0
#include "policyd/control_json.hpp"

#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::policyd::control_json {

namespace {

std::string clean(std::string_view text) {
    return printable(text, 1000);
}

json count_or_null(const limit& of) {
    return of.count == limit::unlimited ? json(nullptr) : json(of.count);
}

json by_reason(const counters::by_reason& table) {
    json out = json::object();
    for (const reason r : all_reasons()) {
        if (const auto n = table[static_cast<std::size_t>(r)]; n != 0) {
            out[std::string{to_string(r)}] = n;
        }
    }
    return out;
}

std::string_view name_of(config::from_rule::kind kind) noexcept {
    using enum config::from_rule::kind;
    switch (kind) {
    case own_address:
        return "own-address";
    case own_domain:
        return "own-domain";
    case list:
        return "list";
    case map:
        return "map";
    case any:
        break;
    }
    return "any";
}

} // namespace

json time_or_null(instant t) {
    return t == instant{} ? json(nullptr) : json(to_iso8601(t));
}

json limit_object(const limit& of) {
    return {{"limit", to_string(of)},
            {"subject", subject(of)},
            {"unit", to_string(of.unit)},
            {"period", of.period.count()},
            {"count", count_or_null(of)}};
}

json use(const limit_use& of, instant now) {
    json out = limit_object(of.what);
    const auto wait = of.frees > now ? std::chrono::ceil<seconds>(of.frees - now) : seconds{};
    out["used"] = of.used;
    out["frees"] = time_or_null(of.frees);
    out["frees_in"] = wait.count();
    return out;
}

json uses(const std::vector<limit_use>& all, instant now) {
    json out = json::array();
    for (const auto& one : all) {
        out.push_back(use(one, now));
    }
    return out;
}

json lock(std::string_view account, const lock_state& of, instant now) {
    return {{"account", clean(account)},
            {"locked", is_locked(of, now)},
            {"kind", to_string(of.kind)},
            {"since", time_or_null(of.since)},
            {"until", times_out(of) ? time_or_null(of.until) : json(nullptr)},
            {"cause", clean(of.cause)},
            {"actor", clean(of.actor)},
            {"reference", of.reference},
            {"automatic_unlocks_used", of.unlocks_used}};
}

json event(const lock_event& of) {
    return {
        {"kind", to_string(of.kind)}, {"at", time_or_null(of.at)},
        {"cause", clean(of.cause)},   {"actor", clean(of.actor)},
        {"reference", of.reference},  {"until", times_out(of.after) ? time_or_null(of.after.until) : json(nullptr)}};
}

json strike_object(const strike& of) {
    return {{"kind", to_string(of.kind)},
            {"at", time_or_null(of.at)},
            {"weight", of.weight},
            {"reference", of.reference},
            {"note", clean(of.note)}};
}

json refusal(const state::refusal_event& of) {
    return {{"reference", of.reference},
            {"reason", to_string(of.what.why)},
            {"sentence", sentence(of.what.why)},
            {"account", clean(of.what.account)},
            {"subject", clean(of.what.subject)},
            {"detail", clean(of.what.detail)},
            {"client", clean(of.what.client)},
            {"sender", clean(of.what.sender)},
            {"recipient", clean(of.what.recipient)},
            {"queue_id", clean(of.what.queue_id)},
            {"observed", of.what.observed},
            {"count", of.count},
            {"first", time_or_null(of.first)},
            {"last", time_or_null(of.last)}};
}

json from_rule(const config::from_rule& of, std::string_view allowed) {
    return {{"rule", name_of(of.what)}, {"entries", of.entries}, {"allowed", clean(allowed)}};
}

json profile(const config::profile& of) {
    json limits = json::array();
    for (const auto& one : of.limits) {
        limits.push_back(limit_object(one));
    }
    json after = json::array();
    for (const auto& one : of.lock.after) {
        after.push_back(to_string(one));
    }
    return {{"profile", of.name},
            {"limits", std::move(limits)},
            {"from", from_rule(of.from, "")},
            {"observe", of.observe},
            {"lock",
             {{"after", std::move(after)},
              {"for", of.lock.duration.count()},
              {"automatic_unlocks", of.lock.automatic_unlocks}}}};
}

json requests(const counters& of) {
    return {{"total", of.rcpt + of.data + of.end_of_message + of.other},
            {"rcpt", of.rcpt},
            {"data", of.data},
            {"end_of_message", of.end_of_message},
            {"other", of.other},
            {"violations", of.violations}};
}

json decisions(const counters& of) {
    json out = by_reason(of.decided);
    out["accepted"] = of.accepted;
    out["none"] = of.not_asked;
    return out;
}

json observed(const counters& of) {
    return by_reason(of.observed);
}

json hooks(const hook_table& of) {
    json out = json::array();
    for (const auto& one : of.all()) {
        out.push_back({{"server_port", clean(one->server_port)},
                       {"policy_context", clean(one->policy_context)},
                       {"data", one->data},
                       {"end_of_message", one->end_of_message}});
    }
    return out;
}

std::string_view accounting_name(config::accounting_mode mode) noexcept {
    switch (mode) {
    case config::accounting_mode::end_of_message:
        return "end-of-message";
    case config::accounting_mode::data:
        return "data";
    case config::accounting_mode::recipient:
        break;
    }
    return "recipient";
}

} // namespace postsluice::policyd::control_json
