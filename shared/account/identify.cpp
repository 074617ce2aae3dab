// SPDX-License-Identifier: Apache-2.0
#include "shared/account/identify.hpp"

#include "shared/core/text.hpp"
#include "shared/maps/address_query.hpp"

#include <algorithm>

namespace postsluice::account {

namespace {

using config::account_entry;
using config::from_rule;

/// Case-folded, without outer blanks and a final dot, default_domain appended. Empty for an empty login.
std::string qualified_login(const config::settings& settings, std::string_view login) {
    auto out = to_lower(trim(login));
    if (out.empty()) return out;
    if (out.find('@') == std::string::npos)
        return settings.default_domain.empty() ? out : out + "@" + to_lower(settings.default_domain);
    if (out.ends_with('.')) out.pop_back();
    return out;
}

/// `text` is in lower case already; most patterns are plain names, which need no copy.
bool matches(std::string_view pattern, std::string_view text) {
    if (pattern.find('*') == std::string_view::npos) return iequals(pattern, text);
    return glob_match(to_lower(pattern), text);
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view text) {
    return !text.empty() &&
           std::any_of(patterns.begin(), patterns.end(), [text](const auto& p) { return matches(p, text); });
}

const account_entry* entry_named(const config::settings& settings, std::string_view name) {
    const auto found = std::find_if(settings.accounts.begin(), settings.accounts.end(),
                                    [name](const auto& e) { return iequals(e.name, name); });
    return found == settings.accounts.end() ? nullptr : &*found;
}

/// `bare` is the login as it came: a login without a domain is a domain account where it is listed as one.
const account_entry* entry_of_login(const config::settings& settings, std::string_view login, std::string_view bare) {
    for (const auto& entry : settings.accounts) {
        if (matches_any(entry.login, login) || matches_any(entry.login, bare)) return &entry;
        if (entry.login.empty() && entry.network.empty() && qualified_login(settings, entry.name) == login)
            return &entry;
    }
    return nullptr;
}

constexpr std::string_view login_prefix = "login:", uid_prefix = "uid:";

std::optional<identity> identify_login(const config::settings& settings, std::string_view sasl_username) {
    const auto bare = to_lower(trim(sasl_username));
    auto login = qualified_login(settings, bare);
    if (login.empty()) return std::nullopt;
    if (const auto* entry = entry_of_login(settings, login, bare)) {
        // Listed without its domain only: then it has none.
        if (!matches_any(entry->login, login) && matches_any(entry->login, bare)) login = bare;
        return identity{to_lower(entry->name), std::move(login), entry};
    }
    // "-" is what a ticket says of a client that is not ours.
    const bool taken = entry_named(settings, login) != nullptr || login.starts_with(uid_prefix) ||
                       login.starts_with(login_prefix) || login == "-";
    auto account = taken ? std::string{login_prefix} + login : login;
    return identity{std::move(account), std::move(login), nullptr, {}};
}

std::optional<identity> identify_network(const config::settings& settings, std::string_view client_address) {
    const auto address = ip_address::parse(client_address);
    if (!address) return std::nullopt;
    for (const auto& entry : settings.accounts)
        if (std::any_of(entry.network.begin(), entry.network.end(),
                        [&address](const auto& n) { return n.contains(*address); }))
            return identity{to_lower(entry.name), {}, &entry};
    return std::nullopt;
}

/// The exact logins that an entry lists: what its own addresses are where the login is not known.
std::vector<std::string_view> exact_logins(const account_entry& entry) {
    std::vector<std::string_view> out;
    for (const auto& login : entry.login)
        if (login.find('*') == std::string::npos) out.push_back(login);
    return out;
}

/// Own addresses and own domains are lists, so that permission and description cannot differ.
std::vector<std::string> own_addresses(const identity& who) {
    std::vector<std::string> out;
    const auto add = [&out](std::string_view text) {
        const auto address = mail_address::from_internal(text);
        if (address.local.empty() || address.domain.empty()) return;
        if (auto key = address.key(); std::find(out.begin(), out.end(), key) == out.end())
            out.push_back(std::move(key));
    };
    add(who.login);
    if (who.entry == nullptr) return out;
    if (who.login.empty())
        for (const auto login : exact_logins(*who.entry))
            add(login);
    for (const auto& alias : who.entry->aliases)
        add(alias);
    return out;
}

std::vector<std::string> own_domains(const identity& who) {
    std::vector<std::string> out;
    const auto add = [&out](std::string domain) {
        if (domain.ends_with('.')) domain.pop_back();
        if (!domain.empty() && std::find(out.begin(), out.end(), domain) == out.end()) out.push_back(std::move(domain));
    };
    add(mail_address::from_internal(who.login).domain);
    for (const auto& domain : who.home)
        add(domain);
    if (who.entry == nullptr) return out;
    if (who.login.empty())
        for (const auto login : exact_logins(*who.entry))
            add(mail_address::from_internal(login).domain);
    for (const auto& domain : who.entry->domains)
        add(to_lower(domain));
    return out;
}

bool listed(std::string_view entry, const mail_address& address, std::string_view key) {
    const auto at = entry.rfind('@');
    if (at == std::string_view::npos || address.domain.empty() || address.local.empty()) return false;
    if (at > 0) return iequals(entry, key);
    const auto domain = entry.substr(1);
    if (!domain.starts_with("*.")) return iequals(domain, address.domain);
    const auto suffix = domain.substr(1); // ".x": only what lies below it
    return suffix.size() > 1 && address.domain.size() > suffix.size() &&
           iequals(std::string_view{address.domain}.substr(address.domain.size() - suffix.size()), suffix);
}

bool allowed(const from_rule& rule, const identity& who, const mail_address& address) {
    const auto key = address.key();
    switch (rule.what) {
    case from_rule::kind::any:
        return true;
    case from_rule::kind::own_address: {
        const auto own = own_addresses(who);
        const bool at_home = std::find(who.home.begin(), who.home.end(), address.domain) != who.home.end();
        return std::find(own.begin(), own.end(), key) != own.end() || (at_home && !address.local.empty());
    }
    case from_rule::kind::own_domain: {
        const auto own = own_domains(who);
        return !address.local.empty() && std::find(own.begin(), own.end(), address.domain) != own.end();
    }
    case from_rule::kind::list:
        return std::any_of(rule.entries.begin(), rule.entries.end(),
                           [&](const auto& e) { return listed(e, address, key); });
    case from_rule::kind::map: // what its maps say is asked in sender_permission.hpp
        return std::any_of(rule.entries.begin(), rule.entries.end(),
                           [&](const auto& e) { return !maps::names_map(e) && listed(e, address, key); });
    }
    return false;
}

/// "a, b and 7 more", each piece shortened, so that a reply line holds it.
std::string enumerate(const std::vector<std::string>& pieces) {
    constexpr std::size_t shown = 3;
    std::string out;
    for (std::size_t i = 0; i < std::min(pieces.size(), shown); ++i) {
        if (i > 0) out += i + 1 == pieces.size() ? " and " : ", ";
        out += printable(pieces[i], 60);
    }
    if (pieces.size() > shown) out += " and " + std::to_string(pieces.size() - shown) + " more";
    return out;
}

std::vector<std::string> describe_pieces(const from_rule& rule, const identity& who) {
    std::vector<std::string> out;
    switch (rule.what) {
    case from_rule::kind::any:
        out.emplace_back("any address");
        break;
    case from_rule::kind::own_address:
        out = own_addresses(who);
        for (const auto& domain : who.home)
            out.push_back("anything at " + domain);
        break;
    case from_rule::kind::own_domain:
        for (const auto& domain : own_domains(who))
            out.push_back("anything at " + domain);
        break;
    case from_rule::kind::list:
    case from_rule::kind::map:
        for (const std::string_view entry : rule.entries) {
            if (maps::names_map(entry)) continue; // a path is nothing for senders to know
            if (entry.starts_with("@*."))
                out.push_back("anything below " + std::string{entry.substr(3)});
            else if (entry.starts_with('@'))
                out.push_back("anything at " + std::string{entry.substr(1)});
            else
                out.emplace_back(entry);
        }
        break;
    }
    if (rule.what == from_rule::kind::map) out.emplace_back("any address that this server's sender maps give to it");
    return out;
}

/// "mail.example.org" is at home in mail.example.org and example.org; a top-level domain is nobody's home.
identity local_user(const config::settings& settings, std::string account) {
    identity out{std::move(account), {}, nullptr, {}};
    std::string name = to_lower(settings.hostname);
    if (name.ends_with('.')) name.pop_back();
    if (name.empty()) return out;
    out.home.push_back(name);
    const auto dot = name.find('.');
    if (dot != std::string::npos && name.find('.', dot + 1) != std::string::npos)
        out.home.push_back(name.substr(dot + 1));
    return out;
}

struct choice {
    std::size_t index = 0; ///< the [[assign]] from 1; 0: none
    std::string why;
};

choice choose(const config::settings& settings, const identity& who) {
    for (std::size_t i = 0; i < settings.assigns.size(); ++i) {
        const auto& assign = settings.assigns[i];
        for (const auto& pattern : assign.login)
            if (!who.login.empty() && matches(pattern, who.login)) return {i + 1, "login " + pattern};
        for (const auto& pattern : assign.account)
            if (matches(pattern, who.account)) return {i + 1, "account " + pattern};
    }
    return {};
}

} // namespace

std::optional<identity> identify(const config::settings& settings, const client_facts& facts) {
    for (const auto source : settings.identify) {
        auto found = source == config::account_source::sasl ? identify_login(settings, facts.sasl_username)
                                                            : identify_network(settings, facts.client_address);
        if (found) return found;
    }
    if (facts.local_uid) return local_user(settings, std::string{uid_prefix} + std::to_string(*facts.local_uid));
    return std::nullopt;
}

identity identity_of(const config::settings& settings, std::string_view account, std::string_view login) {
    identity out{to_lower(trim(account)), to_lower(trim(login)), nullptr, {}};
    if (out.account.starts_with(uid_prefix)) return local_user(settings, out.account);
    if (out.account.empty() || out.account == "-") return {out.account, {}, nullptr, {}};
    if (out.account.starts_with(login_prefix))
        return {out.account, out.account.substr(login_prefix.size()), nullptr, {}};
    out.entry = entry_named(settings, out.account);
    if (!out.login.empty()) return out;
    if (out.entry == nullptr) {
        out.login = out.account = qualified_login(settings, out.account);
        return out;
    }
    const auto logins = exact_logins(*out.entry);
    if (out.entry->login.empty() && out.entry->network.empty())
        out.login = qualified_login(settings, out.account);
    else if (logins.size() == 1 && out.entry->login.size() == 1)
        out.login = to_lower(logins.front());
    return out;
}

std::shared_ptr<const config::profile> select_profile(const config::settings& settings, const identity& who) {
    if (const auto chosen = choose(settings, who); chosen.index > 0)
        if (const auto found = settings.profiles.find(settings.assigns[chosen.index - 1].profile);
            found != settings.profiles.end())
            return found->second;
    return settings.profiles.at("default");
}

std::string explain_profile(const config::settings& settings, const identity& who) {
    const auto chosen = choose(settings, who);
    return chosen.index == 0 ? "default" : "assign " + std::to_string(chosen.index) + " (" + chosen.why + ")";
}

bool may_use(const config::profile& profile, const identity& who, const mail_address& address) {
    return address.is_null() || allowed(profile.from, who, address);
}

bool is_listed(std::string_view entry, const mail_address& address) {
    return listed(entry, address, address.key());
}

bool may_use_in_header(const config::profile& profile, const identity& who, const mail_address& address) {
    return !address.is_null() && allowed(profile.from, who, address);
}

std::string describe_allowed(const config::profile& profile, const identity& who) {
    const auto pieces = describe_pieces(profile.from, who);
    const auto& name = who.login.empty() ? who.account : who.login;
    if (pieces.empty()) return printable(name, 60) + " has no address to send as";
    return printable(name, 60) + " may send as " + enumerate(pieces);
}

} // namespace postsluice::account
