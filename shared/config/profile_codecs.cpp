// SPDX-License-Identifier: Apache-2.0
#include "shared/config/limit_language.hpp"
#include "shared/config/options.hpp"
#include "shared/config/reader.hpp"
#include "shared/core/mail_address.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::config {
namespace {

constexpr std::size_t max_limits = 50; // as many as the state keeps windows for, of one key
constexpr std::size_t max_symbols = 10'000;

const word_rows<from_rule::kind> from_words = {{from_rule::kind::own_address, "own-address"},
                                               {from_rule::kind::own_domain, "own-domain"},
                                               {from_rule::kind::any, "any"}};
const word_rows<limit_action> actions = {{limit_action::defer, "defer"},
                                         {limit_action::reject, "reject"},
                                         {limit_action::hold, "hold"},
                                         {limit_action::warn, "warn"},
                                         {limit_action::lock, "lock"}};
const word_rows<forced_verdict> verdicts = {
    {forced_verdict::none, "none"},     {forced_verdict::tag, "tag"},
    {forced_verdict::hold, "hold"},     {forced_verdict::quarantine, "quarantine"},
    {forced_verdict::reject, "reject"}, {forced_verdict::discard, "discard"}};

/// "type:name": a colon before any '@'.
bool names_map(std::string_view text) noexcept {
    const auto colon = text.find(':');
    return colon != std::string_view::npos && colon < text.find('@');
}

template <class T>
std::string print_strings(const std::vector<T>& values) {
    std::vector<std::string> out;
    out.reserve(values.size());
    for (const auto& value : values)
        out.push_back(to_string(value));
    return quote_list(out);
}

void read_limits(const node& from, std::vector<limit>& into, const report& to) {
    std::vector<limit> named;
    const bool good = for_each_string(from, to, [&](const std::string& text) -> std::string {
        const auto parsed = parse_limit(text);
        if (!parsed) return parsed.error().detail;
        for (const auto& other : named)
            if (other.same_subject(*parsed))
                return "\"" + subject(*parsed) + "\" is limited twice; keep one of the two";
        named.push_back(*parsed);
        return {};
    });
    if (!good) return;
    auto merged = into;
    for (const auto& one : named) {
        const auto same =
            std::find_if(merged.begin(), merged.end(), [&one](const limit& other) { return other.same_subject(one); });
        if (same != merged.end())
            *same = one;
        else
            merged.push_back(one);
    }
    if (merged.size() > max_limits)
        to.add(from, std::to_string(merged.size()) + " limits are too many; " + std::to_string(max_limits) +
                         " at most, with the inherited ones");
    else
        into = std::move(merged);
}

std::string wrong_from_entry(const std::string& text) {
    if (names_map(text)) return rules::map(text);
    const auto at = text.rfind('@');
    if (at == std::string::npos && rules::domain(text).empty())
        return quote(printable(text, 60)) + " is neither an address nor \"@domain\"; did you mean " +
               quote("@" + printable(text, 60)) + "?";
    const bool below = text.starts_with("@*.");
    const auto wrong = at == 0 ? rules::domain(std::string_view{text}.substr(below ? 3 : 1)) : rules::address(text);
    if (wrong.empty()) return {};
    return quote(printable(text, 60)) +
           R"( is no sender; as in "user@example.org", "@example.org" or "@*.example.org")";
}

void read_from_word(const node& from, from_rule& into, const report& to) {
    if (const auto word = value_of(from_words, from.text)) {
        into = {*word, {}};
    } else if (names_map(from.text)) {
        if (const auto wrong = rules::map(from.text); !wrong.empty()) return to.add(from, wrong);
        into = {from_rule::kind::map, {from.text}};
    } else if (from.text.find('@') != std::string::npos) {
        to.add(from, "addresses and domains stand in a list; write [" + quote(from.text) + "]");
    } else {
        to.add(from, not_one_of(from.text, words_of(from_words)));
    }
}

/// One map in the list makes it a list with maps: its addresses and domains first, then all maps as one.
void read_from(const node& from, from_rule& into, const report& to) {
    if (from.is(node::kind::string)) return read_from_word(from, into, to);
    from_rule out{from_rule::kind::list, {}};
    const bool good = for_each_string(from, to, [&out](const std::string& text) {
        if (names_map(text)) out.what = from_rule::kind::map;
        out.entries.push_back(names_map(text) ? text : to_lower(text));
        return wrong_from_entry(text);
    });
    if (good && out.entries.empty())
        to.add(from, "an empty list lets nobody send; use " + alternatives(words_of(from_words)) +
                         " or a list of addresses, domains and maps");
    else if (good)
        into = std::move(out);
}

std::string print_from(const from_rule& rule) {
    if (rule.what == from_rule::kind::map && rule.entries.size() == 1) return quote(rule.entries.front());
    const bool list = rule.what == from_rule::kind::list || rule.what == from_rule::kind::map;
    return list ? quote_list(rule.entries) : quote(word_of(from_words, rule.what));
}

/// An action or score may be absent: then the check or rule file decides, and nothing is printed.
struct symbol_draft {
    symbol_setting setting = {};
    double score = 0;
    forced_verdict action = forced_verdict::none;
    bool enabled = true;
};

const options<symbol_draft>& symbol_options() {
    using d = symbol_draft;
    static const options<d> rows = {
        row<d>("score", &d::score, reals(-1000, 1000), "What the symbol adds to the message's score."),
        row<d>("action", &d::action, words(verdicts), "What it does to the message whatever its score."),
        row<d>("enabled", &d::enabled, booleans(), "Whether the symbol counts."),
    };
    return rows;
}

void read_symbols(const node& from, std::map<std::string, symbol_setting>& into, const report& to) {
    if (!from.is(node::kind::table))
        return to.add(from, R"(must be a table; write { SYMBOL = { score = 5, action = "tag" } })");
    for (const auto& [name, value] : from.members) {
        const auto here = to.at(name);
        if (const auto wrong = rules::name(name); !wrong.empty()) {
            here.add(value, wrong);
            continue;
        }
        auto symbol = name;
        std::transform(symbol.begin(), symbol.end(), symbol.begin(),
                       [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
        if (!value.is(node::kind::table)) {
            here.add(value, R"(must be a table; write { score = 5, action = "tag", enabled = true })");
            continue;
        }
        symbol_draft draft{into[symbol]};
        read_table(value, draft, symbol_options(), here);
        if (value.find("score") != nullptr) draft.setting.score = draft.score;
        if (value.find("action") != nullptr) draft.setting.action = draft.action;
        if (value.find("enabled") != nullptr) draft.setting.enabled = draft.enabled;
        into[symbol] = draft.setting;
    }
    if (into.size() > max_symbols) to.add(from, "too many symbols; " + std::to_string(max_symbols) + " at most");
}

std::string print_symbols(const std::map<std::string, symbol_setting>& symbols) {
    std::string out;
    for (const auto& [name, setting] : symbols) {
        std::string members;
        const auto add = [&members](const std::string& member) { members += (members.empty() ? " " : ", ") + member; };
        if (setting.score) add("score = " + reals(-1000, 1000).print(*setting.score));
        if (setting.action) add("action = " + quote(word_of(verdicts, *setting.action)));
        if (setting.enabled) add(std::string{"enabled = "} + (*setting.enabled ? "true" : "false"));
        out += (out.empty() ? " " : ", ") + quote(name) + " = {" + members + " }";
    }
    return out.empty() ? "{}" : "{" + out + " }";
}

} // namespace

codec<std::vector<limit>> limit_lists() {
    return {
        read_limits, [](const std::vector<limit>& limits) { return print_strings(limits); },
        R"(a list of "<N|unlimited> <unit> per <message|[K] minute|hour|day|week|month> [per <scope>] [then <action>] )"
        R"([except to <domains>]")"};
}

codec<std::vector<lock_trigger>> trigger_lists() {
    return {
        [](const node& from, std::vector<lock_trigger>& into, const report& to) {
            std::vector<lock_trigger> out;
            const bool good = for_each_string(from, to, [&out](const std::string& text) -> std::string {
                const auto parsed = parse_trigger(text);
                if (!parsed) return parsed.error().detail;
                out.push_back(*parsed);
                return {};
            });
            if (good && out.size() > max_limits)
                to.add(from, std::to_string(out.size()) + " triggers are too many; " + std::to_string(max_limits) +
                                 " at most");
            else if (good)
                into = std::move(out);
        },
        [](const std::vector<lock_trigger>& triggers) { return print_strings(triggers); },
        R"(a list of "<N> <spam|phish|virus|limit|invalid recipients|stolen password|complaint|manual> [in <time>]")"};
}

codec<from_rule> from_rules() {
    return {read_from, print_from,
            alternatives(words_of(from_words)) + ", a map, or a list of addresses, domains and maps"};
}

codec<limit_action> limit_actions() {
    return words(actions);
}

codec<limit> trend_floors() {
    return {[](const node& from, limit& into, const report& to) {
                const auto* text = as_string(from, to);
                if (text == nullptr) return;
                const auto parsed = parse_limit(text->find(" per ") == std::string::npos ? *text + " per day" : *text);
                if (!parsed)
                    to.add(from, parsed.error().detail);
                else if ((parsed->unit != limit_unit::messages && parsed->unit != limit_unit::recipients) ||
                         parsed->count == limit::unlimited || parsed->period != seconds{86400} ||
                         parsed->scope != limit_scope::account || parsed->then != limit_action::defer ||
                         !parsed->except_to.empty())
                    to.add(from, R"(is no volume of a day; write it as in "50 messages")");
                else
                    into = *parsed;
            },
            [](const limit& floor) { return quote(to_string(floor)); }, R"("<N> <messages|recipients>")"};
}

codec<std::map<std::string, symbol_setting>> symbol_tables() {
    return {read_symbols, print_symbols,
            "SYMBOL = { score = -1000 to 1000, action = " + alternatives(words_of(verdicts)) +
                ", enabled = true or false }"};
}

} // namespace postsluice::config
