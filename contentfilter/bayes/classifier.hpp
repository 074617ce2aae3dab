// SPDX-License-Identifier: Apache-2.0
// From counts to a probability: is this message more like the spam or more like the ham that was learned? Pure.
//
// Each token's share of spam, p = (s/S) / (s/S + h/H), is drawn towards 1/2 as long as it was seen but rarely: f = (x k
// + n p) / (k + n), n = s + h (G. Robinson, "A Statistical Approach to the Spam Problem", 2003). Tokens are then
// combined by Fisher's method: where they say nothing, -2 sum(ln f) is a chi-square of two degrees of freedom a token;
// the result is (1 + P(spam) - P(ham)) / 2, so that a message with as much evidence on either side comes out undecided,
// and not as whichever is a little ahead.
//
// Fisher's method wants independent tokens, and pairs of neighbouring words are anything but that. So a word counts in
// one token only: the strongest first, and no other with a word of it (tiling, as SpamBayes does it for pairs). At most
// `most_tokens` count. Where it is wrong: text in a language that was learned in spam alone is spam to it.
#pragma once

#include "contentfilter/bayes/tokens.hpp"
#include "shared/state/token_statistics.hpp"

namespace postsluice::contentfilter::bayes {

inline constexpr std::size_t most_tokens = 150;

struct opinion {
    double spam = 0.5;    ///< probability
    std::size_t used = 0; ///< tokens that it rests on
};

/// `counts` are those of `tokens`, in their order; `learned` the messages of each class, both more than none.
[[nodiscard]] opinion classify(const std::vector<token>& tokens, const std::vector<state::class_counts>& counts,
                               const state::class_counts& learned);

/// The probability that a chi-square of `degrees` (even) is at least `x`.
[[nodiscard]] double chi_square_above(double x, std::size_t degrees) noexcept;

} // namespace postsluice::contentfilter::bayes
