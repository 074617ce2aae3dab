// SPDX-License-Identifier: Apache-2.0
// The verbs "dkim ...": the keys are readable for this daemon alone, so it says what they are and what is published.
#include "contentfilter/control_json.hpp"
#include "contentfilter/service.hpp"
#include "shared/auth/dkim_names.hpp"
#include "shared/core/text.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using namespace control_json;

namespace {

using entry_of_key = auth::published_keys::entry;

// A control request ends after 30 s; the operator is to hear what was found until then.
constexpr milliseconds verify_time{20'000};
constexpr std::size_t longest_record = 4096;

json time_or_null(const std::optional<instant>& t) {
    return t ? json(to_iso8601(*t)) : json();
}

/// A domain, or "*." and one; empty: all.
result<std::string> domain_argument(const json& request, bool required) {
    const auto given = text(request, "domain", required);
    if (!given) return given.error();
    const auto domain = to_lower(trim(*given));
    const std::string_view bare = std::string_view{domain}.substr(domain.starts_with("*.") ? 2 : 0);
    if (!(domain.empty() && !required) && !auth::is_dns_name(bare))
        return failure{errc::malformed, printable(*given, 253) + " is no domain"};
    return domain;
}

/// The keys that the request asks for, as they are on disk now. No domain: all of them.
result<std::vector<auth::listed_key>> keys_asked_for(service& s, const json& request, bool domain_required) {
    const auto domain = domain_argument(request, domain_required);
    if (!domain) return domain.error();
    const auto selector = text(request, "selector", false);
    if (!selector) return selector.error();
    s.look_at_keys();
    const auto table = s.keys();
    auto out = domain->empty() ? table->listed() : table->listed(*domain);
    if (!selector->empty())
        std::erase_if(out, [&](const auth::listed_key& one) { return !iequals(one.key.selector, *selector); });
    if (out.empty() && !domain->empty())
        return failure{errc::not_found, "no key " + (selector->empty() ? "" : printable(*selector, 64) + " ") +
                                            "signs for " + printable(*domain, 253)};
    return out;
}

std::string name_of(const auth::signing_key& key) {
    return auth::final_domain(key) ? auth::record_name(key.domain, key.selector) : std::string{};
}

json listed(const service& s, const auth::listed_key& of, const entry_of_key& known) {
    json differences = json::array();
    for (const auto& one : known.last.differences)
        differences.push_back(printable(one, longest_record));
    json patterns = json::array();
    for (const auto& one : of.signs_for)
        patterns.push_back(printable(one, longest_record));
    std::optional<instant> needed_until;
    if (of.since) needed_until = *of.since + s.settings()->dkim.retired_for;
    json out = key(of.key);
    out.update({{"role", auth::to_string(of.role)},
                {"bits", auth::key_bits(of.key)},
                {"file", printable(of.key.file.string(), longest_record)},
                {"source", of.source},
                {"signs_for", std::move(patterns)},
                {"since", time_or_null(of.since)},
                {"needed_until", time_or_null(needed_until)},
                {"name", name_of(of.key)},
                {"published", auth::to_string(known.last.state)},
                {"usable", auth::usable(known.last.state)},
                {"asked", time_or_null(known.asked)},
                {"answered", time_or_null(known.answered)},
                {"differences", std::move(differences)},
                {"trouble", printable(known.trouble, longest_record)}});
    return out;
}

answer list(service* s, control::request_context, arguments given) {
    const auto keys = keys_asked_for(*s, *given, false);
    if (!keys) co_return keys.error();
    json out = json::array();
    for (const auto& one : *keys)
        out.push_back(listed(*s, one, s->published().known().find(name_of(one.key)).value_or(entry_of_key{})));
    co_return control::success({{"keys", std::move(out)}, {"key_errors", s->key_errors()}});
}

answer record(service* s, control::request_context, arguments given) {
    const auto keys = keys_asked_for(*s, *given, true);
    if (!keys) co_return keys.error();
    json out = json::array();
    for (const auto& one : *keys) {
        const auto name = auth::record_name(one.key.domain, one.key.selector);
        const auto value = auth::dns_record(one.key);
        auto record = key(one.key);
        record.update({{"role", auth::to_string(one.role)},
                       {"name", name},
                       {"value", value},
                       {"zone", auth::zone_record(name, value)}});
        out.push_back(std::move(record));
    }
    co_return control::success({{"records", std::move(out)}});
}

/// A wildcard has no record of its own: what was asked for, and without a domain those of it that were used. It is the
/// same key where its record is the same: each time that keys are loaded they are other objects.
std::vector<auth::listed_key> with_used_of_wildcards(service& s, std::vector<auth::listed_key> keys) {
    std::vector<auth::listed_key> out;
    for (const auto& used : s.published().known().of_wildcards())
        for (const auto& one : keys) {
            if (auth::final_domain(one.key) || one.key.selector != used.key.selector ||
                auth::dns_record(one.key) != used.last.expected)
                continue;
            auto of_domain = one;
            of_domain.key.domain = used.key.domain;
            out.push_back(std::move(of_domain));
        }
    std::erase_if(keys, [](const auth::listed_key& one) { return !auth::final_domain(one.key); });
    keys.insert(keys.end(), out.begin(), out.end());
    return keys;
}

answer verify(service* s, control::request_context, arguments given) {
    auto found = keys_asked_for(*s, *given, false);
    if (!found) co_return found.error();
    const auto keys = with_used_of_wildcards(*s, std::move(*found));
    std::vector<auth::signing_key> asked;
    asked.reserve(keys.size());
    for (const auto& one : keys)
        asked.push_back(one.key);
    const auto settings = s->settings();
    const auto known = co_await s->published().ask(settings, std::move(asked), verify_time);
    json out = json::array();
    for (std::size_t i = 0; i < keys.size(); ++i) {
        auto one = listed(*s, keys[i], known[i]);
        one["expected"] = auth::dns_record(keys[i].key);
        one["published_record"] = printable(known[i].last.published, longest_record);
        out.push_back(std::move(one));
    }
    co_return control::success({{"keys", std::move(out)}});
}

} // namespace

void add_dkim_verbs(control::server& to, service& what) {
    const auto s = &what;
    to.on("dkim list", [s](auto who, auto given) { return list(s, std::move(who), std::move(given)); });
    to.on("dkim record", [s](auto who, auto given) { return record(s, std::move(who), std::move(given)); });
    to.on("dkim verify", [s](auto who, auto given) { return verify(s, std::move(who), std::move(given)); });
}

} // namespace postsluice::contentfilter
