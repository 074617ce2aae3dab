// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/spamd_protocol.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace postsluice::contentfilter::spamd {

namespace {

std::optional<double> number(std::string_view text) {
    double value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string_view take_line(std::string_view& text) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

std::string_view take_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const auto word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    return word;
}

/// "True ; 15.3 / 5.0"
bool parse_sum(std::string_view value, foreign_answer& into) {
    const auto semicolon = value.find(';'), slash = value.find('/');
    if (semicolon == std::string_view::npos || slash == std::string_view::npos || slash < semicolon) return false;
    const auto score = number(trim(value.substr(semicolon + 1, slash - semicolon - 1)));
    const auto threshold = number(trim(value.substr(slash + 1)));
    if (!score || !threshold) return false;
    into.score = *score;
    into.threshold = *threshold;
    into.action = trim(value.substr(0, semicolon));
    return true;
}

bool is_rule_name(std::string_view word) {
    return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
}

/// The lines below "---- -----": points, rule, description; what follows a description is indented.
void parse_table(std::string_view report, std::size_t max_symbols, foreign_answer& into) {
    bool inside = false;
    while (!report.empty()) {
        auto line = take_line(report);
        if (line.starts_with("---- --")) {
            inside = true;
            continue;
        }
        if (!inside) continue;
        const auto points = number(take_word(line));
        const auto name = take_word(line);
        if (!points || !is_rule_name(name)) continue;
        if (into.symbols.size() >= max_symbols) {
            into.cut = true;
            return;
        }
        into.symbols.push_back({std::string{name}, *points, std::string{trim(line)}});
    }
}

} // namespace

std::string request_head(std::uint64_t size, const std::string& user) {
    return "REPORT SPAMC/1.5\r\n" + (user.empty() ? std::string{} : "User: " + user + "\r\n") +
           "Content-length: " + std::to_string(size) + "\r\n\r\n";
}

result<foreign_answer> parse_response(std::string_view text, std::size_t max_symbols) {
    const auto status = take_line(text);
    auto rest = status;
    const auto version = take_word(rest);
    if (!version.starts_with("SPAMD/") || take_word(rest) != "0")
        return failure{errc::protocol, "spamd said \"" + printable(status, 200) + "\""};
    foreign_answer answer;
    bool sum = false;
    while (!text.empty()) {
        const auto line = take_line(text);
        if (line.empty()) break;
        const auto colon = line.find(':');
        if (colon != std::string_view::npos && iequals(line.substr(0, colon), "Spam"))
            sum = parse_sum(line.substr(colon + 1), answer);
    }
    if (!sum) return failure{errc::protocol, "spamd's response has no \"Spam:\" line"};
    parse_table(text, max_symbols, answer);
    if (answer.symbols.empty() && answer.score != 0)
        answer.symbols.push_back({"SCORE", answer.score, "the report has no table of rules"});
    return answer;
}

} // namespace postsluice::contentfilter::spamd
