// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/intake/matched_settings.hpp"

#include "shared/config/codec.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::contentfilter {

namespace {

using config::profile;
using config::settings_entry;

constexpr std::size_t longest_value = 65536; // octets of a header field that are compared

enum class match { none, some, all };

template <class List, class Test>
bool any_of(const List& list, Test test) {
    return std::any_of(list.begin(), list.end(), test);
}

config::sender_origin origin_of(const account::identity& who) {
    if (who.account.empty() || who.account == "-") return config::sender_origin::unknown;
    if (who.account.starts_with("uid:")) return config::sender_origin::local;
    return who.login.empty() ? config::sender_origin::listed : config::sender_origin::authenticated;
}

/// The address that policyd saw, or that Postfix tells.
std::string client_of(const message& of) {
    if (of.sender.ticket) return of.sender.ticket->client;
    const auto at = of.envelope.xforward.find("ADDR");
    return at == of.envelope.xforward.end() ? std::string{} : at->second;
}

bool is_domain_of(const std::string& pattern, std::string_view domain) {
    const auto wanted = to_lower(pattern);
    return wanted.starts_with("*.") ? domain.size() + 1 > wanted.size() && domain.ends_with(wanted.substr(1))
                                    : domain == wanted;
}

bool lists(const std::vector<std::string>& entries, const mail_address& address) {
    return any_of(entries, [&](const auto& entry) {
        return entry == "<>" ? address.is_null() : account::is_listed(to_lower(entry), address);
    });
}

bool has_field(const message& of, std::string_view wanted) {
    const auto colon = wanted.find(':');
    const auto pattern = to_lower(trim(wanted.substr(colon + 1)));
    return any_of(of.header.all(wanted.substr(0, colon)), [&](const auto* field) {
        return glob_match(pattern, to_lower(field->unfolded().substr(0, longest_value)));
    });
}

/// The conditions on who sends; those that are not given hold.
bool sends(const settings_entry& entry, const message& of) {
    const auto& who = of.sender.who;
    const bool account =
        any_of(entry.account, [&](const auto& pattern) { return account::names_account(to_lower(pattern), who); });
    if (!entry.account.empty() && !account) return false;
    const auto domain = mail_address::from_internal(who.login).domain;
    const bool in_domain = any_of(entry.login_domain, [&](const auto& one) { return is_domain_of(one, domain); });
    if (!entry.login_domain.empty() && !in_domain) return false;
    if (!any_of(entry.origin, [&](auto one) { return one == origin_of(who); })) return false;
    if (entry.network.empty()) return true;
    const auto client = ip_address::parse(client_of(of));
    return client && any_of(entry.network, [&](const auto& one) { return one.contains(*client); });
}

match recipients_match(const settings_entry& entry, const message& of) {
    if (entry.recipient.empty()) return match::all;
    const auto& all = of.envelope.recipients;
    const auto listed =
        std::count_if(all.begin(), all.end(), [&](const auto& one) { return lists(entry.recipient, one.address); });
    if (listed == 0) return match::none;
    return static_cast<std::size_t>(listed) == all.size() ? match::all : match::some;
}

/// `some`: they hold, but a sender can bring that about; what applies may only make it stricter.
match conditions_hold(const settings_entry& entry, const message& of) {
    if (!sends(entry, of)) return match::none;
    if (!entry.sender.empty() && !lists(entry.sender, of.envelope.sender.address)) return match::none;
    if (!entry.header.empty() && !any_of(entry.header, [&](const auto& one) { return has_field(of, one); }))
        return match::none;
    const auto recipients = recipients_match(entry, of);
    const bool writable = !entry.header.empty() || !entry.sender.empty();
    return recipients == match::all && writable && !config::names_sender(entry) ? match::some : recipients;
}

std::vector<std::string> checks_of(const std::vector<std::string>& groups, const std::vector<std::string>& checks) {
    auto out = checks;
    for (const auto& group : groups)
        for (auto& one : config::checks_of(group))
            out.push_back(std::move(one));
    return out;
}

void enable(profile& now, const std::vector<std::string>& checks) {
    std::erase_if(now.disabled_checks,
                  [&](const auto& one) { return std::find(checks.begin(), checks.end(), one) != checks.end(); });
}

/// Groups first, then single checks: "all of the group but this one" can be said both ways.
void switch_checks(profile& now, const settings_entry& entry) {
    const auto off = [&](const std::vector<std::string>& checks) {
        now.disabled_checks.insert(now.disabled_checks.end(), checks.begin(), checks.end());
    };
    off(checks_of(entry.disabled_groups, {}));
    enable(now, checks_of(entry.enabled_groups, {}));
    off(entry.disabled_checks);
    enable(now, entry.enabled_checks);
}

void apply(profile& now, const settings_entry& entry) {
    now.tag_score = entry.tag_score.value_or(now.tag_score);
    now.hold_score = entry.hold_score.value_or(now.hold_score);
    now.reject_score = entry.reject_score.value_or(now.reject_score);
    for (const auto& [symbol, setting] : entry.symbols) {
        auto& mine = now.symbols[symbol];
        if (setting.score) mine.score = setting.score;
        if (setting.action) mine.action = setting.action;
        if (setting.enabled) mine.enabled = setting.enabled;
    }
    switch_checks(now, entry);
}

/// A threshold of 0 or less is off.
double stricter(double a, const std::optional<double>& b) {
    if (!b || *b <= 0) return a;
    return a <= 0 ? *b : std::min(a, *b);
}

void tighten(profile& now, std::map<std::string, config::symbol_setting>& at_least, const settings_entry& entry) {
    now.tag_score = stricter(now.tag_score, entry.tag_score);
    now.hold_score = stricter(now.hold_score, entry.hold_score);
    now.reject_score = stricter(now.reject_score, entry.reject_score);
    for (const auto& [symbol, setting] : entry.symbols) {
        if (!setting.counts()) continue;
        auto& least = at_least[symbol];
        if (setting.score) least.score = std::max(*setting.score, least.score.value_or(*setting.score));
        if (setting.action) least.action = std::max(*setting.action, least.action.value_or(*setting.action));
    }
    enable(now, checks_of(entry.enabled_groups, entry.enabled_checks));
}

} // namespace

void match_settings(message& of) {
    const auto& entries = of.settings->per_message;
    if (entries.empty() || !of.sender.profile) return;
    const settings_entry* chosen = nullptr;
    std::vector<const settings_entry*> stricter_ones;
    for (const auto& entry : entries) {
        const auto how = conditions_hold(entry, of);
        if (how == match::all && !chosen) chosen = &entry;
        if (how == match::some) stricter_ones.push_back(&entry);
    }
    if (!chosen && stricter_ones.empty()) return;
    auto now = std::make_shared<profile>(*of.sender.profile);
    if (chosen) {
        apply(*now, *chosen);
        of.matched.push_back({chosen->name, false});
    }
    for (const auto* entry : stricter_ones) {
        tighten(*now, of.at_least, *entry);
        of.matched.push_back({entry->name, true});
    }
    of.sender.profile = std::move(now);
}

} // namespace postsluice::contentfilter
