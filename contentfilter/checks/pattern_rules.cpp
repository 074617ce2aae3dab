// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/pattern_rules.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>
#include <utility>

namespace postsluice::contentfilter {

namespace {

using config::forced_verdict;

constexpr std::size_t max_rule_line = 16384;

constexpr std::array<std::pair<std::string_view, std::uint8_t>, 6> places{{{"subject", in_subject},
                                                                           {"text", in_text},
                                                                           {"html", in_html},
                                                                           {"raw", in_raw},
                                                                           {"url", in_url},
                                                                           {"filename", in_file_name}}};
constexpr std::array<std::pair<std::string_view, forced_verdict>, 6> actions{
    {{"none", forced_verdict::none},
     {"tag", forced_verdict::tag},
     {"hold", forced_verdict::hold},
     {"quarantine", forced_verdict::quarantine},
     {"reject", forced_verdict::reject},
     {"discard", forced_verdict::discard}}};
constexpr std::array<std::pair<std::string_view, reason>, 5> reasons{{{"score", reason::score},
                                                                      {"spam", reason::spam},
                                                                      {"phish", reason::phish},
                                                                      {"virus", reason::virus},
                                                                      {"forbidden-file", reason::forbidden_file}}};
constexpr std::array<std::pair<std::string_view, strike_kind>, 3> strikes{
    {{"spam", strike_kind::spam}, {"phish", strike_kind::phish}, {"virus", strike_kind::virus}}};
constexpr std::array<std::string_view, 7> keys{"score", "where", "action", "reason", "strike", "flags", "pattern"};

/// "it is none of a, b, c": the sentence for an unknown word.
template <class Table>
std::string not_among(std::string_view word, const Table& table) {
    std::string text = "\"" + printable(word, 60) + "\" is none of";
    for (std::size_t i = 0; i < table.size(); ++i)
        text.append(i ? ", " : " ").append(table[i].first);
    return text;
}

template <class Table, class Value>
std::string look_up(std::string_view word, const Table& table, Value& value) {
    const auto at = std::find_if(table.begin(), table.end(), [&](const auto& row) { return row.first == word; });
    if (at == table.end()) return not_among(word, table);
    value = at->second;
    return {};
}

bool is_symbol(std::string_view word) {
    const auto fits = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
    return !word.empty() && word.size() <= 64 && word.front() >= 'A' && word.front() <= 'Z' &&
           std::all_of(word.begin(), word.end(), fits);
}

/// Sets one option of a rule; the answer is what is wrong with it, or empty.
std::string set_option(pattern_rule& rule, std::string_view key, std::string_view value) {
    if (key == "score") {
        const auto* end = value.data() + value.size();
        const auto [at, error] = std::from_chars(value.data(), end, rule.found.score, std::chars_format::fixed);
        const bool fits = error == std::errc{} && at == end && rule.found.score >= -1000 && rule.found.score <= 1000;
        return fits ? "" : "score is not a number between -1000 and 1000";
    }
    if (key == "where") {
        for (const auto word : split(value, ',')) {
            std::uint8_t place = 0;
            if (auto wrong = look_up(word, places, place); !wrong.empty()) return "where: " + wrong;
            rule.where = static_cast<std::uint8_t>(rule.where | place);
        }
        return {};
    }
    std::string wrong;
    if (key == "action")
        wrong = look_up(value, actions, rule.found.action);
    else if (key == "reason")
        wrong = look_up(value, reasons, rule.found.why);
    else if (key == "strike") {
        strike_kind kind{};
        wrong = look_up(value, strikes, kind);
        rule.found.strikes = kind;
    } else if (key == "flags") {
        rule.caseless = value.find('i') != std::string_view::npos;
        rule.dot_all = value.find('s') != std::string_view::npos;
        rule.multi_line = value.find('m') != std::string_view::npos;
        if (value.find_first_not_of("ism") != std::string_view::npos) wrong = "only i, s and m are flags";
    } else {
        const auto near = did_you_mean(key, keys);
        return "unknown option \"" + printable(key, 40) + "\"" +
               (near.empty() ? "" : "; did you mean " + std::string{near} + "?");
    }
    return wrong.empty() ? wrong : std::string{key} + ": " + wrong;
}

/// The next word of `line`, taken off it.
std::string_view take_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const auto word = line.substr(0, line.find_first_of(" \t"));
    line.remove_prefix(word.size());
    return word;
}

std::string parse_line(std::string_view line, pattern_rule& rule) {
    if (line.size() > max_rule_line) return "the line is longer than " + std::to_string(max_rule_line) + " octets";
    rule.found.symbol = take_word(line);
    rule.found.group = "content";
    if (!is_symbol(rule.found.symbol)) return "a rule begins with its symbol: capital letters, digits and underscores";
    for (;;) {
        line = trim(line);
        if (line.starts_with("pattern=")) break;
        if (line.empty()) return "pattern=/.../ is missing";
        const auto word = take_word(line);
        const auto equals = word.find('=');
        if (equals == std::string_view::npos) return "\"" + printable(word, 40) + "\" is not option=value";
        if (auto wrong = set_option(rule, word.substr(0, equals), word.substr(equals + 1)); !wrong.empty())
            return wrong;
    }
    line.remove_prefix(std::string_view{"pattern="}.size());
    if (line.size() < 3 || line.front() != '/' || line.back() != '/')
        return "a pattern stands last on its line, between slashes: pattern=/.../";
    if (rule.where == 0) return "where= is missing";
    rule.expression = line.substr(1, line.size() - 2);
    return {};
}

} // namespace

void parse_rules(std::string_view text, const std::string& file, std::vector<pattern_rule>& rules,
                 std::vector<std::string>& errors) {
    unsigned number = 0;
    for (auto line : split(text, '\n')) {
        ++number;
        line = trim(line);
        if (line.empty() || line.front() == '#') continue;
        pattern_rule rule;
        rule.file = file;
        rule.line = number;
        if (auto wrong = parse_line(line, rule); wrong.empty())
            rules.push_back(std::move(rule));
        else
            errors.push_back(rule.position() + ": " + wrong);
    }
}

std::vector<pattern_rule> read_rule_files(const std::vector<std::filesystem::path>& globs,
                                          std::vector<std::string>& errors) {
    std::vector<pattern_rule> rules;
    for (const auto& glob : globs) {
        std::vector<std::filesystem::path> files;
        const auto name = glob.filename().string();
        if (name.find('*') == std::string::npos) files.push_back(glob);
        std::error_code ignored; // a directory that is not there holds no rules
        if (files.empty())
            for (const auto& entry : std::filesystem::directory_iterator{glob.parent_path(), ignored})
                if (glob_match(name, entry.path().filename().string())) files.push_back(entry.path());
        std::sort(files.begin(), files.end());
        for (const auto& file : files) {
            std::ifstream in{file, std::ios::binary};
            std::ostringstream text;
            if (in) text << in.rdbuf();
            if (in && !in.bad())
                parse_rules(text.str(), file.string(), rules, errors);
            else
                errors.push_back(file.string() + ":0: the file cannot be read");
        }
    }
    return rules;
}

} // namespace postsluice::contentfilter
