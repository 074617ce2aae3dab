// SPDX-License-Identifier: Apache-2.0
// How one kind of value is read from the file and printed to it again: a codec per kind, made with its range. Reading
// leaves the target as it was where it reports an error. What a codec prints, it reads back to the same value
// (print_defaults() and the sample stand on that). Text rules say what a string may hold: they return what is wrong, or
// nothing.
#pragma once

#include "shared/config/document.hpp"

#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <utility>

namespace postsluice::config {

template <class T>
struct codec {
    std::function<void(const node&, T&, const report&)> read;
    std::function<std::string(const T&)> print;
    std::string range; ///< "1 to 100", "\"enforce\" or \"observe\""
};

/// What is wrong with a string, as "..; what would be right"; empty: nothing.
using text_rule = std::string (*)(std::string_view);
namespace rules {
std::string line(std::string_view text);        ///< one printable line of at most 400 octets, or nothing
std::string name(std::string_view text);        ///< letters, digits, '.', '_', '-'
std::string policy_rule(std::string_view text); ///< the name of a rule of policyd (shared/core/rules.def)
std::string check(std::string_view text);       ///< the name of a check of the filter (shared/core/checks.def)
std::string check_group(std::string_view text); ///< a group of checks (the same file)
std::string domain(std::string_view text);      ///< a domain name
std::string name_or_nothing(std::string_view text);
std::string domain_or_nothing(std::string_view text);
std::string address(std::string_view text); ///< local@domain
std::string address_or_nothing(std::string_view text);
std::string login(std::string_view text);        ///< a login; '*' stands for any run of characters
std::string account_name(std::string_view text); ///< what an [[account]] may be called
std::string endpoint(std::string_view text);     ///< unix:/path or inet:address:port
std::string endpoint_or_nothing(std::string_view text);
std::string dns_list(std::string_view text);        ///< "ZONE ANSWER=SYMBOL:SCORE ..."
std::string service(std::string_view text);         ///< the same with lmtp: or smtp: in front, or without
std::string header_name(std::string_view text);     ///< RFC 5322 section 2.2
std::string domain_or_below(std::string_view text); ///< a domain, or "*." and one
std::string map(std::string_view text);             ///< lmdb:, texthash:, regexp: with a path, or socketmap:
std::string address_or_map(std::string_view text);  ///< "user@example.org", "@example.org", "@*.example.org", or a map
std::string address_list_entry(std::string_view text); ///< the same without maps, or "<>"
std::string header_match(std::string_view text);       ///< "NAME: glob"
std::string fingerprint(std::string_view text);        ///< hex octets with colons between
std::string enhanced_status(std::string_view text);    ///< of a failure for good: "5.1.1"
std::string name_server(std::string_view text);        ///< an address, or address@port
std::string dkim_table(std::string_view text);         ///< OpenDKIM's data set in a file, or nothing
std::string lock_hook(std::string_view text);          ///< "notify", or "exec:/path arguments"
} // namespace rules

/// The checks of a group, in the order of checks.def.
[[nodiscard]] std::vector<std::string> checks_of(std::string_view group);

/// TOML spelling of a string, of a list of strings.
[[nodiscard]] std::string quote(std::string_view text);
[[nodiscard]] std::string quote_list(const std::vector<std::string>& texts);
/// "a", "b" or "c"
[[nodiscard]] std::string alternatives(const std::vector<std::string>& words);
/// `"wrod" is not one of these; did you mean "word"?`
[[nodiscard]] std::string not_one_of(std::string_view word, const std::vector<std::string>& words);
/// Reports where it is not a string, or not a list of strings.
[[nodiscard]] const std::string* as_string(const node& from, const report& to);
/// Each string of a list that `use` takes: it returns what is wrong, or nothing. False where anything was.
bool for_each_string(const node& from, const report& to, const std::function<std::string(const std::string&)>& use);

[[nodiscard]] codec<bool> booleans();
[[nodiscard]] codec<double> reals(double least, double most);
[[nodiscard]] codec<std::string> texts(text_rule rule, std::string range);
[[nodiscard]] codec<std::string> choices(const std::vector<std::string>& words);
[[nodiscard]] codec<std::vector<std::string>> text_lists(text_rule rule, std::string range, std::size_t least = 0);
[[nodiscard]] codec<std::filesystem::path> paths();
[[nodiscard]] codec<std::filesystem::path> optional_paths(); ///< may be empty
[[nodiscard]] codec<std::vector<std::filesystem::path>> path_lists();
[[nodiscard]] codec<std::vector<ip_network>> network_lists();
[[nodiscard]] codec<seconds> durations(seconds least, seconds most);
[[nodiscard]] codec<byte_count> sizes(byte_count least, byte_count most);

[[nodiscard]] std::optional<std::uint64_t> read_integer(const node& from, std::uint64_t least, std::uint64_t most,
                                                        const report& to);

template <class Integer>
codec<Integer> integers(Integer least, Integer most) {
    return {[=](const node& from, Integer& into, const report& to) {
                if (const auto value = read_integer(from, least, most, to)) into = static_cast<Integer>(*value);
            },
            [](const Integer& value) { return std::to_string(value); },
            std::to_string(least) + " to " + std::to_string(most)};
}

template <class Enum>
using word_rows = std::vector<std::pair<Enum, std::string>>;

template <class Enum>
std::vector<std::string> words_of(const word_rows<Enum>& rows) {
    std::vector<std::string> out;
    for (const auto& row : rows)
        out.push_back(row.second);
    return out;
}
template <class Enum>
std::optional<Enum> value_of(const word_rows<Enum>& rows, std::string_view word) {
    for (const auto& [value, name] : rows)
        if (name == word) return value;
    return std::nullopt;
}
template <class Enum>
std::string word_of(const word_rows<Enum>& rows, const Enum& value) {
    for (const auto& [known, name] : rows)
        if (known == value) return name;
    return {};
}

/// A value of an enum, or a bool, by its word.
template <class Enum>
codec<Enum> words(word_rows<Enum> rows) {
    const auto known = words_of(rows);
    return {[=](const node& from, Enum& into, const report& to) {
                const auto* text = as_string(from, to);
                if (text == nullptr) return;
                if (const auto value = value_of(rows, *text))
                    into = *value;
                else
                    to.add(from, not_one_of(*text, known));
            },
            [=](const Enum& value) { return quote(word_of(rows, value)); }, alternatives(known)};
}

/// Some of an enum's words, in an order, each once.
template <class Enum>
codec<std::vector<Enum>> word_lists(word_rows<Enum> rows) {
    const auto known = words_of(rows);
    return {[=](const node& from, std::vector<Enum>& into, const report& to) {
                std::vector<Enum> out;
                const bool good = for_each_string(from, to, [&](const std::string& text) -> std::string {
                    const auto value = value_of(rows, text);
                    if (!value) return not_one_of(text, known);
                    for (const auto& before : out)
                        if (before == *value) return quote(text) + " stands there twice; name it once";
                    out.push_back(*value);
                    return {};
                });
                if (good && out.empty()) to.add(from, "is empty; name at least one of " + alternatives(known));
                if (good && !out.empty()) into = std::move(out);
            },
            [=](const std::vector<Enum>& values) {
                std::vector<std::string> out;
                for (const auto& value : values)
                    out.push_back(word_of(rows, value));
                return quote_list(out);
            },
            "a list of " + alternatives(known)};
}

/// NAME = word, for the names that `name_rule` takes.
template <class Enum>
codec<std::map<std::string, Enum>> word_tables(text_rule name_rule, word_rows<Enum> rows) {
    const auto known = words_of(rows);
    return {[=](const node& from, std::map<std::string, Enum>& into, const report& to) {
                if (!from.is(node::kind::table))
                    return to.add(from, "must be a table; write { name = " + quote(known.front()) + " }");
                auto out = into; // what the default names and the file does not stays
                for (const auto& [name, value] : from.members) {
                    const auto here = to.at(name);
                    if (auto wrong = name_rule(name); !wrong.empty()) return here.add(value, std::move(wrong));
                    const auto* text = as_string(value, here);
                    if (text == nullptr) return;
                    const auto word = value_of(rows, *text);
                    if (!word) return here.add(value, not_one_of(*text, known));
                    out[name] = *word;
                }
                into = std::move(out);
            },
            [=](const std::map<std::string, Enum>& values) {
                std::string out;
                for (const auto& [name, value] : values)
                    out += (out.empty() ? " " : ", ") + quote(name) + " = " + quote(word_of(rows, value));
                return out.empty() ? std::string{"{}"} : "{" + out + " }";
            },
            "NAME = " + alternatives(known)};
}

} // namespace postsluice::config
