// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/dkim_key.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <system_error>

namespace postsluice::auth {

namespace {

namespace fs = std::filesystem;

/// Letters, digits, hyphens and underscores between dots (RFC 6376 section 3.1 for selectors, RFC 1035 for domains).
bool is_dns_name(std::string_view name) {
    if (name.empty() || name.size() > 253) return false;
    for (const auto label : split(name, '.')) {
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
        for (const char c : label) {
            const char l = ascii_lower(c);
            if (!((l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) return false;
        }
    }
    return true;
}

/// What lies beside keys without being meant as one: hidden files and the public halves that tools write.
bool is_companion(const fs::path& file) {
    const auto name = file.filename().string();
    return name.starts_with('.') || name.ends_with(".txt") || name.ends_with(".pub");
}

std::vector<fs::path> entries_of(const fs::path& directory, std::error_code& error) {
    std::vector<fs::path> out;
    for (fs::directory_iterator it{directory, error}, end; !error && it != end; it.increment(error))
        out.push_back(it->path());
    std::sort(out.begin(), out.end());
    return out;
}

} // namespace

/// Reads one DOMAIN directory. Returns whether any key in it, or the directory itself, could not be used.
bool key_table::load_domain(const config::dkim_settings& settings, const fs::path& directory, const std::string& domain,
                            std::vector<std::string>& errors) {
    std::error_code error;
    const auto files = entries_of(directory, error);
    if (error) {
        errors.push_back(directory.string() + ": " + error.message());
        return true;
    }
    bool failed = false, any = false;
    for (const auto& file : files) {
        if (is_companion(file)) continue;
        any = true;
        const auto selector = file.stem().string();
        if (file.extension() != ".pem" || !is_dns_name(selector)) {
            errors.push_back(file.string() + ": is not named as a key; SELECTOR.pem would be right");
            failed = true;
            continue;
        }
        auto key = load_key(file, domain, selector, settings.min_rsa_bits);
        const auto checked = key ? self_check(settings, *key) : result<void>{};
        if (!key || !checked) {
            errors.push_back(key ? file.string() + ": " + checked.error().detail : key.error().detail);
            failed = true;
            continue;
        }
        by_domain_[domain].push_back(std::move(*key));
    }
    if (!any) errors.push_back(directory.string() + ": holds no key; DOMAIN/SELECTOR.pem would be right");
    return failed;
}

key_table::load_outcome key_table::load(const config::dkim_settings& settings) {
    auto table = std::make_shared<key_table>();
    load_outcome out;
    if (settings.sign) {
        std::error_code error;
        const auto directories = entries_of(settings.directory, error);
        if (error && error != std::errc::no_such_file_or_directory) { // none there: nothing to sign with, by choice
            out.errors.push_back(settings.directory.string() + ": " + error.message());
            table->all_broken_ = true;
        }
        for (const auto& directory : directories) {
            if (is_companion(directory)) continue;
            const auto domain = to_lower(directory.filename().string());
            std::error_code ignored;
            if (!is_dns_name(domain) || !fs::is_directory(directory, ignored)) {
                out.errors.push_back(directory.string() +
                                     ": is no directory named for a domain; DOMAIN/SELECTOR.pem would be right");
                if (is_dns_name(domain)) table->broken_domains_.push_back(domain);
                continue;
            }
            if (table->load_domain(settings, directory, domain, out.errors)) table->broken_domains_.push_back(domain);
        }
    }
    for (auto& [domain, keys] : table->by_domain_)
        std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.kind < b.kind; });
    out.table = std::move(table);
    return out;
}

/// The exact domain or its nearest parent that has keys, loaded or broken; a single label ("org") is nobody's parent.
std::string_view key_table::known_domain(std::string_view domain) const {
    for (bool exact = true; !domain.empty(); exact = false) {
        if (!exact && domain.find('.') == std::string_view::npos) break;
        if (by_domain_.contains(domain) ||
            std::find(broken_domains_.begin(), broken_domains_.end(), domain) != broken_domains_.end())
            return domain;
        const auto dot = domain.find('.');
        if (dot == std::string_view::npos) break;
        domain.remove_prefix(dot + 1);
    }
    return {};
}

namespace {

std::string normalised(std::string_view domain) {
    if (domain.ends_with('.')) domain.remove_suffix(1);
    return to_lower(domain);
}

} // namespace

std::span<const signing_key> key_table::find(std::string_view from_domain) const {
    const auto domain = normalised(from_domain);
    const auto found = by_domain_.find(known_domain(domain));
    if (found == by_domain_.end()) return {};
    return found->second;
}

std::vector<const signing_key*> key_table::all() const {
    std::vector<const signing_key*> out;
    for (const auto& [domain, keys] : by_domain_)
        for (const auto& key : keys)
            out.push_back(&key);
    return out;
}

bool key_table::broken(std::string_view from_domain) const {
    const auto domain = normalised(from_domain);
    const auto known = known_domain(domain);
    if (known.empty()) return all_broken_;
    return !by_domain_.contains(known);
}

} // namespace postsluice::auth
