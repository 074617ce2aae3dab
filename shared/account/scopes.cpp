// SPDX-License-Identifier: Apache-2.0
#include "shared/account/scopes.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>

namespace postsluice::account {

namespace {

constexpr unsigned v4_network = 24, v6_network = 64;

/// "example.org" is itself, "*.example.org" what lies below.
bool domain_matches(std::string_view pattern, std::string_view domain) {
    if (!pattern.starts_with("*.")) return iequals(pattern, domain);
    const auto suffix = pattern.substr(1);
    return domain.size() > suffix.size() && iequals(domain.substr(domain.size() - suffix.size()), suffix);
}

std::string login_domain(const identity& who) {
    return mail_address::from_internal(who.login).domain;
}

std::optional<std::string> prefixed(std::string_view prefix, std::string subject) {
    if (subject.empty()) return std::nullopt;
    return std::string{prefix} + std::move(subject);
}

std::optional<std::string> of_client(std::string_view client_address) {
    const auto address = ip_address::parse(client_address);
    if (!address) return std::nullopt;
    return "client:" + address->to_string();
}

result<std::string> network_subject(std::string_view text) {
    auto network = ip_network::parse(text);
    if (!network) return network.error();
    const bool whole = text.find('/') == std::string_view::npos;
    if (!whole) return "network:" + network->to_string();
    return "network:" + network_of(text)->to_string();
}

} // namespace

const config::customer_entry* customer_of(const config::settings& settings, const identity& who) {
    const auto domain = login_domain(who);
    for (const auto& one : settings.customers) {
        const bool by_domain =
            !domain.empty() && std::any_of(one.domains.begin(), one.domains.end(),
                                           [&](const auto& pattern) { return domain_matches(pattern, domain); });
        const bool by_account = std::any_of(one.account.begin(), one.account.end(),
                                            [&](const auto& pattern) { return names_account(pattern, who); });
        if (by_domain || by_account) return &one;
    }
    return nullptr;
}

std::optional<ip_network> network_of(std::string_view client_address) {
    const auto address = ip_address::parse(client_address);
    if (!address) return std::nullopt;
    auto octets = address->bytes();
    const unsigned prefix = address->is_v4() ? v4_network : v6_network;
    std::fill(octets.begin() + prefix / 8, octets.end(), std::uint8_t{0});
    const auto base = ip_address::from_bytes(octets, address->is_v4());
    auto out = ip_network::parse(base.to_string() + "/" + std::to_string(prefix));
    return out ? std::optional{*out} : std::nullopt;
}

std::optional<std::string> scope_key(const config::settings& settings, limit_scope scope, const scope_facts& facts) {
    switch (scope) {
    case limit_scope::account:
        return facts.who.account;
    case limit_scope::domain:
        return prefixed("domain:", login_domain(facts.who));
    case limit_scope::customer: {
        const auto* customer = customer_of(settings, facts.who);
        return customer == nullptr ? std::nullopt : prefixed("customer:", to_lower(customer->name));
    }
    case limit_scope::client_address:
        return of_client(facts.client_address);
    case limit_scope::client_network: {
        const auto network = network_of(facts.client_address);
        return network ? std::optional{"network:" + network->to_string()} : std::nullopt;
    }
    case limit_scope::sender_address:
        return prefixed("sender:", facts.sender.key());
    case limit_scope::sender_domain:
        return prefixed("sender-domain:", facts.sender.domain);
    case limit_scope::server:
        return "server:";
    }
    return std::nullopt;
}

result<std::string> parse_lock_subject(const config::settings& settings, std::string_view text) {
    const auto clean = trim(text);
    const auto colon = clean.find(':');
    const auto kind = colon == std::string_view::npos ? std::string{} : to_lower(clean.substr(0, colon));
    const auto subject = to_lower(trim(clean.substr(colon == std::string_view::npos ? clean.size() : colon + 1)));
    constexpr std::array plain = {"domain", "customer", "sender", "sender-domain"};
    const bool known =
        kind == "network" || kind == "client" || std::find(plain.begin(), plain.end(), kind) != plain.end();
    if (known && subject.empty()) return failure{errc::malformed, "\"" + kind + ":\" does not say which"};
    if (kind == "network") return network_subject(subject);
    if (kind == "client") {
        auto key = of_client(subject);
        if (!key) return failure{errc::malformed, "\"" + printable(subject, 60) + "\" is not an IP address"};
        return std::move(*key);
    }
    if (known) return kind + ":" + subject;
    auto account = identity_of(settings, clean).account;
    if (account.empty()) return failure{errc::malformed, "an account is not named"};
    return account;
}

} // namespace postsluice::account
