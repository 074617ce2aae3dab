// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include "shared/state/known_gaps.hpp"

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;

BOOST_AUTO_TEST_SUITE(known_gaps_test)

BOOST_AUTO_TEST_CASE(nothing_is_looked_for_from_where_nothing_comes_on) {
    const temp_directory dir;
    const auto s = open_journaled_store(dir / "counters");
    put(*s, "T3", "x");
    put(*s, "U1", "x");
    BOOST_REQUIRE(s->sync().has_value());
    const auto view = s->read().value();
    known_gaps gaps;
    BOOST_TEST(!gaps.has("T5"));
    gaps.learn(view, "T2"); // T3 comes after it
    BOOST_TEST(!gaps.has("T2"));
    gaps.learn(view, "T5");
    BOOST_TEST(gaps.has("T5"));
    BOOST_TEST(gaps.has("T50"));
    BOOST_TEST(gaps.has("T9"));
    BOOST_TEST(!gaps.has("T49"));
    BOOST_TEST(!gaps.has("T3"));
    BOOST_TEST(!gaps.has("U9"));
    gaps.clear();
    BOOST_TEST(!gaps.has("T9"));
}

BOOST_AUTO_TEST_CASE(records_in_no_order_are_asked_about_a_few_times_only) {
    const temp_directory dir;
    const auto s = open_journaled_store(dir / "counters");
    put(*s, "A5", "x");
    BOOST_REQUIRE(s->sync().has_value());
    const auto view = s->read().value();
    known_gaps gaps;
    for (int i = 0; i < 4; ++i)
        gaps.learn(view, "A1");
    gaps.learn(view, "A6");
    BOOST_TEST(!gaps.has("A6"));
}

BOOST_AUTO_TEST_CASE(what_a_later_view_has_is_found) {
    const temp_directory dir;
    const auto s = open_journaled_store(dir / "counters");
    for (int i = 10; i < 40; ++i) {
        const auto key = "T" + std::to_string(i);
        BOOST_TEST((get(*s, key) == std::nullopt)); // now its absence is known
        put(*s, key, key);
        BOOST_REQUIRE(s->sync().has_value()); // three of these, and it lies in no layer
        BOOST_TEST((get(*s, "T10") == std::optional<std::string>{"T10"}));
        BOOST_TEST((get(*s, key) == std::optional<std::string>{key}));
    }
}

BOOST_AUTO_TEST_SUITE_END()
