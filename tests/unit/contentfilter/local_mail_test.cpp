// SPDX-License-Identifier: Apache-2.0
// Mail of local users as lmtp(8) hands it over: no IDENT, no client, and pickup's Received field on top.
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using config::forced_verdict;

namespace {

const std::vector<std::string> friends = {"a@example.net", "b@example.net", "c@example.net"};

std::string from_pickup(const std::string& uid, const std::string& queue_id) {
    return "Received: by mail.example.org (Postfix, from userid " + uid + ")\r\n\tid " + queue_id +
           "; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n";
}

/// What a program of user 33 sent, with fields of its own making on top.
std::string local(const std::string& queue_id, const std::string& made_up = {}) {
    return from_pickup("33", queue_id) + made_up +
           "From: web@example.org\r\nTo: a@example.net\r\nSubject: local\r\nDate: Sat, 21 Nov 2026 10:00:00 "
           "+0000\r\nMessage-ID: <m1@example.org>\r\n\r\nhello\r\n";
}

std::vector<std::string> send(postfix& p, const std::vector<std::string>& recipients, const std::string& content,
                              const std::string& xforward = "SOURCE=LOCAL") {
    p.command("XFORWARD " + xforward);
    return p.send("", "web@example.org", recipients, content);
}

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(local_mail)

BOOST_AUTO_TEST_CASE(it_is_known_by_pickups_queue_id_here_and_behind_us) {
    filter f;
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(send(p, {"a@example.net"}, local("4bQ1")).front().starts_with("250"));
    BOOST_TEST(f.log.has("account=uid:33 queue_id=4bQ1 next_queue_id=NEXT1 proof=uid"), f.log.all());
    const auto got = f.hop->deliveries();
    BOOST_TEST_REQUIRE(got.size() == 1U);
    BOOST_TEST(holds(got[0].xforward, " IDENT=4bQ1"));
    BOOST_TEST(holds(got[0].content, "(Postsluice) with LMTP id 4bQ1;"));
}

BOOST_AUTO_TEST_CASE(the_same_bytes_after_a_lost_reply_go_to_the_others_only) {
    filter f;
    f.start();
    f.hop->answer("RCPT TO:<b@", "450 4.2.0 later", true);
    {
        postfix p{f.socket()};
        BOOST_TEST(send(p, friends, local("4bQ1"))[1].starts_with("450 4.2.0"));
    }
    postfix p{f.socket()};
    const auto again = send(p, friends, local("4bQ1"));
    BOOST_TEST(again[0] == "250 2.0.0 Ok: delivered before");
    BOOST_TEST(again[1].starts_with("250 2.0.0 Ok: queued"));
    BOOST_TEST(again[2] == "250 2.0.0 Ok: delivered before");
    BOOST_TEST_REQUIRE(f.hop->deliveries().size() == 2U);
    BOOST_TEST(f.hop->deliveries()[1].recipients == std::vector<std::string>{"<b@example.net>"});
    // The next message of the same words is another one, whatever it says of itself.
    BOOST_TEST(send(p, friends, local("4bQ2", from_pickup("33", "4bQ1")))[0].starts_with("250 2.0.0 Ok: queued"));
}

BOOST_AUTO_TEST_CASE(its_slices_share_one_verdict_one_event_and_one_strike) {
    filter f;
    f.find({found("FORGED", 20, forced_verdict::reject, reason::spam, strike_kind::spam)});
    std::atomic<int> asked{0};
    f.on_check = [&](const message&) { ++asked; };
    f.start();
    postfix p{f.socket()};
    const auto first = send(p, {"a@example.net"}, local("4bQ1"))[0];
    BOOST_TEST(first.starts_with("550 5.7.1"), first + f.log.all());
    BOOST_TEST(send(p, {"b@example.net"}, local("4bQ1"))[0] == first); // the reference, too
    BOOST_TEST(asked == 1);
    BOOST_TEST(f.events().size() == 1U);
    BOOST_TEST(f.environments->accounts().history("uid:33", 10).value().strikes.size() == 1U);
}

BOOST_AUTO_TEST_CASE(queued_again_before_us_it_is_still_the_users) {
    filter f;
    f.settings->contentfilter.no_ticket = config::no_ticket_policy::hold;
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(
        send(p, {"a@example.net"}, from_pickup("4242", "4bQ2") + local("4bQ1"))[0].starts_with("250 2.0.0 Ok: queued"));
    BOOST_TEST(f.log.has("account=uid:33 queue_id=4bQ1 next_queue_id=NEXT1 proof=uid"), f.log.all());
}

BOOST_AUTO_TEST_CASE(queued_again_behind_us_it_passes_by_the_queue_id_that_we_told_the_next_hop) {
    filter f;
    f.settings->contentfilter.no_ticket = config::no_ticket_policy::hold;
    f.start();
    postfix p{f.socket()};
    send(p, {"a@example.net"}, local("4bQ1"));
    f.find({found("EICAR", 20, forced_verdict::quarantine, reason::virus, strike_kind::virus)}); // not asked again
    const auto again = from_pickup("4242", "4bQ3") +
                       "Received: from filter.example.org (unknown [unknown])\r\n\tby mail.example.org (Postfix) with "
                       "ESMTP id 4bQ2\r\n\tfor <a@example.net>; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n" +
                       local("4bQ1");
    BOOST_TEST(send(p, {"a@example.net"}, again, "IDENT=4bQ1 SOURCE=REMOTE")[0].starts_with("250 2.0.0 Ok: queued"));
    BOOST_TEST(f.log.has("account=uid:33 queue_id=4bQ1 next_queue_id=NEXT2 proof=passed"), f.log.all());
    BOOST_TEST(f.counts.no_ticket == 0U);
    BOOST_TEST(f.quarantined().empty());
    // The IDENT comes from Postfix alone: what a user writes himself, below pickup's, passes nothing.
    send(p, {"a@example.net"}, from_pickup("34", "4bQ4") + local("4bQ1"));
    BOOST_TEST_REQUIRE(f.quarantined().size() == 1U);
    BOOST_TEST(f.quarantined()[0].account == "uid:34");
    BOOST_TEST(f.quarantined()[0].queue_id == "4bQ4");
}

BOOST_AUTO_TEST_CASE(a_ticket_of_its_queue_id_makes_nobody_else_of_the_user) {
    filter f;
    f.start();
    postfix p{f.socket()};
    send(p, {"a@example.net"}, local("4bQ1", f.ticket("alice@example.org", "4bQ1")));
    BOOST_TEST(f.log.has("account=uid:33 queue_id=4bQ1"), f.log.all());
    // Nor after it was queued again behind us: the ticket did not pass.
    BOOST_TEST(!holds(f.hop->deliveries().at(0).content, "X-Postsluice-Ticket"));
}

BOOST_AUTO_TEST_CASE(mail_of_a_client_has_no_queue_id_by_what_it_says) {
    filter f;
    f.start();
    postfix p{f.socket()};
    send(p, {"a@example.net"}, local("4bQ1"), "ADDR=192.0.2.1");
    BOOST_TEST(f.log.has("account=- queue_id=- "), f.log.all());
    BOOST_TEST(!holds(f.hop->deliveries().at(0).xforward, "IDENT"));
}

BOOST_AUTO_TEST_SUITE_END()
