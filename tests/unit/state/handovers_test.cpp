// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"
#include "shared/state/handovers.hpp"

using namespace postsluice;
using namespace postsluice::state;

namespace {

struct open_handovers {
    test::temp_directory scratch;
    manual_clock clock;
    std::unique_ptr<store> where =
        store::open({.directory = scratch.path() / "filter", .map_size = byte_count{16U << 20U}}).value();
    handovers all{*where, "secret"};

    void add(std::string_view id, const char* account) {
        all.add(id, {clock.now(), account, "login@example.org", "192.0.2.7", "from@example.org"}).value();
    }
    std::string account_of(std::string_view id) {
        const auto found = all.find(id).value();
        return found ? found->account : "-";
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(handovers_suite)

BOOST_AUTO_TEST_CASE(what_was_handed_over_is_found_by_its_queue_id_alone) {
    open_handovers h;
    h.add("4ABC", "alice@example.org");
    const auto found = h.all.find("4ABC").value();
    BOOST_TEST_REQUIRE(found.has_value());
    BOOST_TEST(found->account == "alice@example.org");
    BOOST_TEST(found->login == "login@example.org");
    BOOST_TEST(found->client == "192.0.2.7");
    BOOST_TEST(found->sender == "from@example.org");
    BOOST_TEST((found->at == h.clock.now()));
    BOOST_TEST(h.account_of("4ABD") == "-");
    BOOST_TEST(h.account_of("") == "-");
}

BOOST_AUTO_TEST_CASE(what_is_old_is_forgotten_and_a_queue_id_that_was_used_again_is_not) {
    open_handovers h;
    h.add("OLD", "alice@example.org");
    h.add("AGAIN", "alice@example.org");
    h.clock.advance(seconds{3600});
    h.add("AGAIN", "bob@example.org");
    h.all.forget_before(h.clock.now() - seconds{1800}, 100).value();
    BOOST_TEST(h.account_of("OLD") == "-");
    BOOST_TEST(h.account_of("AGAIN") == "bob@example.org");
    h.all.forget_before(h.clock.now() + seconds{1}, 100).value();
    BOOST_TEST(h.account_of("AGAIN") == "-");
    std::size_t left = 0;
    const auto txn = h.where->read().value();
    for (const auto* letter : {"H", "B"})
        txn.scan(letter, {}, [&](std::string_view, std::string_view) { return ++left, true; });
    BOOST_TEST(left == 0U);
}

BOOST_AUTO_TEST_CASE(no_more_are_forgotten_at_once_than_asked_for) {
    open_handovers h;
    for (const auto* id : {"A1", "A2", "A3"}) {
        h.add(id, "alice@example.org");
        h.clock.advance(seconds{1});
    }
    h.all.forget_before(h.clock.now(), 2).value();
    BOOST_TEST(h.account_of("A1") == "-");
    BOOST_TEST(h.account_of("A2") == "-");
    BOOST_TEST(h.account_of("A3") == "alice@example.org");
}

BOOST_AUTO_TEST_SUITE_END()
