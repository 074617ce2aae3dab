// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/strike.hpp"

#include <algorithm>
#include <limits>

#include <sstream>

using namespace postsluice;

namespace {
const instant start{milliseconds{1767225600000}};
strike of(strike_kind kind, const char* digest, milliseconds after) {
    return {kind, start + after, 1, digest, "K7QM2P4X"};
}
} // namespace

BOOST_AUTO_TEST_SUITE(strikes)

BOOST_AUTO_TEST_CASE(every_kind_has_a_name_that_reads_back) {
    for (const auto kind :
         {strike_kind::spam, strike_kind::phish, strike_kind::virus, strike_kind::limit, strike_kind::manual}) {
        const auto again = parse_strike_kind(to_string(kind));
        BOOST_REQUIRE(again.has_value());
        BOOST_TEST((*again == kind));
        std::ostringstream out;
        out << kind;
        BOOST_TEST(out.str() == to_string(kind));
    }
    for (const auto* text : {"", "Spam", "viruses", "?"})
        BOOST_TEST(!parse_strike_kind(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(strikes_of_one_message_within_the_hour_are_one_proof) {
    struct row {
        const char* what;
        strike other;
        bool same;
    };
    const auto first = of(strike_kind::spam, "d1", {});
    constexpr milliseconds hour = same_proof_window;
    const row table[] = {
        {"at once", of(strike_kind::spam, "d1", {}), true},
        {"just within the hour", of(strike_kind::spam, "d1", hour - milliseconds{1}), true},
        {"just within the hour before", of(strike_kind::spam, "d1", milliseconds{1} - hour), true},
        {"after an hour", of(strike_kind::spam, "d1", hour), false},
        {"an hour before", of(strike_kind::spam, "d1", -hour), false},
        {"another message", of(strike_kind::spam, "d2", {}), false},
        {"another kind", of(strike_kind::virus, "d1", {}), false},
    };
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.what) {
            BOOST_TEST(same_proof(first, one.other) == one.same);
            BOOST_TEST(same_proof(one.other, first) == one.same);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_strike_without_a_digest_is_always_new) {
    const auto one = of(strike_kind::manual, "", {});
    BOOST_TEST(!same_proof(one, one));
}

BOOST_AUTO_TEST_CASE(many_alike_become_few_and_no_window_counts_them_too_short) {
    const instant begin{milliseconds{1767225600000}};
    std::vector<strike> exact, kept;
    instant now = begin;
    std::uint64_t seed = 7;
    for (int i = 0; i < 20'000; ++i) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        now += milliseconds{static_cast<std::int64_t>(seed >> 33U) % 60'000};
        const strike one{strike_kind::invalid_recipients, now, 1, {}, "R"};
        exact.push_back(one);
        kept.push_back(one);
        compact_strikes(kept, now);
    }
    BOOST_TEST(kept.size() <= 300U);
    BOOST_TEST(std::is_sorted(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.at < b.at; }));
    const auto sum_since = [](const std::vector<strike>& all, instant from) {
        std::uint64_t sum = 0;
        for (const auto& s : all)
            sum += s.at > from ? s.weight : 0;
        return sum;
    };
    for (const seconds window : {seconds{60}, seconds{600}, seconds{3600}, seconds{86400}, seconds{5 * 86400}}) {
        BOOST_TEST_CONTEXT(window.count()) {
            BOOST_TEST(sum_since(kept, now - window) >= sum_since(exact, now - window));
            BOOST_TEST(sum_since(kept, now - window) <= sum_since(exact, now - window * 17 / 15 - seconds{2}));
        }
    }
    BOOST_TEST(sum_since(kept, {}) == 20'000U);
}

BOOST_AUTO_TEST_CASE(what_is_not_alike_is_not_added_up) {
    const instant now{milliseconds{1767225600000}}, old = now - seconds{86400};
    std::vector<strike> all{
        {strike_kind::spam, old, 1, "digest", "A"},
        {strike_kind::spam, old, 1, "other", "B"},
        {strike_kind::complaint, old, 1, {}, "C", "anna: called"},
        {strike_kind::complaint, old, 1, {}, "D", "anna: called again"},
        {strike_kind::invalid_recipients, old, 2, {}, "E"},
        {strike_kind::limit, old, 1, {}, "F"},
        {strike_kind::invalid_recipients, old + seconds{1}, 3, {}, "G"},
    };
    compact_strikes(all, now);
    BOOST_REQUIRE(all.size() == 6U);
    BOOST_TEST(all.back().weight == 5U);
    BOOST_TEST(all.back().reference == "G");
}

BOOST_AUTO_TEST_CASE(an_unlock_lies_between_what_it_forgave_and_what_came_after) {
    const instant now{milliseconds{1767225600000}}, old = now - seconds{86400};
    std::vector<strike> all{{strike_kind::invalid_recipients, old, 99, {}, "A"},
                            {strike_kind::invalid_recipients, old + seconds{2}, 1, {}, "B"}};
    auto forgiven = all;
    compact_strikes(all, now);
    BOOST_TEST(all.size() == 1U);
    compact_strikes(forgiven, now, old + seconds{1});
    BOOST_TEST(forgiven.size() == 2U);
}

BOOST_AUTO_TEST_CASE(weights_do_not_overflow_and_the_future_is_now) {
    const instant now{milliseconds{1767225600000}};
    constexpr auto most = std::numeric_limits<std::uint32_t>::max();
    std::vector<strike> all{{strike_kind::invalid_recipients, now, most, {}, "A"},
                            {strike_kind::invalid_recipients, now + seconds{86400}, 9, {}, "B"}};
    compact_strikes(all, now);
    BOOST_REQUIRE(all.size() == 1U);
    BOOST_TEST(all[0].weight == most);
    BOOST_TEST((all[0].at == now));
}

BOOST_AUTO_TEST_SUITE_END()
