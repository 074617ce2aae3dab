// SPDX-License-Identifier: Apache-2.0
// What Postfix hands over again and again counts once.
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using namespace std::chrono_literals;

namespace {

finding failed() {
    auto f = found("CHECK_FAILED", 0);
    f.check = "clamd";
    f.temperror = true;
    return f;
}

std::uint64_t count_of(const filter& f, verdict_kind kind) {
    return f.counts.verdicts.at(static_cast<std::size_t>(kind));
}

} // namespace

BOOST_AUTO_TEST_SUITE(counted_once_suite)

BOOST_AUTO_TEST_CASE(each_thing_said_of_a_message_counts_once_with_its_first_reference) {
    counted_once memory;
    BOOST_TEST(!memory.before("Q1 d", "tempfail", "REF1").has_value());
    BOOST_TEST(memory.before("Q1 d", "tempfail", "REF2").value() == "REF1");
    BOOST_TEST(!memory.before("Q1 d", "hold", "REF3").has_value());
    BOOST_TEST(!memory.before("Q1 e", "tempfail", "REF4").has_value());
    BOOST_TEST(!memory.before("Q2 d", "put off").has_value());
    BOOST_TEST(memory.before("Q2 d", "put off").value() == "");
}

BOOST_AUTO_TEST_CASE(what_is_asked_for_is_kept_and_the_rest_forgotten_in_its_turn) {
    counted_once memory{2, 100s};
    const counted_once::time_point start{};
    BOOST_TEST(!memory.before("a", "x", "A", start).has_value());
    BOOST_TEST(!memory.before("b", "x", "B", start).has_value());
    BOOST_TEST(memory.before("a", "x", "", start + 60s).value() == "A"); // full, and nothing goes for it
    BOOST_TEST(!memory.before("c", "x", "C", start + 61s).has_value());  // b goes
    BOOST_TEST(memory.before("a", "x", "", start + 150s).value() == "A");
    BOOST_TEST(!memory.before("b", "x", "", start + 151s).has_value()); // c goes
    BOOST_TEST(!memory.before("c", "x", "", start + 152s).has_value()); // a goes
    BOOST_TEST(memory.before("b", "x", "", start + 153s).has_value());
    BOOST_TEST(!memory.before("b", "x", "", start + 254s).has_value()); // nobody asked for 100 s
}

BOOST_AUTO_TEST_CASE(a_temporary_failure_is_one_event_with_one_reference_and_every_try_looks_anew) {
    filter f;
    std::atomic<int> asked{0};
    f.on_check = [&](const message&) { ++asked; };
    f.find({failed()});
    f.start();
    postfix p{f.socket()};
    const auto content = f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "x");
    const auto first = p.send("Q1", "bob@example.org", {"a@example.net"}, content).front();
    BOOST_TEST(first.starts_with("451 4.3.0"));
    for (int i = 0; i < 3; ++i)
        BOOST_TEST(p.send("Q1", "bob@example.org", {"a@example.net"}, content).front() == first);
    BOOST_TEST(asked == 4);
    BOOST_TEST_REQUIRE(f.events().size() == 1U);
    BOOST_TEST(first.ends_with("ref " + f.events().front().reference));
    BOOST_TEST(count_of(f, verdict_kind::tempfail) == 1U);
    BOOST_TEST(f.counts.tempfailed == 1U);
    // Another message is another one, and what is found in the end counts too.
    p.send("Q2", "bob@example.org", {"a@example.net"},
           f.ticket("bob@example.org", "Q2") + plain("bob@example.org", "x"));
    BOOST_TEST(f.events().size() == 2U);
    BOOST_TEST(count_of(f, verdict_kind::tempfail) == 2U);
    BOOST_TEST(f.counts.tempfailed == 2U);
    f.find({});
    BOOST_TEST(p.send("Q1", "bob@example.org", {"a@example.net"}, content).front().starts_with("250 2.0.0 Ok: queued"));
    BOOST_TEST(count_of(f, verdict_kind::pass) == 1U);
    BOOST_TEST(f.events().size() == 2U);
}

BOOST_AUTO_TEST_CASE(slices_that_wait_for_a_check_that_fails_do_not_wait_in_turn) {
    filter f;
    std::atomic<int> asked{0};
    std::promise<void> go_on;
    const auto told = go_on.get_future().share();
    f.on_check = [&](const message& m) {
        if (m.queue_id == "Q1" && ++asked == 1) told.wait();
    };
    f.find({failed()});
    f.start();
    const auto content = f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "sliced");
    std::vector<std::string> replies(4);
    {
        std::vector<std::jthread> slices;
        for (std::size_t i = 0; i < replies.size(); ++i)
            slices.emplace_back([&, i] {
                postfix p{f.socket()};
                replies[i] = p.send("Q1", "bob@example.org", {std::to_string(i) + "@example.net"}, content).front();
            });
        for (int tries = 0; tries < 60'000 && f.counts.in_progress < replies.size(); ++tries)
            std::this_thread::sleep_for(1ms);
        postfix behind{f.socket()}; // the one thread that is free has brought them to where they wait when it answers
        behind.send("Q2", "bob@example.org", {"a@example.net"}, plain("bob@example.org", "behind"));
        go_on.set_value();
    }
    BOOST_TEST(replies[0].starts_with("451 4.3.0"));
    for (const auto& reply : replies)
        BOOST_TEST(reply == replies[0]);
    BOOST_TEST(asked == 1);
    BOOST_TEST(f.events().size() == 2U);
    BOOST_TEST(count_of(f, verdict_kind::tempfail) == 2U);
}

BOOST_AUTO_TEST_CASE(mail_without_a_ticket_that_is_put_off_counts_once) {
    filter f;
    f.settings->contentfilter.no_ticket = config::no_ticket_policy::tempfail;
    f.start();
    postfix p{f.socket()};
    for (int i = 0; i < 3; ++i)
        BOOST_TEST(p.send("Q1", "bob@example.org", {"a@example.net"}, plain("bob@example.org", "x"))
                       .front()
                       .starts_with("451 4.3.0"));
    BOOST_TEST(f.counts.no_ticket == 1U);
    BOOST_TEST(f.events().size() == 1U);
    BOOST_TEST(count_of(f, verdict_kind::tempfail) == 1U);
}

BOOST_AUTO_TEST_CASE(what_the_next_hop_puts_off_counts_once) {
    filter f;
    f.hop->answer("DOT", "450 4.2.0 later");
    f.start();
    postfix p{f.socket()};
    const auto content = f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "x");
    for (int i = 0; i < 3; ++i)
        BOOST_TEST(p.send("Q1", "bob@example.org", {"a@example.net"}, content).front().starts_with("450"));
    BOOST_TEST(f.counts.tempfailed == 1U);
    BOOST_TEST(count_of(f, verdict_kind::pass) == 1U);
}

BOOST_AUTO_TEST_CASE(before_the_queue_each_try_is_a_new_transaction) {
    filter f;
    f.find({failed()});
    f.start(smtp::protocol::smtp, way::before_queue);
    const auto content = f.ticket("bob@example.org", "-") + plain("bob@example.org", "x");
    for (int i = 0; i < 2; ++i) {
        postfix p{f.socket(), false};
        BOOST_TEST(p.send("", "bob@example.org", {"a@example.net"}, content).front().starts_with("451"));
    }
    BOOST_TEST(f.events().size() == 2U);
}

BOOST_AUTO_TEST_SUITE_END()
