// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/dkim_key.hpp"
#include "shared/auth/opendkim_tables.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::auth {

namespace {

std::string normalised(std::string_view domain) {
    if (domain.ends_with('.')) domain.remove_suffix(1);
    return to_lower(domain);
}

/// The parents of a domain, nearest first; a single label ("org") is nobody's parent.
std::vector<std::string_view> parents_of(std::string_view domain) {
    std::vector<std::string_view> out;
    for (auto dot = domain.find('.'); dot != std::string_view::npos; dot = domain.find('.')) {
        domain.remove_prefix(dot + 1);
        if (domain.find('.') == std::string_view::npos) break;
        out.push_back(domain);
    }
    return out;
}

} // namespace

key_table::key_table() = default;
key_table::~key_table() = default;

/// The name under which the directory has keys for the domain, loaded or broken; empty: none.
std::string key_table::known_domain(std::string_view domain) const {
    const auto known = [this](std::string_view name) {
        return by_domain_.contains(name) ||
               std::find(broken_domains_.begin(), broken_domains_.end(), name) != broken_domains_.end();
    };
    if (domain.empty()) return {};
    if (known(domain)) return std::string{domain};
    const auto parents = parents_of(domain);
    for (const auto parent : parents)
        if (const auto name = "*." + std::string{parent}; known(name)) return name;
    const auto organisation = organisational_domain(domain);
    for (const auto parent : parents) {
        if (parent.size() < organisation.size()) break;
        if (known(parent)) return std::string{parent};
    }
    return {};
}

std::span<const signing_key> key_table::find(std::string_view from_domain) const {
    const auto found = by_domain_.find(known_domain(normalised(from_domain)));
    if (found == by_domain_.end()) return {};
    return found->second;
}

bool key_table::broken(std::string_view from_domain) const {
    const auto known = known_domain(normalised(from_domain));
    if (known.empty()) return all_broken_;
    return !by_domain_.contains(known);
}

/// False: the SigningTable has nothing for this author.
bool key_table::select_named(selection& out, std::string_view local, const std::string& domain) const {
    if (!tables_) return false;
    bool matched = false, failed = false;
    for (const auto* const line : tables_->match(local, domain, all_matches_)) {
        const auto named = named_.find(line->key_name == "%" ? domain : line->key_name);
        if (named == named_.end()) continue;
        const auto& keys = named->second.by_domain;
        auto key = keys.find("");
        if (key == keys.end()) key = keys.find(domain);
        failed = failed || (key == keys.end() && named->second.failed);
        matched = matched || key != keys.end();
        if (key == keys.end()) continue;
        out.keys.push_back(key->second);
        if (named->second.any_domain) out.keys.back().domain = domain;
        out.keys.back().identity = fill_in(line->identity, domain);
    }
    out.broken = failed && !matched;
    return matched || failed;
}

key_table::selection key_table::select(std::string_view local, std::string_view from_domain,
                                       std::string_view selector) const {
    selection out;
    const auto domain = normalised(from_domain);
    if (!select_named(out, local, domain)) {
        const auto found = find(domain);
        out.keys.assign(found.begin(), found.end());
        out.broken = out.keys.empty() && broken(domain);
        for (auto& key : out.keys)
            if (key.domain.starts_with("*.")) key.domain = domain;
    }
    const auto wanted = [selector](const signing_key& key) { return iequals(key.selector, selector); };
    if (!selector.empty() && std::any_of(out.keys.begin(), out.keys.end(), wanted))
        std::erase_if(out.keys, [&](const signing_key& key) { return !wanted(key); });
    return out;
}

std::vector<const signing_key*> key_table::all() const {
    std::vector<const signing_key*> out;
    for (const auto& [domain, keys] : by_domain_)
        for (const auto& key : keys)
            out.push_back(&key);
    for (const auto& [name, keys] : named_)
        for (const auto& [domain, key] : keys.by_domain)
            out.push_back(&key);
    return out;
}

} // namespace postsluice::auth
