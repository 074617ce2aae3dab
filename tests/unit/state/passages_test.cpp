// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"
#include "shared/state/passages.hpp"

using namespace postsluice;
using namespace postsluice::state;

namespace {

struct open_passages {
    test::temp_directory scratch;
    manual_clock clock;
    std::unique_ptr<store> where =
        store::open({.directory = scratch.path() / "filter", .map_size = byte_count{16U << 20U}}).value();
    passages log{*where, "secret", clock};

    std::vector<bool> delivered(std::string_view id, std::string_view digest, std::vector<std::string_view> to) {
        return log.delivered(id, digest, to).value();
    }
    void add(std::string_view id, std::string_view digest, std::vector<std::string_view> to) {
        log.add(id, digest, {clock.now(), "alice@example.org", "alice", "body"}, to).value();
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(passages_suite)

BOOST_AUTO_TEST_CASE(a_recipient_is_delivered_to_under_its_id_and_digest_only) {
    open_passages p;
    p.add("4ABC", "d1", {"<a@x>", "<b@x>"});
    p.add("4ABC", "d1", {"<c@x> NOTIFY=NEVER"});
    const std::vector<bool> some = {true, false, true, false};
    BOOST_TEST(p.delivered("4ABC", "d1", {"<b@x>", "<B@x>", "<c@x> NOTIFY=NEVER", "<c@x>"}) == some,
               boost::test_tools::per_element());
    BOOST_TEST(!p.delivered("4ABC", "d2", {"<a@x>"})[0]);
    BOOST_TEST(!p.delivered("4ABD", "d1", {"<a@x>"})[0]);
}

BOOST_AUTO_TEST_CASE(the_latest_passage_is_found_by_its_id) {
    open_passages p;
    BOOST_TEST(!p.log.find("4ABC").value().has_value());
    p.add("4ABC", "d1", {"<a@x>"});
    const auto found = p.log.find("4ABC").value();
    BOOST_TEST_REQUIRE(found.has_value());
    BOOST_TEST(found->account == "alice@example.org");
    BOOST_TEST(found->login == "alice");
    BOOST_TEST(found->body_hash == "body");
    BOOST_TEST((found->at == p.clock.now()));
}

BOOST_AUTO_TEST_CASE(what_is_old_is_forgotten_and_what_was_used_again_stays) {
    open_passages p;
    p.add("OLD", "d1", {"<a@x>"});
    p.add("USED", "d1", {"<a@x>"});
    p.clock.advance(seconds{3600});
    p.add("USED", "d1", {"<b@x>"});
    const auto middle = p.clock.now() - seconds{1800};
    p.log.forget_before(middle, 100).value();
    BOOST_TEST(!p.log.find("OLD").value().has_value());
    BOOST_TEST(!p.delivered("OLD", "d1", {"<a@x>"})[0]);
    BOOST_TEST(p.log.find("USED").value().has_value());
    BOOST_TEST(p.delivered("USED", "d1", {"<a@x>"})[0]);
    p.log.forget_before(p.clock.now() + seconds{1}, 100).value();
    BOOST_TEST(!p.log.find("USED").value().has_value());
    std::size_t left = 0;
    const auto txn = p.where->read().value();
    txn.scan("", "", [&](std::string_view, std::string_view) { return ++left < 100; });
    BOOST_TEST(left == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
