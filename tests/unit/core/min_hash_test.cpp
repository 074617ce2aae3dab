// SPDX-License-Identifier: Apache-2.0
// The estimate and its error, on sets whose likeness is known. The figures of docs/checks/fingerprint.md come from
// here.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/min_hash.hpp"

#include <cmath>
#include <random>
#include <vector>

using namespace postsluice;

namespace {

using members = std::vector<std::uint64_t>;

min_hash sketch(const members& of) {
    min_hash_maker maker;
    for (const auto one : of)
        maker.add(one);
    return maker.take().value();
}

/// Two sets of `size` members each, of which `common` are in both.
struct pair {
    min_hash a, b;
};
pair pair_of(std::size_t size, std::size_t common, std::mt19937_64& random) {
    members a, b;
    for (std::size_t i = 0; i < size; ++i) {
        a.push_back(random());
        b.push_back(i < common ? a.back() : random());
    }
    return {sketch(a), sketch(b)};
}

double jaccard(std::size_t size, std::size_t common) {
    return static_cast<double>(common) / static_cast<double>(2 * size - common);
}

/// The part of `tries` pairs of this likeness that reach `similarity`.
double matched(std::size_t size, std::size_t common, double similarity, std::size_t tries, std::mt19937_64& random) {
    std::size_t hits = 0;
    for (std::size_t i = 0; i < tries; ++i) {
        const auto one = pair_of(size, common, random);
        hits += likeness(one.a, one.b) >= similarity ? 1U : 0U;
    }
    return static_cast<double>(hits) / static_cast<double>(tries);
}

} // namespace

BOOST_AUTO_TEST_SUITE(min_hash_test)

BOOST_AUTO_TEST_CASE(equal_sets_have_equal_sketches_in_any_order_and_number) {
    BOOST_TEST((sketch({1, 2, 3}) == sketch({3, 3, 1, 2, 1})));
    BOOST_TEST((sketch({1, 2, 3}) != sketch({1, 2, 4})));
    BOOST_TEST(!min_hash_maker{}.take().has_value());
    BOOST_TEST(likeness(sketch({7}), sketch({7})) == 1.0);
}

BOOST_AUTO_TEST_CASE(likeness_estimates_what_sets_have_in_common) {
    std::mt19937_64 random{1};
    for (const std::size_t size : {60, 300, 3000})
        for (const double share : {0.0, 0.3, 0.6, 0.9}) {
            const auto common = static_cast<std::size_t>(share * static_cast<double>(size));
            double sum = 0;
            constexpr int tries = 200;
            for (int i = 0; i < tries; ++i) {
                const auto one = pair_of(size, common, random);
                sum += likeness(one.a, one.b);
            }
            BOOST_TEST_CONTEXT(size << " members, " << share << " in common")
            BOOST_TEST(std::abs(sum / tries - jaccard(size, common)) < 0.02);
        }
}

BOOST_AUTO_TEST_CASE(wrong_matches_are_as_rare_as_stated_and_right_ones_as_sure) {
    std::mt19937_64 random{2};
    // 38 members: the shortest text that has a fingerprint (40 words). Likeness 0.5: two thirds of the pieces in
    // common.
    for (const std::size_t size : {38, 200}) {
        BOOST_TEST_CONTEXT(size << " members") {
            const auto with = [&](double j) {
                return static_cast<std::size_t>(std::floor(2 * j / (1 + j) * double(size)));
            };
            BOOST_TEST(matched(size, with(0.2), 0.8, 20'000, random) == 0.0);
            BOOST_TEST(matched(size, with(0.5), 0.8, 20'000, random) < 0.002);
            BOOST_TEST(matched(size, with(0.95), 0.8, 2000, random) > 0.98);
        }
    }
}

BOOST_AUTO_TEST_CASE(likely_sets_share_a_band_and_others_do_not) {
    std::mt19937_64 random{3};
    const auto meets = [&](std::size_t common) {
        std::size_t met = 0;
        for (int i = 0; i < 1000; ++i) {
            const auto one = pair_of(100, common, random);
            const auto a = bands_of(one.a), b = bands_of(one.b);
            bool any = false;
            for (std::size_t j = 0; j < a.size(); ++j)
                any = any || a[j] == b[j];
            met += any ? 1U : 0U;
        }
        return met;
    };
    BOOST_TEST(meets(89) > 990U); // likeness 0.8
    BOOST_TEST(meets(0) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
