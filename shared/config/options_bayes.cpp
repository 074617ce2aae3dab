// SPDX-License-Identifier: Apache-2.0
#include "shared/config/options.hpp"

namespace postsluice::config {
namespace {

using std::chrono::hours;
using s = bayes_settings;

options<s> answers() {
    return {
        row<s>("min_spam", &s::min_spam, integers<std::size_t>(1, 1'000'000),
               "The check says nothing before it has learned so much spam, and ..."),
        row<s>("min_ham", &s::min_ham, integers<std::size_t>(1, 1'000'000), "... so much ham."),
        row<s>("spam_from", &s::spam_from, reals(0.5, 0.9999), "BAYES_SPAM: from this probability of spam on."),
        row<s>("ham_to", &s::ham_to, reals(0.0001, 0.5), "BAYES_HAM: up to this probability of spam."),
        row<s>("spam_score", &s::spam_score, reals(0, 100),
               "The score of what is certain to be spam; it stays below the profile's scores.reject whatever is said "
               "here."),
        row<s>("ham_score", &s::ham_score, reals(0, 100), "What is taken off the score of what is certain to be ham."),
    };
}

options<s> memory() {
    return {
        row<s>("max_message_tokens", &s::max_message_tokens, integers<std::size_t>(100, 100'000),
               "Tokens (words and pairs of words) of one message that are looked at, from its beginning."),
        row<s>("max_tokens", &s::max_tokens, integers<std::size_t>(10'000, 50'000'000),
               "Tokens that are kept, some 60 octets each; over this the weakest are forgotten."),
        row<s>("max_learned", &s::max_learned, integers<std::size_t>(1000, 50'000'000),
               "Learned messages that are remembered, so that none is learned twice and each can be unlearned; over "
               "this the oldest are forgotten, and what they taught stays."),
        row<s>("half_life", &s::half_life, durations(hours{0}, hours{24 * 3660}),
               "What was learned counts half after this time, a quarter after twice of it; 0 s: it counts for ever."),
        row<s>("learn_released", &s::learn_released, booleans(),
               "What a person releases from quarantine to its recipients is learned as ham."),
    };
}

} // namespace

const options<bayes_settings>& bayes_options() {
    static const options<s> rows = [] {
        auto all = answers();
        for (auto& one : memory())
            all.push_back(std::move(one));
        return all;
    }();
    return rows;
}

} // namespace postsluice::config
