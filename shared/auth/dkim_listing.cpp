// SPDX-License-Identifier: Apache-2.0
// The keys as an operator sees them: where each comes from, whether it signs, and for whom.
#include "shared/auth/dkim.hpp"
#include "shared/auth/opendkim_tables.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::auth {

namespace {

/// An exact domain signs for itself and, aligned, for what lies below; a wildcard for what lies below alone.
std::vector<std::string> authors_of(const std::string& domain) {
    if (domain.starts_with("*.")) return {"@" + domain};
    return {"@" + domain, "@*." + domain};
}

/// The patterns whose lines name the key. "%" there is a key named as the From domain.
std::vector<std::string> patterns_of(const opendkim_tables& tables, const std::string& key_name) {
    std::vector<std::string> out;
    for (const auto& line : tables.signing)
        if (line.key_name == key_name || line.key_name == "%") out.push_back(line.pattern);
    return out;
}

} // namespace

std::string_view to_string(key_role r) noexcept {
    return r == key_role::current ? "current" : r == key_role::next ? "next" : "retired";
}

std::string_view folder_of(key_role r) noexcept {
    return r == key_role::current ? "" : r == key_role::next ? "next" : "old";
}

bool final_domain(const signing_key& key) {
    return !key.domain.starts_with("*.") && key.domain != "%";
}

void key_table::list_directory(std::vector<listed_key>& out, const std::string& domain) const {
    if (const auto found = by_domain_.find(domain); found != by_domain_.end())
        for (const auto& key : found->second)
            out.push_back({key, key_role::current, "directory", authors_of(domain)});
    if (const auto found = aside_.find(domain); found != aside_.end())
        for (const auto& one : found->second)
            out.push_back({one.key, one.role, "directory", {}, one.since});
}

/// `domain`: only keys for it; empty: all.
void key_table::list_named(std::vector<listed_key>& out, std::string_view domain) const {
    if (!tables_) return;
    for (const auto& [name, named] : named_) {
        const auto line = tables_->keys.find(name);
        if (line == tables_->keys.end()) continue;
        for (const auto& [of, key] : named.by_domain) {
            listed_key one{key, key_role::current, "KeyTable:" + std::to_string(line->second.line),
                           patterns_of(*tables_, name)};
            if (named.any_domain && !of.empty()) one.key.domain = of; // a file for each domain
            if (!domain.empty() && one.key.domain == "%") {
                const auto lines = tables_->match("postmaster", domain, true);
                if (std::none_of(lines.begin(), lines.end(), [&](const auto* l) { return l->key_name == name; }))
                    continue;
                one.key.domain = domain;
            }
            if (domain.empty() || one.key.domain == domain) out.push_back(std::move(one));
        }
    }
}

std::vector<listed_key> key_table::listed() const {
    std::vector<listed_key> out;
    for (const auto& [domain, keys] : by_domain_)
        list_directory(out, domain);
    for (const auto& [domain, keys] : aside_) // a domain without a key that signs
        if (!by_domain_.contains(domain)) list_directory(out, domain);
    list_named(out, {});
    return out;
}

std::vector<listed_key> key_table::listed(std::string_view from_domain) const {
    const auto domain =
        to_lower(from_domain.ends_with('.') ? from_domain.substr(0, from_domain.size() - 1) : from_domain);
    std::vector<listed_key> out;
    if (domain.empty()) return out;
    const auto exact = by_domain_.contains(domain) || aside_.contains(domain);
    list_directory(out, exact ? domain : known_domain(domain));
    for (auto& one : out)
        if (one.key.domain.starts_with("*.") && !domain.starts_with("*.")) one.key.domain = domain;
    list_named(out, domain);
    return out;
}

} // namespace postsluice::auth
