// SPDX-License-Identifier: Apache-2.0
#include "policyd/control_verbs.hpp"

#include "config.h"
#include "policyd/control_json.hpp"
#include "policyd/service.hpp"
#include "shared/account/locks.hpp"
#include "shared/config/limit_language.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"
#include "shared/core/units.hpp"
#include "shared/log/log.hpp"

#include <algorithm>
#include <unistd.h>
#include <utility>

namespace postsluice::policyd {

namespace asio = boost::asio;
namespace cj = control_json;
using nlohmann::json;

namespace {

using arguments = std::shared_ptr<const json>;
using answer = asio::awaitable<result<json>>;

constexpr std::size_t most_listed = 10000, most_locked = 10000, most_refusals = 20, most_events = 50,
                      most_notices = 1000, most_history = 1000;
constexpr seconds longest_lock{10 * 365 * 86400};
constexpr std::uint32_t most_weight = 1000; // of one strike by a person

// ---- arguments

result<std::string> text(const json& from, const char* key, bool required) {
    const auto at = from.find(key);
    if (at == from.end()) {
        return required
                   ? result<std::string>{failure{errc::malformed, std::string{"argument \""} + key + "\" is missing"}}
                   : result<std::string>{std::string{}};
    }
    if (!at->is_string() || at->get_ref<const std::string&>().size() > 1024) {
        return failure{errc::malformed, std::string{"argument \""} + key + "\" is not a text of at most 1024 octets"};
    }
    return at->get<std::string>();
}

std::size_t number(const json& from, const char* key, std::size_t otherwise) {
    const auto at = from.find(key);
    return at != from.end() && at->is_number_unsigned() ? std::min(at->get<std::size_t>(), most_listed) : otherwise;
}

// An account as a person names it: any case, and without the domain where default_domain supplies it.
result<std::string> account_argument(const config::settings& settings, const json& from, bool required) {
    auto given = text(from, "account", required);
    if (!given) {
        return given.error();
    }
    std::string name = to_lower(trim(*given));
    if (name.empty()) {
        return required ? result<std::string>{failure{errc::malformed, "argument \"account\" is empty"}}
                        : result<std::string>{name};
    }
    const bool entry = std::ranges::any_of(settings.accounts, [&](const auto& a) { return to_lower(a.name) == name; });
    if (!entry && !name.starts_with("uid:") && !name.starts_with("login:") && name.find('@') == std::string::npos &&
        !settings.default_domain.empty()) {
        name += '@' + settings.default_domain;
    }
    return name;
}

// What can be locked: an account, or another scope ("domain:example.org").
result<std::string> subject_argument(const config::settings& settings, const json& from) {
    const auto given = text(from, "account", true);
    if (!given) {
        return given.error();
    }
    if (account::scope_of(to_lower(trim(*given))) == limit_scope::account) {
        return account_argument(settings, from, true);
    }
    return account::parse_lock_subject(settings, *given);
}

/// Of "for": how long an operator locks; zero where it is not given.
result<seconds> duration_argument(const json& from) {
    const auto given = text(from, "for", false);
    if (!given || given->empty()) {
        return given ? result<seconds>{seconds{0}} : result<seconds>{given.error()};
    }
    const auto duration = parse_duration(*given);
    if (!duration || *duration <= seconds{0} || *duration > longest_lock) {
        return failure{errc::malformed,
                       "\"" + printable(*given, 60) + "\" is not a time to lock for; as in \"2 hours\""};
    }
    return *duration;
}

// ---- pieces of answers

json program() {
    return {{"program", "postsluice-policyd"}, {"version", PACKAGE_VERSION}, {"pid", ::getpid()}};
}

/// Those locked now; empty where the store cannot be read.
std::vector<state::locked_account> locked_now(const service& s) {
    auto all = s.of().store.locked(most_locked);
    if (!all) {
        return {};
    }
    const auto now = s.of().time.now();
    std::erase_if(*all, [now](const auto& one) { return !is_locked(one.lock, now); });
    return std::move(*all);
}

result<json> lock_of(const service& s, const std::string& account) {
    const auto lock = s.of().store.read_lock(account);
    if (!lock) {
        return lock.error();
    }
    return control::success(lock->has_value() ? cj::lock(account, **lock, s.of().time.now()) : json(nullptr));
}

json account_row(const service& s, const std::string& account, instant last_seen, bool locked, json use) {
    const auto settings = s.settings();
    const auto who = account::identity_of(*settings, account);
    return {{"account", printable(account, 1000)},
            {"profile", account::select_profile(*settings, who)->name},
            {"last_seen", cj::time_or_null(last_seen)},
            {"locked", locked},
            {"use", std::move(use)}};
}

result<json> account_rows(const service& s, std::size_t most, bool locked_too) {
    const auto seen = s.of().accounts.accounts(most);
    if (!seen) {
        return seen.error();
    }
    auto locked = locked_now(s);
    json rows = json::array();
    for (const auto& one : *seen) {
        const bool is = std::erase_if(locked, [&](const auto& l) { return l.account == one.account; }) != 0;
        rows.push_back(account_row(s, one.account, one.last_seen, is, cj::uses(one.use, s.of().time.now())));
    }
    if (locked_too) {
        for (const auto& one : locked) {
            rows.push_back(account_row(s, one.account, {}, true, json::array()));
        }
    }
    return control::success(std::move(rows));
}

/// The use of every limit that holds for the account, under its own key and those of its parents.
result<json> uses_of(const service& s, const config::profile& profile, const account::identity& who) {
    const auto now = s.of().time.now();
    const auto plan = s.of().asks.limits().plan(profile, who.account, now);
    json out = json::array();
    for (const auto& counted : counted_for(*plan, *s.settings(), who)) {
        const auto use = s.of().accounts.usage(counted);
        if (!use) {
            return use.error();
        }
        for (auto& one : cj::uses(*use, now)) {
            out.push_back(std::move(one));
        }
    }
    return control::success(std::move(out));
}

json overrides_json(const service& s, const std::string& account) {
    json out = json::array();
    for (const auto& one : s.of().asks.limits().overrides_of(account, s.of().time.now())) {
        json o = cj::limit_object(one.what);
        o["set"] = cj::time_or_null(one.set);
        o["until"] = cj::time_or_null(one.until);
        o["actor"] = printable(one.actor, 200);
        o["why"] = printable(one.why, 1000);
        out.push_back(std::move(o));
    }
    return out;
}

// ---- verbs

answer ping(service&, control::request_context, arguments) {
    co_return control::success(program());
}

answer status(service& s, control::request_context, arguments given) {
    const auto& of = s.of();
    const auto settings = s.settings();
    const auto& counts = of.asks.counts();
    auto rows = account_rows(s, number(*given, "accounts", 100), false);
    if (!rows) {
        co_return rows.error();
    }
    json locks = json::array();
    for (const auto& one : locked_now(s)) {
        locks.push_back(cj::lock(one.account, one.lock, of.time.now()));
    }
    const auto notices = of.store.notices(most_notices);
    json out = program();
    out["started"] = cj::time_or_null(s.started());
    out["uptime"] = std::chrono::duration_cast<seconds>(of.time.now() - s.started()).count();
    out["mode"] = settings->mode == config::run_mode::observe ? "observe" : "enforce";
    out["accounting"] = cj::accounting_name(settings->policyd.accounting);
    out["on_error"] = settings->policyd.on_error == config::error_policy::defer ? "defer" : "dunno";
    out["connections"] = {{"now", of.connections.connections()},
                          {"total", counts.connections},
                          {"refused", counts.turned_away},
                          {"limit", of.connections.most()}};
    out["requests"] = cj::requests(counts);
    out["decisions"] = cj::decisions(counts);
    out["observed"] = cj::observed(counts);
    out["trouble"] = counts.trouble;
    out["tickets"] = {{"issued", counts.tickets}, {"failed", counts.tickets_failed}};
    out["hooks"] = cj::hooks(of.asks.hooks());
    out["accounts"] = std::move(*rows);
    out["locks"] = std::move(locks);
    out["notices_waiting"] = notices ? notices->size() : 0;
    out["state"] = {{"healthy", of.healthy()}, {"counters_fill", of.counters_fill()}, {"state_fill", of.state_fill()}};
    co_return control::success(std::move(out));
}

answer why(service& s, control::request_context, arguments given) {
    const auto asked = text(*given, "ref", true);
    if (!asked) {
        co_return asked.error();
    }
    const std::string reference = normalise_reference(trim(*asked));
    if (reference.empty()) {
        co_return failure{errc::malformed, "a reference has eight letters and digits"};
    }
    const auto found = s.of().accounts.explain(reference);
    if (!found) {
        co_return found.error();
    }
    if (found->has_value()) {
        auto lock = lock_of(s, (*found)->what.account);
        if (!lock) {
            co_return lock.error();
        }
        const bool locked = lock->is_object() && lock->at("locked").get<bool>();
        co_return control::success(
            {{"kind", "refusal"}, {"refusal", cj::refusal(**found)}, {"lock", locked ? *lock : json(nullptr)}});
    }
    for (const auto& one : locked_now(s)) {
        if (one.lock.reference == reference) {
            co_return control::success(
                {{"kind", "lock"}, {"lock", cj::lock(one.account, one.lock, s.of().time.now())}});
        }
    }
    co_return failure{errc::not_found, "reference " + reference};
}

answer account_list(service& s, control::request_context, arguments given) {
    auto rows = account_rows(s, number(*given, "most", 1000), true);
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

answer account_show(service& s, control::request_context, arguments given) {
    const auto settings = s.settings();
    const auto account = account_argument(*settings, *given, true);
    if (!account) {
        co_return account.error();
    }
    const auto who = account::identity_of(*settings, *account);
    const auto profile = account::select_profile(*settings, who);
    auto use = uses_of(s, *profile, who);
    auto lock = lock_of(s, *account);
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
    o["overrides"] = overrides_json(s, *account);
    co_return out;
}

answer account_history(service& s, control::request_context, arguments given) {
    const auto subject = subject_argument(*s.settings(), *given);
    if (!subject) {
        co_return subject.error();
    }
    auto lock = lock_of(s, *subject);
    const auto history = s.of().store.history(*subject, std::min(number(*given, "most", most_events), most_history));
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
    auto words = text(*given, "why", false);
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
    auto words = text(*given, "why", false);
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
    const auto kind_text = text(given, "kind", false);
    const auto words = text(given, "why", false);
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
    what.weight = static_cast<std::uint32_t>(std::clamp<std::size_t>(number(given, "weight", 1), 1, most_weight));
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

answer limit_list(service& s, control::request_context, arguments given) {
    const auto settings = s.settings();
    const auto account = account_argument(*settings, *given, false);
    if (!account) {
        co_return account.error();
    }
    json out = json::object();
    if (account->empty()) {
        out["profiles"] = json::array();
        out["assigns"] = json::array();
        for (const auto& [name, profile] : settings->profiles) {
            out["profiles"].push_back(cj::profile(*profile));
        }
        for (const auto& one : settings->assigns) {
            out["assigns"].push_back({{"profile", one.profile}, {"login", one.login}, {"account", one.account}});
        }
        co_return control::success(std::move(out));
    }
    const auto who = account::identity_of(*settings, *account);
    const auto profile = account::select_profile(*settings, who);
    auto use = uses_of(s, *profile, who);
    if (!use) {
        co_return use.error();
    }
    co_return control::success({{"account", *account},
                                {"profile", profile->name},
                                {"chosen_by", account::explain_profile(*settings, who)},
                                {"use", std::move(*use)},
                                {"overrides", overrides_json(s, *account)}});
}

failure cannot_override() {
    return {errc::unavailable, "limits of single accounts cannot be stored"};
}

answer limit_set(service& s, control::request_context by, arguments given) {
    const auto account = account_argument(*s.settings(), *given, true);
    const auto limit_text = text(*given, "limit", true);
    auto words = text(*given, "why", false);
    const auto duration = duration_argument(*given);
    if (!account || !limit_text || !words || !duration) {
        co_return !account ? account.error()
        : !limit_text      ? limit_text.error()
        : !words           ? words.error()
                           : duration.error();
    }
    auto what = config::parse_limit(*limit_text);
    if (!what) {
        co_return failure{errc::malformed, what.error().detail};
    }
    if (s.of().overrides == nullptr) {
        co_return cannot_override();
    }
    const auto now = s.of().time.now();
    state::limit_override one;
    one.account = *account;
    one.text = to_string(*what);
    one.what = std::move(*what);
    one.set = now;
    one.until = duration->count() == 0 ? instant{} : now + *duration;
    one.actor = by.actor;
    one.why = std::move(*words);
    log::warning("limit of an account set")
        .kv("account", *account)
        .kv("limit", one.text)
        .kv("until", duration->count() == 0 ? std::string{"cleared"} : to_iso8601(one.until))
        .kv("actor", one.actor)
        .kv("why", one.why);
    const auto stored = co_await s.of().overrides->set(std::move(one));
    if (!stored) {
        co_return stored.error();
    }
    if (const auto loaded = s.load_overrides(); !loaded) {
        co_return loaded.error();
    }
    co_return control::success({{"account", *account}, {"overrides", overrides_json(s, *account)}});
}

/// "recipients per day" or a whole limit: what it is called.
result<std::string> subject_of_limit(const std::string& words) {
    if (words.empty()) {
        return std::string{};
    }
    const auto whole = config::parse_limit(words);
    const auto named = whole ? whole : config::parse_limit("unlimited " + words);
    if (!named) {
        return failure{errc::malformed, named.error().detail};
    }
    return subject(*named);
}

answer limit_clear(service& s, control::request_context by, arguments given) {
    const auto account = account_argument(*s.settings(), *given, true);
    const auto words = text(*given, "limit", false);
    if (!account || !words) {
        co_return !account ? account.error() : words.error();
    }
    auto which = subject_of_limit(*words);
    if (!which) {
        co_return which.error();
    }
    if (s.of().overrides == nullptr) {
        co_return cannot_override();
    }
    const auto cleared = co_await s.of().overrides->clear(*account, std::move(*which));
    if (!cleared) {
        co_return cleared.error();
    }
    if (const auto loaded = s.load_overrides(); !loaded) {
        co_return loaded.error();
    }
    log::warning("limits of an account cleared").kv("account", *account).kv("count", *cleared).kv("actor", by.actor);
    co_return control::success(
        {{"account", *account}, {"cleared", *cleared}, {"overrides", overrides_json(s, *account)}});
}

answer reload(service& s, control::request_context, arguments) {
    json errors = json::array();
    for (const auto& one : s.reload()) {
        errors.push_back(
            {{"file", one.file}, {"line", one.line}, {"key", one.key}, {"text", one.text}, {"message", one.message()}});
    }
    const bool done = errors.empty();
    co_return control::success({{"reloaded", done}, {"errors", std::move(errors)}});
}

} // namespace

void add_control_verbs(control::server& to, service& what) {
    const auto add = [&](std::string verb, answer (*run)(service&, control::request_context, arguments)) {
        to.on(std::move(verb), [run, &what](control::request_context by, arguments given) {
            return run(what, std::move(by), std::move(given));
        });
    };
    add("ping", &ping);
    add("status", &status);
    add("why", &why);
    add("account list", &account_list);
    add("account show", &account_show);
    add("account history", &account_history);
    add("account strike", &account_strike);
    add("account lock", &account_lock);
    add("account unlock", &account_unlock);
    add("account reset", &account_reset);
    add("limit list", &limit_list);
    add("spf check", &spf_check);
    add("limit set", &limit_set);
    add("limit clear", &limit_clear);
    add("refund", &refund);
    add("reload", &reload);
}

} // namespace postsluice::policyd
