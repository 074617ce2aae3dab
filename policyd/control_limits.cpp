// SPDX-License-Identifier: Apache-2.0
// The verbs "limit ...".
#include "policyd/control_arguments.hpp"
#include "policyd/control_json.hpp"
#include "policyd/control_pieces.hpp"
#include "policyd/control_verbs.hpp"
#include "policyd/service.hpp"
#include "shared/config/limit_language.hpp"
#include "shared/core/text.hpp"
#include "shared/core/units.hpp"
#include "shared/log/log.hpp"

#include <utility>

namespace postsluice::policyd {

namespace asio = boost::asio;
namespace cj = control_json;
using nlohmann::json;

namespace {

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
    const auto limit_text = text_argument(*given, "limit", true);
    auto words = text_argument(*given, "why", false);
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
    const auto words = text_argument(*given, "limit", false);
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

} // namespace

void add_limit_verbs(control::server& to, service& what) {
    add_verb(to, what, "limit list", &limit_list);
    add_verb(to, what, "limit set", &limit_set);
    add_verb(to, what, "limit clear", &limit_clear);
}

} // namespace postsluice::policyd
