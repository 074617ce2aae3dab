// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/dkim_published.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <set>

namespace postsluice::auth {

namespace {

using tags = std::vector<std::pair<std::string, std::string>>;

/// A tag list (section 3.2). False: it is none.
bool parse(std::string_view record, tags& out) {
    for (const auto part : split(record, ';')) {
        const auto text = trim(part);
        if (text.empty()) continue;
        const auto equals = text.find('=');
        if (equals == std::string_view::npos) return false;
        const std::string name{trim(text.substr(0, equals))};
        if (name.empty() || std::any_of(out.begin(), out.end(), [&](const auto& t) { return t.first == name; }))
            return false;
        std::string value;
        for (const char c : text.substr(equals + 1))
            if (c != ' ' && c != '\t' && c != '\r' && c != '\n') value += c;
        out.emplace_back(name, std::move(value));
    }
    return !out.empty();
}

std::optional<std::string> value_of(const tags& in, std::string_view name) {
    const auto at = std::find_if(in.begin(), in.end(), [&](const auto& t) { return t.first == name; });
    return at == in.end() ? std::nullopt : std::optional{at->second};
}

bool lists(const std::string& value, std::string_view word) {
    const auto words = split(value, ':');
    return std::any_of(words.begin(), words.end(), [&](auto w) { return iequals(w, word); });
}

void find_differences(publication_report& out, const tags& theirs, const signing_key& key) {
    tags ours;
    parse(out.expected, ours);
    const auto wrong = [&](std::string text) {
        out.state = publication::different;
        out.differences.push_back(std::move(text));
    };
    const auto kind = value_of(theirs, "k").value_or("rsa");
    const auto* const our_kind = key.kind == algorithm::rsa_sha256 ? "rsa" : "ed25519";
    if (!iequals(kind, our_kind)) wrong("k= says " + printable(kind, 40) + ", the key is " + our_kind);
    if (value_of(theirs, "p") != value_of(ours, "p")) wrong("p= is another key's");
    if (const auto hashes = value_of(theirs, "h"); hashes && !lists(*hashes, "sha256"))
        wrong("h= does not allow sha256");
    if (const auto services = value_of(theirs, "s"); services && !lists(*services, "email") && !lists(*services, "*"))
        wrong("s= does not allow email");
    const auto flags = value_of(theirs, "t").value_or("");
    if (lists(flags, "y")) {
        if (out.state == publication::good) out.state = publication::testing;
        out.differences.emplace_back("t=y says that the domain only tests DKIM; receivers make nothing of signatures");
    }
    if (lists(flags, "s") && !key.identity.empty() &&
        !iequals(key.identity.substr(key.identity.find('@') + 1), key.domain))
        wrong("t=s forbids i= in a subdomain");
}

} // namespace

std::string_view to_string(publication p) noexcept {
    switch (p) {
    case publication::unknown:
        return "unknown";
    case publication::good:
        return "good";
    case publication::testing:
        return "testing";
    case publication::absent:
        return "absent";
    case publication::revoked:
        return "revoked";
    case publication::different:
        return "different";
    case publication::unreadable:
        return "unreadable";
    }
    return "unknown";
}

publication_report compare(const signing_key& key, const std::vector<std::string>& records) {
    publication_report out;
    out.expected = dns_record(key);
    if (records.empty()) {
        out.state = publication::absent;
        out.differences.emplace_back("there is no TXT record");
        return out;
    }
    out.published = records.front();
    tags theirs;
    if (records.size() > 1) {
        out.state = publication::unreadable;
        out.differences.push_back("there are " + std::to_string(records.size()) +
                                  " TXT records; receivers may take any of them (section 3.6.2.2)");
        return out;
    }
    const bool readable = parse(records.front(), theirs);
    const auto version = readable ? value_of(theirs, "v") : std::nullopt;
    if (!readable || !value_of(theirs, "p") || (version && (*version != "DKIM1" || theirs.front().first != "v"))) {
        out.state = publication::unreadable;
        out.differences.emplace_back("the TXT record is no DKIM key record (section 3.6.1)");
        return out;
    }
    if (value_of(theirs, "p")->empty()) {
        out.state = publication::revoked;
        out.differences.emplace_back("p= is empty: the key is revoked");
        return out;
    }
    out.state = publication::good;
    find_differences(out, theirs, key);
    return out;
}

std::string record_name(std::string_view domain, std::string_view selector) {
    return to_lower(std::string{selector} + "._domainkey." + std::string{domain});
}

std::string zone_record(std::string_view name, std::string_view value) {
    constexpr std::size_t longest = 200; // 255 are allowed (RFC 1035 section 3.3)
    std::string out = std::string{name} + ". IN TXT (";
    for (; !value.empty(); value.remove_prefix(std::min(longest, value.size()))) {
        out += "\n    \"";
        for (const char c : value.substr(0, longest)) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        out += '"';
    }
    return out + " )";
}

/// The entry of the key's name; anew where it was of another key. Null: there are too many.
published_keys::entry* published_keys::place(const signing_key& key, std::string record) {
    const auto name = record_name(key.domain, key.selector);
    auto at = entries_.find(name);
    if (at == entries_.end()) {
        if (entries_.size() >= watched_ + max_names) return nullptr;
        at = entries_.emplace(name, entry{}).first;
    }
    auto& one = at->second;
    if (one.last.expected != record) {
        one = {};
        one.last.expected = std::move(record);
    }
    one.key = key;
    one.key.pem.clear(); // nothing here signs
    return &one;
}

published_keys::entry* published_keys::of(const signing_key& key) {
    const auto at = entries_.find(record_name(key.domain, key.selector));
    if (at != entries_.end() && at->second.key.key == key.key) return &at->second;
    return place(key, dns_record(key));
}

void published_keys::watch(const std::vector<listed_key>& keys) {
    const std::lock_guard guard{mutex_};
    std::set<std::string> records, names;
    watched_ = keys.size() + entries_.size(); // room for all of them
    for (const auto& one : keys) {
        auto record = dns_record(one.key);
        records.insert(record);
        if (!final_domain(one.key)) continue;
        if (!names.insert(record_name(one.key.domain, one.key.selector)).second)
            continue; // the first is the current one
        auto* const at = place(one.key, std::move(record));
        at->role = one.role;
        at->watched = true;
    }
    std::erase_if(entries_, [&](const auto& named) {
        const auto& [name, one] = named;
        return one.watched ? !names.contains(name) : !records.contains(one.last.expected);
    });
    watched_ = names.size();
}

publication published_keys::state(const signing_key& key) {
    const std::lock_guard guard{mutex_};
    const auto* const one = of(key);
    return one != nullptr ? one->last.state : publication::unknown;
}

bool published_keys::to_be_asked(const signing_key& key, instant now, seconds retry) {
    const std::lock_guard guard{mutex_};
    const auto* const one = of(key);
    if (one == nullptr || one->answered) return false;
    return one->trouble.empty() || !one->asked || now >= *one->asked + retry;
}

std::vector<std::string> published_keys::due(instant now, seconds interval, seconds retry, std::size_t most) {
    const std::lock_guard guard{mutex_};
    std::vector<std::string> out;
    for (auto& [name, one] : entries_) {
        if (out.size() >= most) break;
        const bool settled = one.trouble.empty() && usable(one.last.state);
        if (one.asked && now < *one.asked + (settled ? interval : std::min(interval, retry))) continue;
        one.asked = now;
        out.push_back(name);
    }
    return out;
}

std::optional<published_keys::entry>
published_keys::learn(const std::string& name, const result<std::vector<std::string>>& records, instant now) {
    const std::lock_guard guard{mutex_};
    const auto at = entries_.find(name);
    if (at == entries_.end()) return std::nullopt;
    auto& one = at->second;
    one.asked = now;
    if (!records) {
        one.trouble = records.error().message();
        return std::nullopt;
    }
    one.trouble.clear();
    one.answered = now;
    const auto before = one.last.state;
    one.last = compare(one.key, *records);
    return one.last.state == before ? std::nullopt : std::optional{one};
}

std::optional<published_keys::entry> published_keys::find(const std::string& name) const {
    const std::lock_guard guard{mutex_};
    const auto at = entries_.find(name);
    return at == entries_.end() ? std::nullopt : std::optional{at->second};
}

std::vector<published_keys::entry> published_keys::of_wildcards() const {
    const std::lock_guard guard{mutex_};
    std::vector<entry> out;
    for (const auto& [name, one] : entries_)
        if (!one.watched) out.push_back(one);
    return out;
}

} // namespace postsluice::auth
