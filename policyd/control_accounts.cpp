// SPDX-License-Identifier: Apache-2.0
// The verbs "account ...".
#include "policyd/control_arguments.hpp"
#include "policyd/control_json.hpp"
#include "policyd/control_pieces.hpp"
#include "policyd/control_verbs.hpp"
#include "policyd/service.hpp"
#include "shared/account/locks.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"
#include "shared/core/units.hpp"
#include "shared/log/log.hpp"

#include <algorithm>
#include <utility>

// g++ 12 takes Asio's own operator new and delete of coroutine frames for a mismatched pair once they are inlined (GCC
// PR 109224).
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace postsluice::policyd {

namespace asio = boost::asio;
namespace cj = control_json;
using nlohmann::json;

namespace {

constexpr std::size_t most_refusals = 20, most_events = 50, most_history = 1000;
constexpr std::uint32_t most_weight = 1000; // of one strike by a person

answer account_list(service& s, control::request_context, arguments given) {
    auto rows = account_rows(s, number_argument(*given, "most", 1000), true);
    if (!rows) {
        co_return rows.error();
    }
    co_return control::success({{"accounts", std::move(*rows)}});
}

/// What history and refusals say; the rest of `account show` is configuration and use.
result<json> account_past(const service& s, const std::string& account) {
    const auto refusals = s.of().accounts.refusals(account, most_refusals);
    const auto history = s.of().store.history(account, most_events);
    if (!refusals || !history) {
        return refusals ? history.error() : refusals.error();
    }
    json out{{"refusals", json::array()}, {"events", json::array()}, {"strikes", json::array()}};
    for (const auto& one : *refusals) {
        out["refusals"].push_back(cj::refusal(one));
    }
    for (const auto& one : history->events) {
        out["events"].push_back(cj::event(one));
    }
    for (const auto& one : history->strikes) {
        out["strikes"].push_back(cj::strike_object(one));
    }
    return control::success(std::move(out));
}

/// What stops the account: its own lock, or one of its domain or customer. Where nothing does, its own state.
result<json> lock_on(const service& s, const account::identity& who) {
    const auto all = s.of().store.locks();
    if (!all) {
        return all.error();
    }
    const auto found = account::find_lock(*s.settings(), {who, {}, mail_address{}}, **all, s.of().time.now());
    if (found && found->has_value() && (*found)->scope != limit_scope::account) {
        auto out = cj::lock((*found)->key, (*found)->lock, s.of().time.now());
        out["scope"] = account::describe_subject((*found)->key);
        return control::success(std::move(out));
    }
    return lock_of(s, who.account);
}

answer account_show(service& s, control::request_context, arguments given) {
    const auto settings = s.settings();
    const auto account = account_argument(*settings, *given, true);
    if (!account) {
        co_return account.error();
    }
    const auto who = account::identity_of(*settings, *account);
    const auto profile = account::select_profile(*settings, who);
    auto use = uses_of(s, *profile, who);
    auto lock = lock_on(s, who);
    auto out = account_past(s, *account);
    if (!use || !lock || !out) {
        co_return !use ? use.error() : !lock ? lock.error() : out.error();
    }
    json& o = *out;
    o["account"] = printable(*account, 1000);
    o["entry"] = who.entry != nullptr ? json(who.entry->name) : json(nullptr);
    o["login"] = who.login.empty() ? json(nullptr) : json(printable(who.login, 1000));
    o["profile"] = profile->name;
    o["chosen_by"] = account::explain_profile(*settings, who);
    o["from"] = cj::from_rule(profile->from, account::describe_allowed(*profile, who));
    o["observe"] = profile->observe || settings->mode == config::run_mode::observe;
    o["observe_rules"] = profile->observe_rules;
    o["totals"] = cj::totals(s.of().asks.totals().find(*account));
    o["locked"] = lock->is_object() && lock->at("locked").get<bool>();
    o["lock"] = std::move(*lock);
    o["use"] = std::move(*use);
    o["counted_elsewhere"] = counted_elsewhere(s, *profile, who);
    o["overrides"] = overrides_json(s, *account);
    co_return out;
}

answer account_history(service& s, control::request_context, arguments given) {
    const auto subject = subject_argument(*s.settings(), *given);
    if (!subject) {
        co_return subject.error();
    }
    auto lock = lock_of(s, *subject);
    const auto history =
        s.of().store.history(*subject, std::min(number_argument(*given, "most", most_events), most_history));
    if (!lock || !history) {
        co_return lock ? history.error() : lock.error();
    }
    json out{{"account", printable(*subject, 1000)}, {"events", json::array()}, {"strikes", json::array()}};
    out["locked"] = lock->is_object() && lock->at("locked").get<bool>();
    out["lock"] = std::move(*lock);
    for (const auto& one : history->events) {
        out["events"].push_back(cj::event(one));
    }
    for (const auto& one : history->strikes) {
        out["strikes"].push_back(cj::strike_object(one));
    }
    co_return control::success(std::move(out));
}

answer account_lock(service& s, control::request_context by, arguments given) {
    const auto subject = subject_argument(*s.settings(), *given);
    auto words = text_argument(*given, "why", false);
    const auto duration = duration_argument(*given);
    if (!subject || !words || !duration) {
        co_return !subject ? subject.error() : !words ? words.error() : duration.error();
    }
    if (words->empty()) {
        *words = "locked by hand";
    }
    std::string reference = new_reference();
    const auto now_is = co_await s.of().store.lock(*subject, by.actor, *words, std::move(reference), *duration);
    if (!now_is) {
        co_return now_is.error();
    }
    co_return control::success({{"account", *subject}, {"lock", cj::lock(*subject, *now_is, s.of().time.now())}});
}

answer account_unlock(service& s, control::request_context by, arguments given) {
    const auto subject = subject_argument(*s.settings(), *given);
    auto words = text_argument(*given, "why", false);
    if (!subject || !words) {
        co_return subject ? words.error() : subject.error();
    }
    const auto before = s.of().store.read_lock(*subject);
    const auto now_is = co_await s.of().store.unlock(*subject, by.actor, *words);
    if (!now_is) {
        co_return now_is.error();
    }
    const bool was = before && before->has_value() && is_locked(**before, s.of().time.now());
    co_return control::success(
        {{"account", *subject}, {"lock", cj::lock(*subject, *now_is, s.of().time.now())}, {"was_locked", was}});
}

answer account_reset(service& s, control::request_context by, arguments given) {
    const auto subject = subject_argument(*s.settings(), *given);
    if (!subject) {
        co_return subject.error();
    }
    const auto opened = co_await s.of().store.reset(*subject, by.actor);
    if (!opened) {
        co_return opened.error();
    }
    if (account::scope_of(*subject) == limit_scope::account) {
        const auto forgotten = co_await s.of().accounts.reset(*subject);
        if (!forgotten) {
            co_return forgotten.error();
        }
        if (s.of().trends != nullptr) {
            const auto usual = co_await s.of().trends->reset(*subject);
            if (!usual) {
                co_return usual.error();
            }
        }
    }
    co_return control::success({{"account", *subject}});
}

/// A strike that a person deals counts whatever came before it; other scopes than accounts have the default profile.
result<strike> strike_of(const json& given, std::string_view actor) {
    const auto kind_text = text_argument(given, "kind", false);
    const auto words = text_argument(given, "why", false);
    if (!kind_text || !words) {
        return kind_text ? words.error() : kind_text.error();
    }
    std::string name = kind_text->empty() ? std::string{"manual"} : to_lower(*kind_text);
    std::ranges::replace(name, '-', ' ');
    const auto kind = parse_strike_kind(name);
    if (!kind) {
        return failure{errc::malformed, "\"" + printable(*kind_text, 60) +
                                            "\" is no kind of strike: spam, phish, virus, limit, invalid-recipients, "
                                            "stolen-password, complaint, manual"};
    }
    strike what{*kind, instant::max(), 1, {}, new_reference()}; // the store says when: now
    what.weight =
        static_cast<std::uint32_t>(std::clamp<std::size_t>(number_argument(given, "weight", 1), 1, most_weight));
    what.note = std::string{actor} + (words->empty() ? "" : ": " + *words);
    return what;
}

answer account_strike(service& s, control::request_context by, arguments given) {
    const auto settings = s.settings();
    const auto subject = subject_argument(*settings, *given);
    auto what = strike_of(*given, by.actor);
    if (!subject || !what) {
        co_return subject ? what.error() : subject.error();
    }
    auto profile = settings->profiles.at("default");
    if (account::scope_of(*subject) == limit_scope::account) {
        profile = account::select_profile(*settings, account::identity_of(*settings, *subject));
    }
    const strike dealt = *what;
    const auto outcome = co_await s.of().store.add_strike(*subject, std::move(*what), profile->lock);
    if (!outcome) {
        co_return outcome.error();
    }
    json events = json::array();
    for (const auto& one : outcome->events) {
        events.push_back(cj::event(one));
    }
    strike shown = dealt;
    shown.at = s.of().time.now();
    co_return control::success({{"account", *subject},
                                {"strike", cj::strike_object(shown)},
                                {"lock", cj::lock(*subject, outcome->state, s.of().time.now())},
                                {"events", std::move(events)}});
}

} // namespace

void add_account_verbs(control::server& to, service& what) {
    add_verb(to, what, "account list", &account_list);
    add_verb(to, what, "account show", &account_show);
    add_verb(to, what, "account history", &account_history);
    add_verb(to, what, "account strike", &account_strike);
    add_verb(to, what, "account lock", &account_lock);
    add_verb(to, what, "account unlock", &account_unlock);
    add_verb(to, what, "account reset", &account_reset);
}

} // namespace postsluice::policyd
