// SPDX-License-Identifier: Apache-2.0
// What can only be said of a whole [[settings]] entry.
#include "shared/config/reader.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::config {
namespace {

bool has_any(const node& table, std::initializer_list<std::string_view> keys) {
    return std::any_of(keys.begin(), keys.end(), [&](auto key) { return table.find(key) != nullptr; });
}

void check_name(const settings& s, std::size_t which, const std::vector<const node*>& tables, const report& to) {
    const auto& name = s.per_message[which].name;
    const auto* const where = tables[which]->find("name");
    if (where == nullptr) return to.at("name").add(*tables[which], "is missing; settings need a name, for the log");
    for (std::size_t i = 0; i < which; ++i)
        if (!name.empty() && s.per_message[i].name == name)
            to.at("name").add(*where, quote(name) + " is the name of other settings, in line " +
                                          std::to_string(tables[i]->find("name")->line) + "; choose another");
}

/// Those given must rise; a profile's cannot be known here.
void check_scores(const settings_entry& entry, const node& table, const report& to) {
    std::optional<double> last;
    for (const auto& one : {entry.tag_score, entry.hold_score, entry.reject_score}) {
        if (one && *one > 0 && last && *one < *last)
            return to.at("scores").add(*table.find("scores"),
                                       "the thresholds do not rise; tag, hold and reject must be in this order");
        if (one && *one > 0) last = one; // else it is off
    }
}

/// What no message can loosen, since its sender could write what it takes.
void check_loosening(const settings_entry& entry, const node& table, const report& to) {
    const bool writable = !entry.header.empty() || !entry.sender.empty();
    if (!writable || names_sender(entry)) return;
    const std::string why =
        "loosens, but the settings match on what any sender can write; add account, login_domain or "
        "network to say whose mail is meant, or take it out";
    for (const auto* key : {"disabled_checks", "disabled_groups"})
        if (const auto* at = table.find(key)) to.at(key).add(*at, why);
    for (const auto& [symbol, setting] : entry.symbols)
        if (!setting.counts()) to.at("symbols").at(symbol).add(*table.find("symbols"), "enabled = false " + why);
}

void check_contradictions(const settings_entry& entry, const node& table, const report& to) {
    const auto both = [&](const std::string& key, const auto& enabled, const auto& disabled) {
        for (const auto& one : enabled)
            if (std::find(disabled.begin(), disabled.end(), one) != disabled.end())
                to.at(key).add(*table.find(key), quote(one) + " is enabled and disabled; keep one of the two");
    };
    both("enabled_checks", entry.enabled_checks, entry.disabled_checks);
    both("enabled_groups", entry.enabled_groups, entry.disabled_groups);
}

} // namespace

bool names_sender(const settings_entry& entry) {
    // "*@*" is every login.
    const auto says = [](const std::string& pattern) { return pattern.find_first_not_of("*@.") != std::string::npos; };
    const auto narrow = [](const ip_network& network) { return !network.to_string().ends_with("/0"); };
    const auto all = [](const auto& list, const auto& test) {
        return !list.empty() && std::all_of(list.begin(), list.end(), test);
    };
    return all(entry.account, says) || !entry.login_domain.empty() || all(entry.network, narrow);
}

void check_settings(settings& s, const std::vector<const node*>& tables, const report& to) {
    std::vector<std::string> accounts;
    for (const auto& one : s.accounts)
        accounts.push_back(one.name);
    const auto here = to.at("settings");
    for (std::size_t i = 0; i < tables.size(); ++i) {
        const auto& entry = s.per_message[i];
        const auto& table = *tables[i];
        check_name(s, i, tables, here);
        check_named(entry.account, "account", accounts, table, here);
        if (!has_any(table, {"account", "login_domain", "network", "origin", "sender", "recipient", "header"}))
            here.add(table, "match every message; name an account or another condition, or change the profile");
        if (!has_any(table,
                     {"scores", "symbols", "disabled_checks", "disabled_groups", "enabled_checks", "enabled_groups"}))
            here.add(table, "change nothing; name scores, symbols, checks or groups");
        check_scores(entry, table, here);
        check_loosening(entry, table, here);
        check_contradictions(entry, table, here);
    }
    std::stable_sort(s.per_message.begin(), s.per_message.end(),
                     [](const auto& a, const auto& b) { return a.priority > b.priority; });
}

} // namespace postsluice::config
