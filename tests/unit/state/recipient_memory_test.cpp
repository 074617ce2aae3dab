// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"
#include "shared/state/recipient_memory.hpp"

using namespace postsluice;
using namespace postsluice::state;

namespace {

struct open_memory {
    test::temp_directory scratch;
    std::unique_ptr<store> where =
        store::open({.directory = scratch.path() / "filter", .map_size = byte_count{16U << 20U}}).value();
    recipient_memory memory{*where, "secret"};
};

} // namespace

BOOST_AUTO_TEST_SUITE(recipient_memory_suite)

BOOST_FIXTURE_TEST_CASE(what_was_learned_is_known_to_that_account_alone, open_memory) {
    memory.learn("alice@example.org", {"a@x", "b@x"}, 1000).value();
    const auto answer = memory.ask("alice@example.org", {"a@x", "b@x", "c@x"}).value();
    BOOST_TEST(answer.fresh == 1u);
    BOOST_TEST(answer.known == 2u);
    BOOST_TEST(memory.ask("bob@example.org", {"a@x"}).value().fresh == 1u);
    BOOST_TEST(memory.ask("bob@example.org", {"a@x"}).value().known == 0u);
    BOOST_TEST(memory.ask("alice@example.org", {}).value().fresh == 0u);
}

BOOST_FIXTURE_TEST_CASE(nothing_is_written_where_all_are_known, open_memory) {
    memory.learn("alice@example.org", {"a@x", "b@x"}, 1000).value();
    const auto before = where->version().value();
    memory.learn("alice@example.org", {"b@x", "a@x"}, 1000).value();
    memory.learn("alice@example.org", {}, 1000).value();
    BOOST_TEST((where->version().value() == before));
}

BOOST_FIXTURE_TEST_CASE(an_account_keeps_no_more_than_its_bound, open_memory) {
    std::vector<std::string> many;
    for (int i = 0; i < 5000; ++i)
        many.push_back(std::to_string(i) + "@x");
    memory.learn("alice@example.org", many, 512).value();
    const auto answer = memory.ask("alice@example.org", {"new@x"}).value();
    BOOST_TEST(answer.known <= 512u);
    BOOST_TEST(answer.known > 400u);
}

BOOST_AUTO_TEST_SUITE_END()
