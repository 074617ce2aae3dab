// SPDX-License-Identifier: Apache-2.0
// What another filter found, as findings of ours: its symbols with a prefix, so that they never mean one of our own,
// and its scores times a factor. They propose no action: the thresholds of the profile decide.
#pragma once

#include "contentfilter/checks/finding_list.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postsluice::contentfilter {

struct foreign_symbol {
    std::string name;
    double score = 0;
    std::string detail; ///< for operators
    bool operator==(const foreign_symbol&) const = default;
};

struct foreign_answer {
    double score = 0, threshold = 0;
    std::string action; ///< what that filter would do, in its own words
    std::vector<foreign_symbol> symbols;
    bool cut = false; ///< it had more symbols than are read
};

/// As a symbol of ours: upper case, what is no letter, digit or '_' as '_'.
[[nodiscard]] std::string symbol_name(std::string_view prefix, std::string_view name);
/// Instead of an answer: the filter was not asked.
[[nodiscard]] std::vector<finding> not_asked(std::string_view symbol, std::string_view why);
[[nodiscard]] std::vector<finding> findings_of(const foreign_answer& answer, std::string_view prefix, double factor);

} // namespace postsluice::contentfilter
