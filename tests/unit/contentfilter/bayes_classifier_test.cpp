// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "contentfilter/bayes/classifier.hpp"

#include <cmath>

using namespace postsluice;
using namespace postsluice::contentfilter::bayes;
using postsluice::state::class_counts;

namespace {

/// `words` of one place each, all with the same counts.
opinion judge(std::vector<std::pair<std::size_t, class_counts>> groups, class_counts learned = {1000, 1000}) {
    std::vector<token> tokens;
    std::vector<class_counts> counts;
    std::uint32_t place = 0;
    for (const auto& [words, each] : groups)
        for (std::size_t i = 0; i < words; ++i) {
            ++place;
            tokens.push_back({place, place, place});
            counts.push_back(each);
        }
    return classify(tokens, counts, learned);
}

constexpr class_counts spammy{1, 99}, hammy{99, 1}, neutral{50, 50}, unseen{};

} // namespace

BOOST_AUTO_TEST_SUITE(bayes_classifier_test)

// scipy.stats.chi2.sf(x, degrees)
BOOST_AUTO_TEST_CASE(chi_square_is_the_textbooks) {
    const std::tuple<double, std::size_t, double> table[] = {
        {0, 2, 1.0},
        {1, 2, 0.6065306597126334},
        {10, 2, 0.006737946999085467},
        {10, 10, 0.44049328506521257},
        {100, 50, 3.4549313580286e-05},
        {300, 300, 0.489139},
    };
    for (const auto& [x, degrees, expected] : table)
        BOOST_TEST_CONTEXT(x << " of " << degrees)
    BOOST_TEST(chi_square_above(x, degrees) == expected, boost::test_tools::tolerance(1e-4));
    BOOST_TEST(chi_square_above(1e6, 300) == 0.0);
}

BOOST_AUTO_TEST_CASE(evidence_of_one_kind_decides) {
    BOOST_TEST(judge({{20, spammy}}).spam > 0.999);
    BOOST_TEST(judge({{20, hammy}}).spam < 0.001);
    BOOST_TEST(judge({{20, spammy}}).used == 20u);
}

BOOST_AUTO_TEST_CASE(evidence_of_both_kinds_is_undecided) {
    BOOST_TEST(judge({{20, spammy}, {20, hammy}}).spam == 0.5, boost::test_tools::tolerance(0.01));
    BOOST_TEST(judge({{30, spammy}, {20, hammy}}).spam < 0.9);
}

BOOST_AUTO_TEST_CASE(what_says_nothing_is_not_used) {
    BOOST_TEST(judge({{100, neutral}, {100, unseen}}).used == 0u);
    BOOST_TEST(judge({{100, neutral}}).spam == 0.5);
    BOOST_TEST(judge({{20, spammy}, {500, neutral}}).used == 20u);
    BOOST_TEST(judge({}).spam == 0.5);
}

BOOST_AUTO_TEST_CASE(what_was_seen_rarely_says_little) {
    BOOST_TEST(judge({{3, {0, 1}}}).spam < judge({{3, {0, 10}}}).spam);
    BOOST_TEST(judge({{1, {0, 0.05}}}).used == 0u); // faded
}

BOOST_AUTO_TEST_CASE(shares_are_of_what_was_learned_of_each_class) {
    // Ten in a thousand ham, ten in ten thousand spam: ham.
    BOOST_TEST(judge({{10, {10, 10}}}, {1000, 10'000}).spam < 0.1);
    BOOST_TEST(judge({{10, {10, 10}}}, {10'000, 1000}).spam > 0.9);
}

BOOST_AUTO_TEST_CASE(a_word_counts_in_its_strongest_token_alone) {
    // Words 1 and 2, and the pair of them, which is stronger than either.
    const std::vector<token> tokens{{10, 1, 1}, {11, 1, 2}, {12, 2, 2}, {13, 3, 3}};
    const std::vector<class_counts> counts{{5, 10}, {0, 50}, {5, 10}, {5, 10}};
    BOOST_TEST(classify(tokens, counts, {1000, 1000}).used == 2u);
}

BOOST_AUTO_TEST_CASE(only_the_strongest_are_used) {
    BOOST_TEST(judge({{1000, spammy}}).used == most_tokens);
    BOOST_TEST(judge({{most_tokens, {0, 500}}, {1000, {20, 10}}}).spam > 0.99);
    const auto sure = judge({{1000, spammy}}).spam;
    BOOST_TEST(std::isfinite(sure));
    BOOST_TEST(sure <= 1.0);
}

BOOST_AUTO_TEST_SUITE_END()
