// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"
#include "shared/state/attempts.hpp"

using namespace postsluice;
using namespace postsluice::state;

BOOST_AUTO_TEST_SUITE(attempts_suite)

BOOST_AUTO_TEST_CASE(only_marks_of_dead_processes_are_tries) {
    const test::temp_directory scratch;
    manual_clock clock;
    auto where = store::open({.directory = scratch.path() / "filter", .map_size = byte_count{16U << 20U}}).value();
    const auto process = [&] { return attempts{*where, "secret", clock}; };
    auto first = process();
    BOOST_TEST(first.begin("Q1", "d").value() == 0U);
    BOOST_TEST(first.begin("Q1", "d").value() == 0U); // a slice beside it
    auto second = process();
    BOOST_TEST(second.begin("Q1", "d").value() == 1U);
    BOOST_TEST(second.begin("Q2", "d").value() == 0U);
    BOOST_TEST(second.begin("Q1", "e").value() == 0U);
    auto third = process();
    BOOST_TEST(third.begin("Q1", "d").value() == 2U);
    BOOST_TEST(third.begin("Q1", "d").value() == 2U);
    third.end("Q1", "d").value();
    third.end("Q1", "d").value();
    BOOST_TEST(process().begin("Q1", "d").value() == 0U); // it was answered: forgotten
}

BOOST_AUTO_TEST_CASE(marks_that_nobody_comes_for_are_forgotten) {
    const test::temp_directory scratch;
    manual_clock clock;
    auto where = store::open({.directory = scratch.path() / "filter", .map_size = byte_count{16U << 20U}}).value();
    attempts dead{*where, "secret", clock}, living{*where, "secret", clock};
    dead.begin("Q1", "d").value();
    living.begin("Q2", "d").value();
    clock.advance(seconds{100});
    living.forget_before(clock.now(), 100).value();
    attempts next{*where, "secret", clock};
    BOOST_TEST(next.begin("Q1", "d").value() == 0U);
    BOOST_TEST(next.begin("Q2", "d").value() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
