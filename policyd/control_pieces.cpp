// SPDX-License-Identifier: Apache-2.0
#include "policyd/control_pieces.hpp"

#include "policyd/control_json.hpp"
#include "shared/control/control.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <utility>

namespace postsluice::policyd {

namespace cj = control_json;
using nlohmann::json;

namespace {

constexpr std::size_t most_locked = 10000;

json account_row(const service& s, const std::string& account, instant last_seen, bool locked, json use) {
    const auto settings = s.settings();
    const auto who = account::identity_of(*settings, account);
    return {{"account", printable(account, 1000)},
            {"profile", account::select_profile(*settings, who)->name},
            {"last_seen", cj::time_or_null(last_seen)},
            {"locked", locked},
            {"use", std::move(use)}};
}

} // namespace

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

json counted_elsewhere(const service& s, const config::profile& profile, const account::identity& who) {
    json out = json::array();
    for (const auto& one : s.of().asks.limits().plan(profile, who.account, s.of().time.now())->all) {
        const bool by_request = one.scope == limit_scope::client_address || one.scope == limit_scope::client_network ||
                                one.scope == limit_scope::sender_address || one.scope == limit_scope::sender_domain;
        if (!by_request) {
            continue;
        }
        json o = cj::limit_object(one);
        o["under"] = to_string(one.scope);
        out.push_back(std::move(o));
    }
    return out;
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

} // namespace postsluice::policyd
