// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/strike.hpp"

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

BOOST_AUTO_TEST_SUITE_END()
