// SPDX-License-Identifier: Apache-2.0
// Whoever finds an entry in quarantine finds its event, its strike and the lock as well; and what was being checked
// when the lock came is stopped by it.
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

const auto virus = found("EICAR", 20, config::forced_verdict::quarantine, reason::virus, strike_kind::virus);

bool is_locked_now(filter& f, const std::string& account) {
    const auto lock = f.environments->accounts().read_lock(account).value();
    return lock && is_locked(*lock, f.environments->time().now());
}

} // namespace

BOOST_AUTO_TEST_SUITE(kept_in_order)

BOOST_AUTO_TEST_CASE(an_entry_is_seen_when_its_event_its_strike_and_its_lock_are_there) {
    filter f;
    f.find({virus});
    f.start();
    for (int number = 0; number < 20; ++number) {
        const auto id = "Q" + std::to_string(number), account = "eve" + std::to_string(number) + "@example.org";
        std::jthread client{[&] {
            postfix p{f.socket()};
            p.send(id, account, {"a@example.net"}, f.ticket(account, id) + plain(account, id));
        }};
        std::vector<state::quarantine_entry> entries;
        while (entries.size() <= static_cast<std::size_t>(number))
            entries = f.quarantined();
        const auto mine = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.queue_id == id; });
        BOOST_TEST_REQUIRE((mine != entries.end()));
        BOOST_TEST(f.environments->events().find(mine->id).value().has_value());
        BOOST_TEST(is_locked_now(f, account));
        BOOST_TEST(f.environments->accounts().history(account, 10).value().strikes.at(0).reference == mine->id);
    }
}

BOOST_AUTO_TEST_CASE(a_crash_between_what_is_told_and_the_entry_loses_neither_and_doubles_neither) {
    filter f;
    f.find({virus});
    f.start();
    const auto content = f.ticket("eve@example.org", "Q1") + plain("eve@example.org", "x");
    const auto send = [&] {
        return postfix{f.socket()}.send("Q1", "eve@example.org", {"a@example.net"}, content).front();
    };
    const auto reply = send();
    BOOST_TEST_REQUIRE(f.quarantined().size() == 1U);
    const auto id = f.quarantined().front().id;
    run_awaitable(f.environments->quarantine().erase(id)).value(); // as if it had not come so far
    BOOST_TEST_REQUIRE(f.quarantined().empty());
    f.stop();
    f.start();
    BOOST_TEST_REQUIRE(f.quarantined().size() == 1U); // by its files
    BOOST_TEST(f.quarantined().front().id == id);
    BOOST_TEST(send() == reply);
    BOOST_TEST(f.quarantined().size() == 1U);
    BOOST_TEST(f.events().size() == 1U);
    const auto strikes = f.environments->accounts().history("eve@example.org", 10).value().strikes;
    BOOST_TEST_REQUIRE(strikes.size() == 1U);
    BOOST_TEST(strikes.front().reference == id);
}

BOOST_AUTO_TEST_CASE(where_there_is_no_room_nothing_is_told) {
    filter f;
    f.find({virus});
    f.settings->quarantine.max_messages = 0;
    f.start();
    const auto content = f.ticket("eve@example.org", "Q1") + plain("eve@example.org", "x");
    BOOST_TEST(postfix{f.socket()}.send("Q1", "eve@example.org", {"a@example.net"}, content).front().starts_with("4"));
    BOOST_TEST(f.events().empty());
    BOOST_TEST(!is_locked_now(f, "eve@example.org"));
}

BOOST_AUTO_TEST_CASE(a_lock_that_comes_while_a_message_is_checked_stops_it) {
    for (const bool clean : {true, false})
        BOOST_TEST_CONTEXT((clean ? "clean" : "tagged")) {
            filter f;
            f.find(clean ? std::vector<finding>{} : std::vector{found("MILD", 7)});
            f.on_check = [&](const message& m) {
                if (m.queue_id == "Q1")
                    run_awaitable(f.environments->accounts().lock("eve@example.org", "root", "stolen", "REF")).value();
            };
            f.start();
            postfix p{f.socket()};
            BOOST_TEST(p.send("Q1", "eve@example.org", {"a@example.net"},
                              f.ticket("eve@example.org", "Q1") + plain("eve@example.org", "x"))
                           .front()
                           .starts_with("250 2.0.0 Ok: quarantined"));
            BOOST_TEST(f.hop->deliveries().empty());
            BOOST_TEST_REQUIRE(f.events().size() == 1U);
            BOOST_TEST(f.events().front().why == reason::account_locked);
            BOOST_TEST(p.send("Q2", "bob@example.org", {"a@example.net"},
                              f.ticket("bob@example.org", "Q2") + plain("bob@example.org", "x"))
                           .front()
                           .starts_with("250 2.0.0 Ok: queued"));
        }
}

BOOST_AUTO_TEST_SUITE_END()
