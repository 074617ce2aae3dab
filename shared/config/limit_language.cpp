// SPDX-License-Identifier: Apache-2.0
#include "shared/config/limit_language.hpp"

#include "shared/core/text.hpp"
#include "shared/core/units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <vector>

namespace postsluice::config {
namespace {

constexpr std::uint64_t max_count = 1'000'000'000'000; // far under what a window holds
constexpr std::uint64_t max_periods = 366;
constexpr std::uint32_t max_trigger_count = 1000; // no account remembers more strikes

struct unit_row {
    std::string_view name;
    limit_unit unit;
};
constexpr std::array units = {
    unit_row{"messages", limit_unit::messages},
    unit_row{"message", limit_unit::messages},
    unit_row{"recipients", limit_unit::recipients},
    unit_row{"recipient", limit_unit::recipients},
};
// Words of the language that a later version speaks: an operator who writes one is not told of a misspelling.
constexpr std::array<std::string_view, 20> later_units = {"distinct recipients",
                                                          "new recipients",
                                                          "external recipients",
                                                          "invalid recipients",
                                                          "null-sender messages",
                                                          "client addresses",
                                                          "client networks",
                                                          "sender addresses",
                                                          "sender domains",
                                                          "bytes",
                                                          "byte",
                                                          "b",
                                                          "kb",
                                                          "kib",
                                                          "mb",
                                                          "mib",
                                                          "gb",
                                                          "gib",
                                                          "tb",
                                                          "tib"};

struct period_row {
    std::string_view name;
    seconds length;
};
constexpr std::array periods = {
    period_row{"minute", seconds{60}},  period_row{"minutes", seconds{60}}, period_row{"hour", seconds{3600}},
    period_row{"hours", seconds{3600}}, period_row{"day", seconds{86400}},  period_row{"days", seconds{86400}},
};
constexpr std::array<std::string_view, 7> later_periods = {"message", "week",        "weeks",     "month",
                                                           "months",  "transaction", "connection"};
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

result<limit_unit> read_unit(const std::string& text) {
    if (text.empty()) return wrong("it does not say what is counted; " + std::string{grammar});
    for (const auto& row : units)
        if (row.name == text) return row.unit;
    if (std::find(later_units.begin(), later_units.end(), text) != later_units.end())
        return wrong("a limit in " + in_quotes(text) + " is not offered by this version; use messages or recipients");
    return wrong(in_quotes(text) + " is not a unit; " + suggest(text, names_of(units), "use messages or recipients"));
}

result<seconds> read_period(std::span<const std::string_view> words) {
    std::uint64_t times = 1;
    if (!words.empty())
        if (const auto k = number(words.front())) {
            times = *k;
            words = words.subspan(1);
        }
    if (words.empty()) return wrong("it does not say in what time; " + std::string{grammar});
    const auto name = to_lower(words.front());
    const auto row = std::find_if(periods.begin(), periods.end(), [&name](const auto& r) { return r.name == name; });
    if (row == periods.end()) {
        if (std::find(later_periods.begin(), later_periods.end(), name) != later_periods.end())
            return wrong("a limit per " + name + " is not offered by this version; use minute, hour or day");
        return wrong(in_quotes(name) + " is not a period; " +
                     suggest(name, names_of(periods), "use minute, hour or day"));
    }
    if (words.size() > 1)
        return wrong(in_quotes(joined(words.subspan(1))) + " after the period is not offered by this version; " +
                     std::string{grammar});
    if (times == 0 || times > max_periods)
        return wrong(std::to_string(times) + " " + name + " is no period; 1 to " + std::to_string(max_periods) +
                     " can be counted");
    return row->length * static_cast<std::int64_t>(times);
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
    const auto words = words_of(text);
    if (words.empty()) return wrong("an empty limit; " + std::string{grammar});
    const std::span<const std::string_view> all{words};
    const auto link = std::find_if(words.begin(), words.end(), links);
    const auto before = static_cast<std::size_t>(link - words.begin());
    limit out;
    const auto count = read_count(words.front());
    if (!count) return count.error();
    const auto unit = read_unit(joined(all.subspan(1, std::max<std::size_t>(before, 1) - 1)));
    if (!unit) return unit.error();
    if (link == words.end()) return wrong("it does not say in what time; " + std::string{grammar});
    const auto period = read_period(all.subspan(before + 1));
    if (!period) return period.error();
    out.count = *count;
    out.unit = *unit;
    out.period = *period;
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
