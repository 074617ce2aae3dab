// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/rule_files.hpp"

#include "contentfilter/checks/case_fold.hpp"

#include "shared/config/reader.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <cassert>
#include <fstream>
#include <sstream>

namespace postsluice::contentfilter {

namespace {

using config::forced_verdict;
using config::node;
using config::report;

const config::word_rows<pattern_place> places = {{in_subject, "subject"}, {in_text, "text"},
                                                 {in_html, "html"},       {in_raw, "raw"},
                                                 {in_url, "url"},         {in_file_name, "filename"}};
const config::word_rows<forced_verdict> actions = {
    {forced_verdict::none, "none"},     {forced_verdict::tag, "tag"},
    {forced_verdict::hold, "hold"},     {forced_verdict::quarantine, "quarantine"},
    {forced_verdict::reject, "reject"}, {forced_verdict::discard, "discard"}};
const config::word_rows<reason> reasons = {{reason::score, "score"},
                                           {reason::spam, "spam"},
                                           {reason::phish, "phish"},
                                           {reason::virus, "virus"},
                                           {reason::forbidden_file, "forbidden-file"}};
const config::word_rows<std::optional<strike_kind>> strikes = {
    {strike_kind::spam, "spam"}, {strike_kind::phish, "phish"}, {strike_kind::virus, "virus"}};

constexpr std::size_t max_text = 4096; // of an expression or a word
constexpr std::size_t max_extension = 64;

/// A table of a rule file, whatever its kind.
struct entry {
    finding found;
    std::vector<pattern_place> where;
    std::string match, flags, name;
    std::vector<std::string> words;
};
using rows = config::options<entry>;

std::string symbol_rule(std::string_view word) {
    const auto fits = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
    const bool good = !word.empty() && word.size() <= 64 && word.front() >= 'A' && word.front() <= 'Z' &&
                      std::all_of(word.begin(), word.end(), fits);
    return good ? "" : "is no symbol; write capital letters, digits and underscores";
}

std::string text_rule(std::string_view text) {
    if (text.empty()) return "is empty";
    if (text.size() > max_text) return "is longer than " + std::to_string(max_text) + " octets";
    return text.find('\0') == std::string_view::npos ? "" : "holds a NUL";
}

std::string flags_rule(std::string_view text) {
    return text.find_first_not_of("ism") == std::string_view::npos ? "" : "only i, s and m are flags";
}

std::string extension_rule(std::string_view text) {
    if (text.starts_with('.')) return "is no extension; write it without its dot";
    const bool good = !text.empty() && text.size() <= max_extension && !text.ends_with('.') &&
                      text.find("..") == std::string_view::npos && text.find_first_of("/\\ ") == std::string_view::npos;
    return good ? "" : "is no extension";
}

std::string sum_rule(std::string_view text) {
    const bool good = text.size() == 64 && to_lower(text).find_first_not_of("0123456789abcdef") == std::string::npos;
    return good ? "" : "is no SHA-256; write its 64 hexadecimal digits";
}

/// What every rule with a symbol may say.
rows finding_rows() {
    return {
        config::row<entry>(
            "symbol", [](auto& e) -> auto& { return e.found.symbol; }, config::texts(symbol_rule, "a symbol"), ""),
        config::row<entry>(
            "score", [](auto& e) -> auto& { return e.found.score; }, config::reals(-1000, 1000), ""),
        config::row<entry>(
            "action", [](auto& e) -> auto& { return e.found.action; }, config::words(actions), ""),
        config::row<entry>(
            "reason", [](auto& e) -> auto& { return e.found.why; }, config::words(reasons), ""),
        config::row<entry>(
            "strike", [](auto& e) -> auto& { return e.found.strikes; }, config::words(strikes), ""),
    };
}

rows with(rows all, rows more) {
    std::move(more.begin(), more.end(), std::back_inserter(all));
    return all;
}

rows pattern_rows() {
    return with(finding_rows(),
                {config::row<entry>("where", &entry::where, config::word_lists(places), ""),
                 config::row<entry>("match", &entry::match, config::texts(text_rule, "an expression"), ""),
                 config::row<entry>("flags", &entry::flags, config::texts(flags_rule, "i, s, m"), "")});
}
rows words_rows() {
    return with(finding_rows(),
                {config::row<entry>("where", &entry::where, config::word_lists(places), ""),
                 config::row<entry>("words", &entry::words, config::text_lists(text_rule, "a list of words", 1), "")});
}
rows extension_rows() {
    return with(finding_rows(),
                {config::row<entry>("extensions", &entry::words,
                                    config::text_lists(extension_rule, "a list of extensions", 1), "")});
}
rows hash_rows() {
    return with(finding_rows(),
                {config::row<entry>("sha256", &entry::words, config::text_lists(sum_rule, "a list of sums", 1), "")});
}
rows list_rows() {
    return {config::row<entry>("name", &entry::name, config::texts(config::rules::name, "a name"), ""),
            config::row<entry>("words", &entry::words, config::text_lists(text_rule, "a list of words", 1), "")};
}

/// True where all of `keys` stand in the table; those that do not are reported.
bool has_all(const node& table, std::initializer_list<std::string_view> keys, const report& to) {
    bool all = true;
    for (const auto key : keys)
        if (!table.find(key)) {
            to.at(key).add(table, "is missing");
            all = false;
        }
    return all;
}

pattern_rule pattern_of(const entry& from, const node& key) {
    pattern_rule rule;
    rule.found = from.found;
    rule.found.group = "content";
    for (const auto place : from.where)
        rule.where = static_cast<std::uint8_t>(rule.where | place);
    rule.file = key.file ? *key.file : "";
    rule.line = key.line;
    return rule;
}

/// A word as an expression: itself, with any blanks where it has some, and no letter of ASCII before or behind it.
std::string word_expression(std::string_view word) {
    const auto letter = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    std::string out = letter(word.front()) ? "\\b" : "";
    for (const char c : word) {
        if (c == ' ')
            out += "\\s+";
        else if (static_cast<signed char>(c) < 0 || letter(c))
            out += c;
        else
            (out += '\\') += c;
    }
    return out + (letter(word.back()) ? "\\b" : "");
}

void add_pattern(const node& table, const entry& read, rule_set& into, const report& to) {
    if (!has_all(table, {"symbol", "where", "match"}, to)) return;
    auto rule = pattern_of(read, *table.find("match"));
    rule.caseless = read.flags.find('i') != std::string::npos;
    rule.dot_all = read.flags.find('s') != std::string::npos;
    rule.multi_line = read.flags.find('m') != std::string::npos;
    rule.expression = read.match;
    into.patterns.push_back(std::move(rule));
}

void add_words(const node& table, const entry& read, rule_set& into, const report& to) {
    if (!has_all(table, {"symbol", "where", "words"}, to)) return;
    const auto* const list = table.find("words");
    for (std::size_t i = 0; i < read.words.size(); ++i) {
        auto rule = pattern_of(read, list->items[i]);
        rule.caseless = true;
        rule.expression = word_expression(read.words[i]);
        into.patterns.push_back(std::move(rule));
    }
}

void add_extensions(const node& table, entry read, rule_set& into, const report& to) {
    if (!has_all(table, {"extensions"}, to)) return;
    if (read.found.symbol.empty()) read.found.symbol = "RISKY_NAME";
    read.found.group = "attachments";
    for (const auto& one : read.words)
        into.extensions[to_lower(one)] = read.found;
}

/// Without a symbol it is what the check makes of its own lists, but for what the table says otherwise.
void add_hashes(const node& table, entry read, rule_set& into, const report& to) {
    if (!has_all(table, {"sha256"}, to)) return;
    auto& found = read.found;
    if (found.symbol.empty()) {
        found.symbol = "KNOWN_FILE";
        if (!table.find("score")) found.score = 15;
        if (!table.find("action")) found.action = forced_verdict::quarantine;
        if (!table.find("reason")) found.why = reason::virus;
        if (!table.find("strike")) found.strikes = strike_kind::virus;
    }
    found.group = "attachments";
    const auto* const list = table.find("sha256");
    for (std::size_t i = 0; i < read.words.size(); ++i) {
        const auto& at = list->items[i];
        into.hashes[to_lower(read.words[i])] = {found, (at.file ? *at.file : "") + ":" + std::to_string(at.line)};
    }
}

bool is_list(std::string_view name) {
    const auto& known = rule_set::list_names();
    return std::find(known.begin(), known.end(), name) != known.end();
}

void add_list(const node& table, const entry& read, rule_set& into, const report& to) {
    if (!has_all(table, {"name", "words"}, to)) return;
    if (!is_list(read.name)) {
        to.at("name").add(*table.find("name"), config::not_one_of(read.name, rule_set::list_names()));
        return;
    }
    auto& list = into.lists[read.name];
    for (std::string_view word : read.words) {
        if (const auto scheme = word.find("://"); read.name == "bad-urls" && scheme != std::string_view::npos)
            word.remove_prefix(scheme + 3);
        list.insert(folded(word));
    }
}

struct kind {
    std::string_view name;
    rows keys;
    void (*add)(const node&, entry, rule_set&, const report&);
};
const std::vector<kind>& kinds() {
    static const std::vector<kind> all = {
        {"pattern", pattern_rows(),
         [](const node& t, entry e, rule_set& s, const report& r) { add_pattern(t, e, s, r); }},
        {"words", words_rows(), [](const node& t, entry e, rule_set& s, const report& r) { add_words(t, e, s, r); }},
        {"extension", extension_rows(), add_extensions},
        {"hash", hash_rows(), add_hashes},
        {"list", list_rows(), [](const node& t, entry e, rule_set& s, const report& r) { add_list(t, e, s, r); }}};
    return all;
}

void read_document(const node& root, rule_set& into, const report& to) {
    std::vector<std::string> known;
    for (const auto& k : kinds())
        known.emplace_back(k.name);
    for (const auto& [key, value] : root.members) {
        const auto at = std::find_if(kinds().begin(), kinds().end(), [&](const kind& k) { return k.name == key; });
        if (at == kinds().end()) {
            config::report_unknown(key, value, known, to);
            continue;
        }
        const auto here = to.at(key);
        if (!value.is(node::kind::array)) {
            here.add(value, "must be a list of tables; write [[" + key + "]]");
            continue;
        }
        for (const auto& table : value.items) {
            if (!config::expect_table(table, "[[" + key + "]]", here)) continue;
            const auto before = here.count();
            entry read;
            config::read_table(table, read, at->keys, here);
            if (here.count() == before) at->add(table, std::move(read), into, here);
        }
    }
}

std::vector<std::filesystem::path> files_of(const std::filesystem::path& glob) {
    std::vector<std::filesystem::path> files;
    const auto name = glob.filename().string();
    if (name.find('*') == std::string::npos) return {glob};
    std::error_code ignored; // a directory that is not there holds no rules
    for (const auto& one : std::filesystem::directory_iterator{glob.parent_path(), ignored})
        if (glob_match(name, one.path().filename().string())) files.push_back(one.path());
    std::sort(files.begin(), files.end());
    return files;
}

} // namespace

const std::vector<std::string>& rule_set::list_names() {
    static const std::vector<std::string> all = {"bad-domains", "bad-urls", "password-words", "shorteners",
                                                 "user-name-words"};
    return all;
}

const word_list& rule_set::list(std::string_view name) const {
    static const word_list none;
    assert(is_list(name));
    const auto at = lists.find(name);
    return at == lists.end() ? none : at->second;
}

const finding* rule_set::of_name(std::string_view name) const {
    if (extensions.empty()) return nullptr;
    if (name.size() > max_extension + 1) name.remove_prefix(name.size() - max_extension - 1);
    for (auto dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1))
        if (const auto at = extensions.find(to_lower(trim(name.substr(dot + 1)))); at != extensions.end())
            return &at->second;
    return nullptr;
}

const hash_rule* rule_set::of_sum(std::string_view sha256) const {
    const auto at = hashes.find(sha256);
    return at == hashes.end() ? nullptr : &at->second;
}

void parse_rules(std::string_view text, const std::string& file, rule_set& rules, std::vector<std::string>& errors) {
    std::vector<config::config_error> found;
    if (const auto root = config::parse_document(text, file, found)) read_document(*root, rules, report{found, ""});
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
    for (const auto& error : found)
        errors.push_back(error.message());
}

rule_set read_rule_files(const std::vector<std::filesystem::path>& globs, std::vector<std::string>& errors) {
    rule_set rules;
    for (const auto& glob : globs)
        for (const auto& file : files_of(glob)) {
            std::ifstream in{file, std::ios::binary};
            std::ostringstream text;
            if (in) text << in.rdbuf();
            if (in && !in.bad())
                parse_rules(text.str(), file.string(), rules, errors);
            else
                errors.push_back(file.string() + ":0: the file cannot be read");
        }
    return rules;
}

} // namespace postsluice::contentfilter
