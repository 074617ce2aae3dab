// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"
#include "shared/state/verdict_history.hpp"

using namespace postsluice;
using namespace postsluice::state;

namespace {

constexpr auto alice = "alice@example.org";

struct open_history {
    test::temp_directory scratch;
    std::unique_ptr<store> where =
        store::open({.directory = scratch.path() / "filter", .map_size = byte_count{16U << 20U}}).value();
    verdict_history history{*where, "secret"};
    const instant begin{seconds{1'700'000'000}};
    verdict_history::bounds within{5, seconds{16000}};

    void learn(bool bad, seconds after, const char* account = alice) {
        history.learn(account, bad, begin + after, within).value();
    }
    std::pair<std::size_t, std::size_t> ask(seconds since, std::size_t kept = 5, const char* account = alice) {
        const auto found = history.ask(account, begin + since, kept).value();
        return {found.bad, found.messages};
    }
};

using pair = std::pair<std::size_t, std::size_t>;

} // namespace

BOOST_AUTO_TEST_SUITE(verdict_history_suite)

BOOST_FIXTURE_TEST_CASE(an_account_has_its_own_history, open_history) {
    BOOST_TEST((ask(seconds{-1}) == pair{0, 0}));
    learn(false, seconds{0});
    learn(true, seconds{10});
    BOOST_TEST((ask(seconds{-1}) == pair{1, 2}));
    BOOST_TEST((ask(seconds{0}) == pair{1, 1}));
    BOOST_TEST((ask(seconds{10}) == pair{0, 0}));
    BOOST_TEST((ask(seconds{-1}, 5, "bob@example.org") == pair{0, 0}));
}

BOOST_FIXTURE_TEST_CASE(the_newest_are_kept, open_history) {
    for (int i = 0; i < 3; ++i)
        learn(true, seconds{i});
    for (int i = 3; i < 7; ++i)
        learn(false, seconds{i});
    BOOST_TEST((ask(seconds{-1}) == pair{1, 5}));
    BOOST_TEST((ask(seconds{-1}, 4) == pair{0, 4})); // the bound was lowered since
    within.kept = 2;
    learn(true, seconds{8});
    within.kept = 5;
    BOOST_TEST((ask(seconds{-1}) == pair{1, 2}));
}

BOOST_FIXTURE_TEST_CASE(one_more_good_message_of_a_good_account_costs_no_write, open_history) {
    for (int i = 0; i < 5; ++i)
        learn(false, seconds{i});
    const auto before = where->version().value();
    learn(false, seconds{1003});
    BOOST_TEST((where->version().value() == before));
    learn(false, seconds{1004}); // what is kept is old by now
    BOOST_TEST((where->version().value() != before));
    learn(true, seconds{1005});
    BOOST_TEST((ask(seconds{-1}) == pair{1, 5}));
    learn(false, seconds{1006}); // with a bad one among them each counts
    BOOST_TEST((ask(seconds{1004}) == pair{1, 2}));
}

BOOST_AUTO_TEST_SUITE_END()
