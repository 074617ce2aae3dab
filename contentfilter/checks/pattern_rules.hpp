// SPDX-License-Identifier: Apache-2.0
// Rule files for the patterns check: one rule a line, read strictly, all mistakes reported as "file:line: what is
// wrong". The syntax is explained at the top of contentfilter/rules.d/eicar.rules. Pure but for reading the files.
#pragma once

#include "contentfilter/verdict.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::contentfilter {

/// Where a pattern looks: a set of these.
enum pattern_place : std::uint8_t {
    in_subject = 1,   ///< Subject, decoded
    in_text = 2,      ///< text parts but HTML, as UTF-8
    in_html = 4,      ///< source of HTML parts, as UTF-8
    in_raw = 8,       ///< octets of every part, transfer encoding undone
    in_url = 16,      ///< each URL of text and HTML
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

/// Adds the rules of `text`; what is wrong with it goes to `errors`.
void parse_rules(std::string_view text, const std::string& file, std::vector<pattern_rule>& rules,
                 std::vector<std::string>& errors);

/// Reads all files of `globs` ('*' in the last component; such a glob may match nothing, a plain path must exist).
[[nodiscard]] std::vector<pattern_rule> read_rule_files(const std::vector<std::filesystem::path>& globs,
                                                        std::vector<std::string>& errors);

} // namespace postsluice::contentfilter
