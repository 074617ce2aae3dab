// SPDX-License-Identifier: Apache-2.0
// Collects the findings of one check: one a symbol, with the highest score and its evidence. A hundred files of one
// kind count once.
#pragma once

#include "contentfilter/verdict.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postsluice::contentfilter {

class finding_list {
public:
    explicit finding_list(std::string group)
        : group_{std::move(group)} {}

    /// `evidence` may come from strangers: it is made printable. The answer is valid until the next call.
    finding& add(std::string_view symbol, double score, std::string_view evidence) {
        auto at = std::find_if(found_.begin(), found_.end(), [&](const auto& f) { return f.symbol == symbol; });
        if (at == found_.end()) {
            finding made;
            made.symbol = symbol;
            made.score = score;
            made.group = group_;
            made.evidence = printable(evidence);
            found_.push_back(std::move(made));
            return found_.back();
        }
        if (score > at->score) {
            at->score = score;
            at->evidence = printable(evidence);
        }
        return *at;
    }
    /// What a rule of the operator's yields, under `symbol`: of several under one, the strictest action holds.
    void add(const finding& rule, std::string_view symbol, std::string_view evidence) {
        auto& f = add(symbol, rule.score, evidence);
        if (f.action > rule.action) return;
        f.action = rule.action;
        f.why = rule.why;
        f.strikes = rule.strikes;
    }
    [[nodiscard]] std::vector<finding> take() { return std::move(found_); }

private:
    std::string group_;
    std::vector<finding> found_;
};

} // namespace postsluice::contentfilter
