// SPDX-License-Identifier: Apache-2.0
// Whose verdict it is, and whose strike. Slices that wait for each other are in session_test.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/verdict_memory.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using namespace std::chrono_literals;

namespace {

std::optional<verdict_memory::remembered> ask(verdict_memory& of, const std::string& key) {
    return run_awaitable(of.ask(key, std::chrono::steady_clock::now() + 10s));
}

} // namespace

BOOST_AUTO_TEST_SUITE(verdict_memory_test)

BOOST_AUTO_TEST_CASE(the_first_one_finds_it_and_the_others_are_told) {
    verdict_memory memory;
    BOOST_TEST(!ask(memory, "a").has_value());
    memory.tell("a", {verdict{}, "REF1"});
    BOOST_TEST(ask(memory, "a")->reference == "REF1");
    BOOST_TEST(!ask(memory, "b").has_value());
    memory.give_up("b");
    BOOST_TEST(!ask(memory, "b").has_value()); // the next one is the first
}

BOOST_AUTO_TEST_CASE(what_is_told_those_that_wait_is_kept_for_nobody) {
    verdict_memory memory;
    BOOST_TEST(!ask(memory, "a").has_value());
    memory.tell_waiting("a", {verdict{}, "REF1"});
    BOOST_TEST(!ask(memory, "a").has_value()); // the first again
    memory.tell_waiting("never asked", {verdict{}, "REF1"});
    BOOST_TEST(!ask(memory, "never asked").has_value());
}

BOOST_AUTO_TEST_CASE(a_strike_is_dealt_once_unless_it_could_not_be_written) {
    verdict_memory memory;
    BOOST_TEST(!ask(memory, "a").has_value());
    memory.tell("a", {verdict{}, "REF1"});
    BOOST_TEST(memory.first_to_strike("a"));
    BOOST_TEST(!memory.first_to_strike("a"));
    memory.tell("a", {verdict{}, "REF2"}); // another verdict for the rest of it (the bounce cap)
    BOOST_TEST(!memory.first_to_strike("a"));
    memory.not_struck("a");
    BOOST_TEST(memory.first_to_strike("a"));
    BOOST_TEST(memory.first_to_strike("never heard of")); // forgotten: the state's own rules count
}

BOOST_AUTO_TEST_SUITE_END()
