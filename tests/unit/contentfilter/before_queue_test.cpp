// SPDX-License-Identifier: Apache-2.0
// Mail that smtpd hands over before it is queued (smtpd_proxy_filter).
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

/// As smtpd says it: each message on its own connection, no IDENT.
std::string deliver(filter& f, const std::string& sender, const std::string& content) {
    postfix p{f.socket(), false};
    p.command("XFORWARD NAME=client.example.org ADDR=192.0.2.1 IDENT=[UNAVAILABLE] SOURCE=REMOTE");
    p.command("mail from: " + sender + " SIZE=100");
    p.command("rcpt to: f@example.net");
    if (const auto data = p.command("DATA"); !data.starts_with("354")) return data;
    p.socket().send(content + ".\r\n");
    return p.reply();
}

} // namespace

BOOST_AUTO_TEST_SUITE(before_the_queue)

BOOST_AUTO_TEST_CASE(clean_mail_passes_and_the_next_hops_reply_is_the_clients) {
    filter f;
    f.start(smtp::protocol::smtp, way::before_queue);
    const auto content = f.ticket("alice@example.org", "-") + plain("alice@example.org", "clean");
    BOOST_TEST(deliver(f, "alice@example.org", content) == "250 2.0.0 Ok: queued as NEXT1");
    BOOST_TEST(f.hop->deliveries().at(0).mail.starts_with("alice@example.org"));
    BOOST_TEST(f.log.has("account=alice@example.org"));
}

BOOST_AUTO_TEST_CASE(a_refusal_is_said_to_the_client_however_many_there_were_and_whoever_sent_it) {
    filter f;
    auto now = std::make_shared<config::settings>(*f.settings);
    now->contentfilter.bounces_per_hour = 1;
    f.settings = now;
    f.start(smtp::protocol::smtp, way::before_queue);
    f.find({found("BAD", 20)});
    const auto alice = f.ticket("alice@example.org", "-");
    for (int i = 0; i < 3; ++i)
        BOOST_TEST(deliver(f, "alice@example.org", alice + plain("alice@example.org", "bad" + std::to_string(i)))
                       .starts_with("550 5.7.1"));
    BOOST_TEST(deliver(f, "<>", alice + plain("alice@example.org", "null sender")).starts_with("550 5.7.1"));
    BOOST_TEST(deliver(f, "alice@example.org", plain("alice@example.org", "no ticket")).starts_with("550 5.7.1"));
    BOOST_TEST(f.quarantined().empty());
    BOOST_TEST(f.hop->deliveries().empty());
    BOOST_TEST(f.events().size() == 5U);
}

BOOST_AUTO_TEST_CASE(what_is_held_or_malware_is_kept_and_accepted) {
    filter f;
    f.start(smtp::protocol::smtp, way::before_queue);
    f.find({found("VIRUS", 20, config::forced_verdict::quarantine, reason::virus, strike_kind::virus)});
    const auto content = f.ticket("alice@example.org", "-") + plain("alice@example.org", "virus");
    BOOST_TEST(deliver(f, "alice@example.org", content).starts_with("250 2.0.0 Ok: quarantined"));
    BOOST_TEST(f.quarantined().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_message_sent_again_is_a_new_one) {
    filter f;
    f.start(smtp::protocol::smtp, way::before_queue);
    const auto content = f.ticket("alice@example.org", "-") + plain("alice@example.org", "twice");
    BOOST_TEST(deliver(f, "alice@example.org", content).starts_with("250"));
    BOOST_TEST(deliver(f, "alice@example.org", content).starts_with("250"));
    BOOST_TEST(f.hop->deliveries().size() == 2U);
}

BOOST_AUTO_TEST_CASE(an_ident_of_another_server_is_not_taken_for_ours) {
    filter f;
    f.start(smtp::protocol::smtp, way::before_queue);
    postfix p{f.socket(), false};
    const auto content = f.ticket("alice@example.org", "Q1") + plain("alice@example.org", "ident");
    BOOST_TEST(p.send("Q1", "alice@example.org", {"f@example.net"}, content).front().starts_with("250"));
    BOOST_TEST(p.send("Q1", "alice@example.org", {"f@example.net"}, content).front().starts_with("250"));
    BOOST_TEST(f.hop->deliveries().size() == 2U);
    BOOST_TEST(f.log.has("account=- queue_id=-"));
}

BOOST_AUTO_TEST_CASE(what_cleanup_would_change_is_changed_before_signing) {
    filter f;
    f.start(smtp::protocol::smtp, way::before_queue);
    const auto content = f.ticket("alice@example.org", "-") +
                         "Received: from c (c [192.0.2.1])\r\n\tby m (Postfix) with ESMTPSA;\r\n\tSat, 21 Nov 2026 "
                         "10:00:00 +0000 (UTC)\r\nFrom: alice@example.org\r\nSubject : odd\r\nBcc: "
                         "h@example.net\r\nReturn-Path: <x@example.net>\r\nContent-Length: 5\r\n\r\na\rb\r\n" +
                         std::string(2000, 'x') + "\r\n";
    BOOST_TEST(deliver(f, "alice@example.org", content).starts_with("250"));
    const auto got = f.hop->deliveries().at(0).content;
    for (const auto* gone : {"Bcc:", "Return-Path:", "Content-Length:", "X-Postsluice-Ticket", "a\rb", "Subject :"})
        BOOST_TEST(got.find(gone) == std::string::npos, gone);
    for (const auto* there : {"\r\nSubject: odd\r\n", "\r\nDate: ", "\r\nMessage-ID: ", "\r\na b\r\n"})
        BOOST_TEST(got.find(there) != std::string::npos, there << " is not in " << got);
    BOOST_TEST(got.find(std::string(998, 'x') + "\r\n xx") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(quit_inside_the_content_is_an_abort) {
    filter f;
    f.start(smtp::protocol::smtp, way::before_queue);
    {
        postfix p{f.socket(), false};
        BOOST_TEST(p.envelope("", "alice@example.org", {"f@example.net"}).starts_with("354"));
        p.socket().send(plain("alice@example.org", "refused at the end") + "QUIT\r\n");
        p.socket().half_close();
        BOOST_TEST(p.reply() == "closed");
    }
    f.end_serving();
    BOOST_TEST(f.hop->deliveries().empty());
    BOOST_TEST(f.log.has("said QUIT inside the content"));
}

BOOST_AUTO_TEST_CASE(the_answer_comes_before_smtpd_gives_up) {
    filter f;
    auto now = std::make_shared<config::settings>(*f.settings);
    now->contentfilter.deadline_before_queue = seconds{6};
    f.settings = now;
    f.hop->answer("DATA", "250-goes on"); // a reply that never ends
    f.start(smtp::protocol::smtp, way::before_queue);
    const auto begun = std::chrono::steady_clock::now();
    const auto content = f.ticket("alice@example.org", "-") + plain("alice@example.org", "slow");
    BOOST_TEST(deliver(f, "alice@example.org", content).starts_with("451"));
    BOOST_TEST((std::chrono::steady_clock::now() - begun < seconds{60})); // as configured for the queue: 270 s
    f.hop->forget_rules();
    BOOST_TEST(deliver(f, "alice@example.org", content).starts_with("250"));
}

BOOST_AUTO_TEST_SUITE_END()
