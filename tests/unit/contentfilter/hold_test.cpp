// SPDX-License-Identifier: Apache-2.0
// Held mail and ways out by profile, from the session to the next hop.
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using config::forced_verdict;

namespace {

const auto doubtful = found("DOUBT", 1, forced_verdict::hold, reason::score, strike_kind::spam);

template <class Change>
void change_profile(filter& f, Change change) {
    auto profile = std::make_shared<config::profile>(*f.settings->profiles.at("default"));
    change(*profile);
    f.settings->profiles["default"] = profile;
}

std::string send_one(filter& f, const std::string& queue_id, const std::vector<std::string>& to = {"f@example.net"}) {
    postfix p{f.socket()};
    const auto who = std::string{"alice@example.org"};
    return p.send(queue_id, who, to, f.ticket(who, queue_id) + plain(who, "held")).front();
}

/// What the daemon's loop does every few seconds, once.
std::size_t release_due(filter& f) {
    const act::quarantine::sender send = [&f](message_ptr what, std::string token) {
        return f.all->flow().release_in_time(std::move(what), std::move(token));
    };
    return asio::co_spawn(*f.context, f.kept->release_due(f.settings, send, 10), asio::use_future).get().value();
}

} // namespace

BOOST_AUTO_TEST_SUITE(hold)

BOOST_AUTO_TEST_CASE(held_mail_is_in_quarantine_with_its_time_and_leaves_then) {
    filter f;
    change_profile(f, [](auto& p) { p.hold_release = seconds{0}; });
    f.find({doubtful});
    f.start();
    BOOST_TEST(send_one(f, "Q1").starts_with("250 2.0.0 Ok: quarantined, ref "));
    BOOST_TEST(f.quarantined().at(0).held);
    BOOST_TEST((f.quarantined().at(0).release_at == instant{}));
    BOOST_TEST(f.events().at(0).verdict == "hold");
    BOOST_TEST(release_due(f) == 0U);
    f.stop();

    change_profile(f, [](auto& p) { p.hold_release = seconds{1}; });
    f.start();
    BOOST_TEST(send_one(f, "Q2").starts_with("250 "));
    for (int i = 0; i < 3000 && release_due(f) == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    BOOST_TEST(f.hop->deliveries().size() == 1U);
    BOOST_TEST(f.quarantined().size() == 1U); // the one that has no time
    BOOST_TEST(f.log.has("done=released-in-time"));
}

// Killed between the quarantine and the reply: Postfix tries again later.
BOOST_AUTO_TEST_CASE(a_repeat_of_what_left_in_its_time_is_delivered_already) {
    filter f;
    change_profile(f, [](auto& p) { p.hold_release = seconds{1}; });
    f.find({doubtful});
    f.start();
    const std::string who = "alice@example.org";
    const auto content = f.ticket(who, "Q1") + plain(who, "held");
    const auto send = [&](const std::vector<std::string>& to) {
        return postfix{f.socket()}.send("Q1", who, to, content);
    };
    BOOST_TEST(send({"f@example.net"}).front().starts_with("250 2.0.0 Ok: quarantined"));
    for (int i = 0; i < 3000 && release_due(f) == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    BOOST_TEST(f.hop->deliveries().size() == 1U);
    f.stop();
    f.start();
    BOOST_TEST(send({"f@example.net"}).front() == "250 2.0.0 Ok: delivered before");
    BOOST_TEST(f.quarantined().empty());
    BOOST_TEST(f.log.has("done=delivered-before"));
    const auto more = send({"f@example.net", "g@example.net"});
    BOOST_TEST(more.at(0) == "250 2.0.0 Ok: delivered before");
    BOOST_TEST(more.at(1).starts_with("250 2.0.0 Ok: quarantined"));
    BOOST_TEST_REQUIRE(f.quarantined().size() == 1U);
    BOOST_TEST(f.quarantined().at(0).recipients == std::vector<std::string>{"g@example.net"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_not_held_has_no_time) {
    filter f;
    change_profile(f, [](auto& p) { p.hold_release = seconds{1}; });
    f.find({found("EICAR", 20, forced_verdict::quarantine, reason::virus)});
    f.start();
    send_one(f, "Q1");
    BOOST_TEST(!f.quarantined().at(0).held);
    BOOST_TEST((f.quarantined().at(0).release_at == instant{}));
}

BOOST_AUTO_TEST_CASE(what_is_held_for_a_virus_never_leaves_in_its_time) {
    filter f;
    change_profile(f, [](auto& p) { p.hold_release = seconds{1}; });
    f.start();
    for (const auto why : {reason::virus, reason::phish}) {
        f.find({found("MALWARE", 20, forced_verdict::hold, why)});
        send_one(f, "Q" + std::to_string(static_cast<int>(why)));
    }
    for (const auto& entry : f.quarantined()) {
        BOOST_TEST(entry.held);
        BOOST_TEST((entry.release_at == instant{}) == (entry.why == reason::virus));
    }
    for (int i = 0; i < 3000 && release_due(f) == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    BOOST_TEST(f.hop->deliveries().size() == 1U);
    BOOST_TEST_REQUIRE(f.quarantined().size() == 1U);
    BOOST_TEST(f.quarantined().at(0).why == reason::virus);
}

BOOST_AUTO_TEST_CASE(held_mail_of_an_account_that_was_locked_meanwhile_waits) {
    filter f;
    change_profile(f, [](auto& p) {
        p.hold_release = seconds{1};
        p.lock.after = {{1, strike_kind::spam, seconds{600}}}; // the hold itself strikes
    });
    f.find({doubtful});
    f.start();
    send_one(f, "Q1");
    for (int i = 0; i < 3000 && release_due(f) == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    BOOST_TEST(f.log.has("not released: the account is locked"));
    BOOST_TEST(f.hop->deliveries().empty());
    BOOST_TEST_REQUIRE(f.quarantined().size() == 1U);
    BOOST_TEST((f.quarantined().at(0).release_at > f.environments->time().now()));
}

BOOST_AUTO_TEST_CASE(held_mail_goes_to_the_hold_listener_where_the_profile_says_so) {
    filter f;
    fake_hop listener{f.scratch.path / "hold"};
    f.settings->contentfilter.hold_hop = "unix:" + (f.scratch.path / "hold").string();
    change_profile(f, [](auto& p) { p.hold = config::hold_place::queue; });
    f.find({doubtful});
    f.start();
    BOOST_TEST(send_one(f, "Q1").starts_with("250 2.0.0 Ok: queued as "));
    BOOST_TEST(listener.deliveries().size() == 1U);
    BOOST_TEST(f.hop->deliveries().empty());
    BOOST_TEST(f.quarantined().empty());
    BOOST_TEST(f.events().at(0).verdict == "hold");
    BOOST_TEST(f.log.has("done=hold-queue"));
    BOOST_TEST(f.log.has("kind=spam"));
    f.find({});
    BOOST_TEST(send_one(f, "Q2").starts_with("250 "));
    BOOST_TEST(f.hop->deliveries().size() == 1U);
    listener.answer("MAIL", "451 4.3.0 not now");
    f.find({doubtful});
    BOOST_TEST(send_one(f, "Q3").starts_with("451 "));
}

BOOST_AUTO_TEST_CASE(observed_mail_is_not_held) {
    filter f;
    change_profile(f, [](auto& p) {
        p.hold = config::hold_place::queue;
        p.observe = true;
    });
    f.settings->contentfilter.hold_hop = "unix:" + (f.scratch.path / "nobody").string();
    f.find({doubtful});
    f.start();
    BOOST_TEST(send_one(f, "Q1").starts_with("250 "));
    BOOST_TEST(f.hop->deliveries().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_profile_has_its_own_next_hop_and_its_trouble_is_its_own) {
    filter f;
    fake_hop bulk{f.scratch.path / "bulk"};
    const auto there = "unix:" + (f.scratch.path / "bulk").string();
    change_profile(f, [&](auto& p) { p.next_hop = there; });
    f.start();
    BOOST_TEST(send_one(f, "Q1").starts_with("250 "));
    BOOST_TEST(bulk.deliveries().size() == 1U);
    BOOST_TEST(f.hop->deliveries().empty());
    BOOST_TEST(f.all->hops()->all().size() == 2U);
    BOOST_TEST(f.all->hops()->of(there) == f.all->hops()->of(there));
    BOOST_TEST(f.all->hops()->of("") == f.all->hop());
    {
        // A reload that changes nothing keeps the connections.
        const act::next_hops again{f.context->get_executor(), f.settings, f.all->hops().get()};
        BOOST_TEST(again.of(there) == f.all->hops()->of(there));
    } // their connections may not outlive the context
    // Named by settings that are over: it works, alone.
    BOOST_TEST(f.all->hops()->of("unix:/nowhere") != f.all->hop());
    f.stop();
    change_profile(f, [&](auto& p) { p.next_hop = "unix:" + (f.scratch.path / "nobody").string(); });
    f.start();
    BOOST_TEST(send_one(f, "Q2").starts_with("451 4."));
    BOOST_TEST(f.hop->deliveries().empty());
}

BOOST_AUTO_TEST_SUITE_END()
