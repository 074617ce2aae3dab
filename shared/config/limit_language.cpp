// SPDX-License-Identifier: Apache-2.0
#include "shared/config/limit_language.hpp"

#include "shared/config/options.hpp"
#include "shared/core/text.hpp"
#include "shared/core/units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <vector>

namespace postsluice::config {
namespace {

constexpr std::uint64_t max_count = std::uint64_t{1} << 47U; // half of what a window holds
constexpr std::size_t max_words = 300;
constexpr std::uint64_t max_periods = 366;
constexpr std::uint32_t max_trigger_count = 1000; // no account remembers more strikes

constexpr std::uint64_t kb = 1024;
struct unit_row {
    std::string_view name;
    limit_unit unit;
    std::uint64_t factor = 1;
};
constexpr std::array units = {
    unit_row{"messages", limit_unit::messages},
    unit_row{"message", limit_unit::messages},
    unit_row{"recipients", limit_unit::recipients},
    unit_row{"recipient", limit_unit::recipients},
    unit_row{"distinct recipients", limit_unit::distinct_recipients},
    unit_row{"distinct recipient", limit_unit::distinct_recipients},
    unit_row{"new recipients", limit_unit::new_recipients},
    unit_row{"new recipient", limit_unit::new_recipients},
    unit_row{"external recipients", limit_unit::external_recipients},
    unit_row{"external recipient", limit_unit::external_recipients},
    unit_row{"invalid recipients", limit_unit::invalid_recipients},
    unit_row{"invalid recipient", limit_unit::invalid_recipients},
    unit_row{"null-sender messages", limit_unit::null_sender_messages},
    unit_row{"null-sender message", limit_unit::null_sender_messages},
    unit_row{"client addresses", limit_unit::client_addresses},
    unit_row{"client address", limit_unit::client_addresses},
    unit_row{"client networks", limit_unit::client_networks},
    unit_row{"client network", limit_unit::client_networks},
    unit_row{"sender addresses", limit_unit::sender_addresses},
    unit_row{"sender address", limit_unit::sender_addresses},
    unit_row{"sender domains", limit_unit::sender_domains},
    unit_row{"sender domain", limit_unit::sender_domains},
    unit_row{"bytes", limit_unit::bytes},
    unit_row{"byte", limit_unit::bytes},
    unit_row{"b", limit_unit::bytes},
    unit_row{"kb", limit_unit::bytes, kb},
    unit_row{"kib", limit_unit::bytes, kb},
    unit_row{"mb", limit_unit::bytes, kb* kb},
    unit_row{"mib", limit_unit::bytes, kb* kb},
    unit_row{"gb", limit_unit::bytes, kb* kb* kb},
    unit_row{"gib", limit_unit::bytes, kb* kb* kb},
    unit_row{"tb", limit_unit::bytes, kb* kb* kb* kb},
    unit_row{"tib", limit_unit::bytes, kb* kb* kb* kb},
};

struct period_row {
    std::string_view name;
    seconds length; ///< 0: a message
};
constexpr std::array periods = {
    period_row{"minute", seconds{60}},      period_row{"minutes", seconds{60}},   period_row{"hour", seconds{3600}},
    period_row{"hours", seconds{3600}},     period_row{"day", seconds{86400}},    period_row{"days", seconds{86400}},
    period_row{"week", seconds{604800}},    period_row{"weeks", seconds{604800}}, period_row{"month", seconds{2592000}},
    period_row{"months", seconds{2592000}}, period_row{"message", seconds{0}},
};

struct scope_row {
    std::string_view name;
    limit_scope scope;
};
constexpr std::array scopes = {
    scope_row{"account", limit_scope::account},
    scope_row{"domain", limit_scope::domain},
    scope_row{"customer", limit_scope::customer},
    scope_row{"client address", limit_scope::client_address},
    scope_row{"client network", limit_scope::client_network},
    scope_row{"sender address", limit_scope::sender_address},
    scope_row{"sender domain", limit_scope::sender_domain},
    scope_row{"server", limit_scope::server},
};
struct action_row {
    std::string_view name;
    limit_action action;
};
constexpr std::array actions = {
    action_row{"defer", limit_action::defer}, action_row{"reject", limit_action::reject},
    action_row{"hold", limit_action::hold},   action_row{"warn", limit_action::warn},
    action_row{"lock", limit_action::lock},
};
constexpr std::size_t max_excepted = 100;
constexpr std::string_view grammar = R"(write it as in "300 recipients per hour")";

failure wrong(std::string what) {
    return {errc::malformed, std::move(what)};
}
std::string in_quotes(std::string_view text) {
    return "\"" + printable(text, 60) + "\"";
}

template <class Rows>
std::vector<std::string_view> names_of(const Rows& rows) {
    std::vector<std::string_view> out;
    out.reserve(std::size(rows));
    for (const auto& row : rows)
        out.push_back(row.name);
    return out;
}

/// "did you mean "x"?", or `otherwise` where nothing is near.
std::string suggest(std::string_view word, std::span<const std::string_view> candidates, std::string_view otherwise) {
    const auto near = did_you_mean(word, candidates);
    return near.empty() ? std::string{otherwise} : "did you mean \"" + std::string{near} + "\"?";
}

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> out;
    for (const auto word : split(text, ' '))
        if (const auto clean = trim(word); !clean.empty()) out.push_back(clean);
    return out;
}

std::string joined(std::span<const std::string_view> words) {
    std::string out;
    for (const auto word : words)
        out += (out.empty() ? "" : " ") + to_lower(word);
    return out;
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool links(std::string_view word) {
    return iequals(word, "per") || iequals(word, "in");
}

result<std::uint64_t> read_count(std::string_view word) {
    if (iequals(word, "unlimited")) return limit::unlimited;
    const auto count = number(word);
    if (!count) return wrong(in_quotes(word) + " is not a count; begin with a number or \"unlimited\"");
    if (*count > max_count) return wrong(in_quotes(word) + " is more than can be counted; write \"unlimited\"");
    return *count;
}

template <class Row, std::size_t N>
const Row* row_named(const std::array<Row, N>& rows, std::string_view name) {
    const auto at = std::find_if(rows.begin(), rows.end(), [name](const Row& r) { return r.name == name; });
    return at == rows.end() ? nullptr : &*at;
}

result<unit_row> read_unit(const std::string& text) {
    if (text.empty()) return wrong("it does not say what is counted; " + std::string{grammar});
    if (const auto* row = row_named(units, text)) return *row;
    return wrong(in_quotes(text) + " is not a unit; " +
                 suggest(text, names_of(units), "use messages, recipients, bytes or one of the other units"));
}

result<seconds> read_period(std::span<const std::string_view> words) {
    std::uint64_t times = 1;
    const bool counted = !words.empty() && number(words.front());
    if (counted) {
        times = *number(words.front());
        words = words.subspan(1);
    }
    if (words.empty()) return wrong("it does not say in what time; " + std::string{grammar});
    const auto name = to_lower(words.front());
    const auto* row = row_named(periods, name);
    if (row == nullptr)
        return wrong(in_quotes(name) + " is not a period; " +
                     suggest(name, names_of(periods), "use message, minute, hour, day, week or month"));
    if (words.size() > 1)
        return wrong(in_quotes(joined(words.subspan(1))) + " after the period is not understood; " +
                     "what may come there is \"per\" and a scope, \"then\" and an action, \"except to\" and domains");
    if (counted && row->length.count() == 0)
        return wrong("a limit holds per message, not per several; leave the number out");
    if (times == 0 || times > max_periods)
        return wrong(std::to_string(times) + " " + name + " is no period; 1 to " + std::to_string(max_periods) +
                     " can be counted");
    return row->length * static_cast<std::int64_t>(times);
}

/// What stands behind the period: "per SCOPE", "then ACTION", "except to DOMAINS", in this order.
struct sections {
    std::span<const std::string_view> period, scope, action, domains;
    bool has_scope = false, has_action = false, has_domains = false;
};

sections split_sections(std::span<const std::string_view> words) {
    sections out;
    const auto cut = [&words](auto&& begins, bool& found) {
        const auto at = std::find_if(words.begin(), words.end(), begins);
        const auto index = static_cast<std::size_t>(at - words.begin());
        std::span<const std::string_view> tail;
        if (at != words.end()) {
            found = true;
            tail = words.subspan(index + 1);
            words = words.first(index);
        }
        return tail;
    };
    out.domains = cut([](std::string_view w) { return iequals(w, "except"); }, out.has_domains);
    out.action = cut([](std::string_view w) { return iequals(w, "then"); }, out.has_action);
    out.scope = cut(links, out.has_scope);
    out.period = words;
    return out;
}

result<void> read_scope(std::span<const std::string_view> words, limit& into) {
    const auto name = joined(words);
    const auto* row = row_named(scopes, name);
    if (row == nullptr)
        return wrong(in_quotes(name) + " is not a scope; " +
                     suggest(name, names_of(scopes),
                             "use account, domain, customer, client address, client network, sender address, "
                             "sender domain or server"));
    into.scope = row->scope;
    return {};
}

result<void> read_action(std::span<const std::string_view> words, limit& into) {
    const auto name = joined(words);
    const auto* row = row_named(actions, name);
    if (row == nullptr)
        return wrong(in_quotes(name) + " is not an action; " +
                     suggest(name, names_of(actions), "use defer, reject, hold, warn or lock"));
    into.then = row->action;
    return {};
}

result<void> read_domains(std::span<const std::string_view> words, limit& into) {
    if (words.size() < 2 || !iequals(words.front(), "to"))
        return wrong(R"("except" needs domains; write it as in "300 recipients per hour except to example.org")");
    for (const auto word : words.subspan(1)) {
        for (const auto part : split(word, ',')) {
            const auto domain = to_lower(trim(part));
            if (domain.empty() || domain == "and") continue;
            const std::string_view name{domain};
            const auto bad = rules::domain(name.starts_with("*.") ? name.substr(2) : name);
            if (!bad.empty())
                return wrong(in_quotes(domain) + " is no domain; write \"example.org\" or \"*.example.org\"");
            into.except_to.push_back(domain);
        }
    }
    if (into.except_to.empty()) return wrong(R"("except to" names no domain)");
    if (into.except_to.size() > max_excepted)
        return wrong("more than " + std::to_string(max_excepted) + " domains are excepted");
    return {};
}

bool of_recipients(limit_unit unit) noexcept {
    return unit == limit_unit::recipients || unit == limit_unit::distinct_recipients ||
           unit == limit_unit::new_recipients || unit == limit_unit::external_recipients;
}

std::string never_many(const limit& l) {
    const bool one_client = l.scope == limit_scope::client_address;
    const bool one_network = one_client || l.scope == limit_scope::client_network;
    const bool one_sender = l.scope == limit_scope::sender_address;
    const bool one_domain = one_sender || l.scope == limit_scope::sender_domain;
    const bool alone = (one_client && l.unit == limit_unit::client_addresses) ||
                       (one_network && l.unit == limit_unit::client_networks) ||
                       (one_sender && l.unit == limit_unit::sender_addresses) ||
                       (one_domain && l.unit == limit_unit::sender_domains);
    if (alone)
        return "there is never more than one of the " + std::string{to_string(l.unit)} + " per " +
               std::string{to_string(l.scope)};
    if (one_domain && l.unit == limit_unit::null_sender_messages)
        return "the null sender has no address and no domain to count under";
    return {};
}

/// Why nobody can have meant this limit; empty: it has a meaning.
std::string meaningless(const limit& l) {
    const std::string unit{to_string(l.unit)};
    if (l.period.count() == 0) {
        if (l.unit == limit_unit::distinct_recipients)
            return "the recipients of a message are different ones anyway; write \"recipients per message\"";
        if (!of_recipients(l.unit) && l.unit != limit_unit::bytes)
            return unit + " are counted over a time, not per message; use minute, hour, day, week or month";
        if (l.scope != limit_scope::account)
            return "a limit per message has no scope; leave \"per " + std::string{to_string(l.scope)} + "\" out";
    }
    if (auto why = never_many(l); !why.empty()) return why;
    if (l.count == limit::unlimited && (l.then != limit_action::defer || !l.except_to.empty()))
        return "what is unlimited refuses nothing; leave out what stands behind the period and scope";
    if (counts_distinct(l.unit) && l.count != limit::unlimited && l.count > max_distinct)
        return std::to_string(l.count) + " different ones are more than can be told apart; " +
               std::to_string(max_distinct) + " at most";
    if (!l.except_to.empty() && !of_recipients(l.unit))
        return "\"except to\" is about recipients; " + unit + " have none";
    return {};
}

result<seconds> read_window(std::span<const std::string_view> words) {
    std::string text = joined(words);
    if (!text.empty() && !number(text.substr(0, 1))) text.insert(0, "1 "); // "per hour"
    const auto window = parse_duration(text);
    if (!window) return wrong(window.error().detail);
    if (*window < seconds{1} || *window > strike_memory)
        return wrong(in_quotes(text) + " is no time to count strikes in; 1 second to " + to_string(strike_memory) +
                     " are remembered");
    return *window;
}

constexpr std::array<std::string_view, 8> kinds = {
    "spam", "phish", "virus", "limit", "manual", "invalid recipients", "stolen password", "complaint"};
constexpr std::string_view kinds_in_words = "use spam, phish, virus, limit, invalid recipients, stolen password, "
                                            "complaint or manual";

/// "invalid-recipients", "1 complaint", "3 complaints": as people write them.
std::string kind_name(std::string text) {
    std::replace(text.begin(), text.end(), '-', ' ');
    if (text == "invalid recipient") return "invalid recipients";
    if (text == "stolen passwords" || text == "complaints") text.pop_back();
    return text;
}

} // namespace

result<limit> parse_limit(std::string_view text) {
    auto words = words_of(text);
    if (words.empty()) return wrong("an empty limit; " + std::string{grammar});
    if (words.size() > max_words) return wrong("too many words; " + std::string{grammar});
    const auto digits = words.front().find_first_not_of("0123456789");
    if (digits != 0 && digits != std::string_view::npos && words.front()[digits] != '.') { // "1GB"
        words.insert(words.begin() + 1, words.front().substr(digits));
        words.front() = words.front().substr(0, digits);
    }
    const std::span<const std::string_view> all{words};
    const auto link = std::find_if(words.begin(), words.end(), links);
    const auto before = static_cast<std::size_t>(link - words.begin());
    limit out;
    const auto count = read_count(words.front());
    if (!count) return count.error();
    const auto unit = read_unit(joined(all.subspan(1, std::max<std::size_t>(before, 1) - 1)));
    if (!unit) return unit.error();
    if (link == words.end()) return wrong("it does not say in what time; " + std::string{grammar});
    const auto rest = split_sections(all.subspan(before + 1));
    const auto period = read_period(rest.period);
    if (!period) return period.error();
    out.unit = unit->unit;
    out.period = *period;
    if (*count != limit::unlimited && *count > max_count / unit->factor)
        return wrong(in_quotes(words.front()) + " is more than can be counted; write \"unlimited\"");
    out.count = *count == limit::unlimited ? *count : *count * unit->factor;
    if (rest.has_scope)
        if (const auto read = read_scope(rest.scope, out); !read) return read.error();
    if (rest.has_action)
        if (const auto read = read_action(rest.action, out); !read) return read.error();
    if (rest.has_domains)
        if (const auto read = read_domains(rest.domains, out); !read) return read.error();
    if (auto why = meaningless(out); !why.empty()) return wrong(std::move(why));
    return out;
}

result<lock_trigger> parse_trigger(std::string_view text) {
    const auto words = words_of(text);
    const std::span<const std::string_view> all{words};
    const std::string example = R"(write it as in "5 spam in 10 minutes")";
    if (words.size() < 2) return wrong(in_quotes(text) + " is no trigger; " + example);
    lock_trigger out;
    const auto count = number(words.front());
    if (!count) return wrong(in_quotes(words.front()) + " is not a count; " + example);
    if (*count == 0 || *count > max_trigger_count)
        return wrong(in_quotes(words.front()) + " strikes cannot be counted; 1 to " +
                     std::to_string(max_trigger_count) + " can");
    out.count = static_cast<std::uint32_t>(*count);
    const auto link = std::find_if(words.begin(), words.end(), links);
    const auto before = static_cast<std::size_t>(link - words.begin());
    const auto kind = kind_name(joined(all.subspan(1, std::max<std::size_t>(before, 1) - 1)));
    const auto known = parse_strike_kind(kind);
    if (!known) return wrong(in_quotes(kind) + " is not a kind of strike; " + suggest(kind, kinds, kinds_in_words));
    out.kind = *known;
    out.window = strike_memory;
    if (link == words.end()) return out;
    const auto window = read_window(all.subspan(before + 1));
    if (!window) return window.error();
    out.window = *window;
    return out;
}

} // namespace postsluice::config
