// SPDX-License-Identifier: Apache-2.0
// Rules as files: rules.d/*.toml, read strictly; all mistakes are reported as "file:line: key: what is wrong". A file
// holds any of
//   [[pattern]]    an expression: symbol, score, where, match, flags; action, reason, strike
//   [[words]]      words, each of them a pattern without difference of case: symbol, score, where, words; ...
//   [[extension]]  extensions of file names: symbol (RISKY_NAME), score, extensions; ...
//   [[hash]]       files by their SHA-256: symbol (KNOWN_FILE), score, sha256; ...
//   [[list]]       words that a check asks for by the list's name: name, words
// docs/rule-files.md says all of it. Pure but for reading the files.
#pragma once

#include "contentfilter/verdict.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::contentfilter {

/// Where a pattern looks: a set of these.
enum pattern_place : std::uint8_t {
    in_subject = 1,   ///< Subject, decoded
    in_text = 2,      ///< what a reader sees: text parts, and the text that HTML shows, as UTF-8
    in_html = 4,      ///< source of HTML parts, as UTF-8
    in_raw = 8,       ///< octets of every part, transfer encoding undone
    in_url = 16,      ///< each URL of text, HTML, header and file names
    in_file_name = 32 ///< each file name, decoded
};

struct pattern_rule {
    finding found; ///< what a match yields, without evidence
    std::uint8_t where = 0;
    bool caseless = false, dot_all = false, multi_line = false; ///< flags i, s, m
    std::string expression;
    std::string file;
    unsigned line = 0;
    [[nodiscard]] std::string position() const { return file + ":" + std::to_string(line); }
};

struct hash_rule {
    finding found;
    std::string position; ///< "file:line"
};

using word_list = std::set<std::string, std::less<>>;

struct rule_set {
    std::vector<pattern_rule> patterns;                     ///< of [[pattern]] and [[words]]
    std::map<std::string, finding, std::less<>> extensions; ///< lower case, without the dot
    std::map<std::string, hash_rule, std::less<>> hashes;   ///< by the sum, in lower case
    std::map<std::string, word_list, std::less<>>
        lists; ///< folded (case_fold.hpp); of one name from all files together

    /// The lists that checks ask for: a file may name no other.
    [[nodiscard]] static const std::vector<std::string>& list_names();
    /// One of these; empty where no file has it.
    [[nodiscard]] const word_list& list(std::string_view name) const;
    /// What the longest extension of a name that has a rule yields ("tar.gz" before "gz"); null: none has.
    [[nodiscard]] const finding* of_name(std::string_view name) const;
    /// The rule of a file with this SHA-256, in hex of lower case; null: there is none.
    [[nodiscard]] const hash_rule* of_sum(std::string_view sha256) const;
};

/// Adds the rules of `text`; what is wrong with it goes to `errors`.
void parse_rules(std::string_view text, const std::string& file, rule_set& rules, std::vector<std::string>& errors);

/// Reads all files of `globs` ('*' in the last component; such a glob may match nothing, a plain path must exist).
[[nodiscard]] rule_set read_rule_files(const std::vector<std::filesystem::path>& globs,
                                       std::vector<std::string>& errors);

} // namespace postsluice::contentfilter
