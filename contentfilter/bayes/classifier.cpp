// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/bayes/classifier.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace postsluice::contentfilter::bayes {

namespace {

constexpr double doubt = 1;       // k: so many unseen messages that say nothing
constexpr double weakest = 0.1;   // |f - 1/2| below this is noise
constexpr double surest = 0.9999; // f stays this far from certainty, however often a token was seen

struct weighed {
    const token* what;
    double spam; ///< f
    [[nodiscard]] double strength() const noexcept { return std::abs(spam - 0.5); }
};

double spam_share(const state::class_counts& seen, const state::class_counts& learned) noexcept {
    const double spam = seen.spam / learned.spam, ham = seen.ham / learned.ham;
    const double share = spam / (spam + ham);
    const double f = (doubt * 0.5 + seen.sum() * share) / (doubt + seen.sum());
    return std::clamp(f, 1 - surest, surest);
}

/// The strongest tokens of which no two have a word in common.
std::vector<weighed> strongest(std::vector<weighed> all) {
    std::sort(all.begin(), all.end(), [](const weighed& a, const weighed& b) {
        return a.strength() != b.strength() ? a.strength() > b.strength() : a.what->hash < b.what->hash;
    });
    std::vector<weighed> out;
    std::unordered_set<std::uint32_t> taken;
    for (const auto& one : all) {
        if (out.size() == most_tokens) break;
        if (taken.contains(one.what->first) || taken.contains(one.what->last)) continue;
        taken.insert({one.what->first, one.what->last});
        out.push_back(one);
    }
    return out;
}

} // namespace

// exp(-x/2) times the first degrees/2 terms of the series of exp(x/2).
double chi_square_above(double x, std::size_t degrees) noexcept {
    const double half = x / 2;
    double term = std::exp(-half), sum = term;
    for (std::size_t i = 1; i < degrees / 2; ++i) {
        term *= half / static_cast<double>(i);
        sum += term;
    }
    return std::min(sum, 1.0);
}

opinion classify(const std::vector<token>& tokens, const std::vector<state::class_counts>& counts,
                 const state::class_counts& learned) {
    std::vector<weighed> known;
    for (std::size_t i = 0; i < tokens.size() && i < counts.size(); ++i) {
        if (counts[i].sum() <= 0) continue;
        const weighed one{&tokens[i], spam_share(counts[i], learned)};
        if (one.strength() >= weakest) known.push_back(one);
    }
    const auto used = strongest(std::move(known));
    if (used.empty()) return {};
    double log_spam = 0, log_ham = 0;
    for (const auto& one : used) {
        log_spam += std::log(one.spam);
        log_ham += std::log(1 - one.spam);
    }
    const double unlike_ham = chi_square_above(-2 * log_ham, 2 * used.size());
    const double unlike_spam = chi_square_above(-2 * log_spam, 2 * used.size());
    return {(1 + unlike_spam - unlike_ham) / 2, used.size()};
}

} // namespace postsluice::contentfilter::bayes
