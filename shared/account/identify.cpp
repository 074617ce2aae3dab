// SPDX-License-Identifier: Apache-2.0
#include "shared/account/identify.hpp"

#include "shared/account/scopes.hpp"
#include "shared/core/account_name.hpp"
#include "shared/core/text.hpp"
#include "shared/maps/address_query.hpp"

#include <algorithm>

namespace postsluice::account {

namespace {

using config::account_entry;
using config::from_rule;

/// What Postfix never splits (split_addr.c), in lower case already.
bool keeps_extension(std::string_view delimiters, std::string_view local) {
    if (local == "postmaster" || local == "mailer-daemon" || local == "double-bounce") return true;
    const bool dash = delimiters.find('-') != std::string_view::npos;
    return dash && (local.starts_with("owner-") || (local.size() > 8 && local.ends_with("-request")));
}

/// "bob+lists@example.org" without "+lists"; in lower case already.
std::string without_extension(const config::settings& settings, std::string address) {
    const auto& delimiters = settings.recipient_delimiter;
    const auto at = address.rfind('@');
    if (delimiters.empty() || at == std::string::npos) return address;
    const auto cut = std::string_view{address}.substr(0, at).find_first_of(delimiters);
    if (cut == std::string_view::npos || cut == 0 || keeps_extension(delimiters, address.substr(0, at))) return address;
    return address.erase(cut, at - cut);
}

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

/// It lists nothing: it is the login of its own name.
bool is_login(const account_entry& entry) {
    return entry.login.empty() && entry.network.empty() && entry.certificate.empty();
}

struct listed_login {
    const account_entry* entry = nullptr;
    std::string login;
};

/// The first [[account]] that lists the login: without its extension, with it, or as it came (a login without a domain
/// is a domain account where it is listed as one).
listed_login entry_of_login(const config::settings& settings, const std::string& login, const std::string& whole,
                            const std::string& bare) {
    for (const auto& entry : settings.accounts) {
        for (const auto* form : {&login, &whole, &bare}) {
            const bool by_name = is_login(entry) && form != &bare && qualified_login(settings, entry.name) == *form;
            if (by_name || matches_any(entry.login, *form)) return {&entry, *form};
        }
    }
    return {};
}

std::optional<identity> identify_login(const config::settings& settings, std::string_view sasl_username) {
    const auto bare = to_lower(trim(sasl_username));
    const auto whole = qualified_login(settings, bare);
    auto login = without_extension(settings, whole);
    if (login.empty()) return std::nullopt;
    if (auto listed = entry_of_login(settings, login, whole, bare); listed.entry != nullptr)
        return identity{to_lower(listed.entry->name), std::move(listed.login), listed.entry, {}};
    const bool taken = entry_named(settings, login) != nullptr || is_reserved_name(login);
    auto account = taken ? std::string{login_prefix} + login : login;
    return identity{std::move(account), std::move(login), nullptr, {}};
}

std::optional<identity> identify_certificate(const config::settings& settings, const client_facts& facts) {
    for (const auto& entry : settings.accounts)
        for (const std::string_view fingerprint : entry.certificate) {
            if (fingerprint.empty()) continue;
            if (iequals(fingerprint, facts.certificate) || iequals(fingerprint, facts.public_key))
                return identity{to_lower(entry.name), {}, &entry, {}};
        }
    return std::nullopt;
}

std::optional<identity> identify_network(const config::settings& settings, std::string_view client_address) {
    const auto address = ip_address::parse(client_address);
    if (!address) return std::nullopt;
    for (const auto& entry : settings.accounts)
        if (std::any_of(entry.network.begin(), entry.network.end(),
                        [&address](const auto& n) { return n.contains(*address); }))
            return identity{to_lower(entry.name), {}, &entry, {}};
    return std::nullopt;
}

std::optional<identity> identify_by(config::account_source source, const config::settings& settings,
                                    const client_facts& facts) {
    switch (source) {
    case config::account_source::sasl:
        return identify_login(settings, facts.sasl_username);
    case config::account_source::certificate:
        return identify_certificate(settings, facts);
    case config::account_source::network:
        break;
    }
    return identify_network(settings, facts.client_address);
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
    if (rule.what == from_rule::kind::any) return true;
    const auto key = address.key();
    // Nearly all mail has the login itself as its sender.
    const bool is_login = who.login == key && !address.local.empty() && !address.domain.empty();
    switch (rule.what) {
    case from_rule::kind::any:
        break;
    case from_rule::kind::own_address: {
        if (is_login) return true;
        const auto own = own_addresses(who);
        const bool at_home = std::find(who.home.begin(), who.home.end(), address.domain) != who.home.end();
        return std::find(own.begin(), own.end(), key) != own.end() || (at_home && !address.local.empty());
    }
    case from_rule::kind::own_domain: {
        if (is_login) return true;
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
            if (names_account(pattern, who)) return {i + 1, "account " + pattern};
        if (assign.customer.empty()) continue;
        if (const auto* customer = customer_of(settings, who))
            for (const auto& pattern : assign.customer)
                if (matches(pattern, to_lower(customer->name))) return {i + 1, "customer " + pattern};
    }
    return {};
}

} // namespace

std::optional<identity> identify(const config::settings& settings, const client_facts& facts) {
    for (const auto source : settings.identify)
        if (auto found = identify_by(source, settings, facts)) return found;
    if (facts.local_uid) return local_user(settings, std::string{uid_prefix} + std::to_string(*facts.local_uid));
    return std::nullopt;
}

identity identity_of(const config::settings& settings, std::string_view account,
                     std::optional<std::string_view> login) {
    identity out{to_lower(trim(account)), to_lower(trim(login.value_or(""))), nullptr, {}};
    if (out.account.starts_with(uid_prefix)) return local_user(settings, out.account);
    if (out.account.starts_with(login_prefix))
        return {out.account, out.account.substr(login_prefix.size()), nullptr, {}};
    if (out.account.empty() || is_reserved_name(out.account)) return {out.account, {}, nullptr, {}};
    out.entry = entry_named(settings, out.account);
    if (!out.login.empty() || (login && out.entry != nullptr)) return out;
    if (out.entry == nullptr) {
        out.login = out.account = qualified_login(settings, out.account);
        return out;
    }
    const auto logins = exact_logins(*out.entry);
    if (is_login(*out.entry))
        out.login = qualified_login(settings, out.account);
    else if (logins.size() == 1 && out.entry->login.size() == 1)
        out.login = to_lower(logins.front());
    return out;
}

std::string recipient_key(const config::settings& settings, const mail_address& recipient) {
    return without_extension(settings, recipient.key());
}

bool names_account(std::string_view pattern, const identity& who) {
    const bool named = who.entry != nullptr || who.account.starts_with(uid_prefix);
    return (named || pattern.find('@') != std::string_view::npos) && matches(pattern, who.account);
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
