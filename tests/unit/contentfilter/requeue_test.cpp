// SPDX-License-Identifier: Apache-2.0
// Mail that `postsuper -r` brings back, by pipe: Postfix does not say which queue ID it had.
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include "contentfilter/intake/received.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

std::string pickup_line(const std::string& uid, const std::string& id) {
    return "Received: by mail.example.org (Postfix, from userid " + uid + ")\r\n\tid " + id +
           "; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n";
}

/// As the re-entry service writes it, and smtpd in general.
std::string smtpd_trace(const std::string& id, const std::string& more = {}) {
    return "Received: from localhost (localhost [127.0.0.1])\r\n" + more +
           "\tby mail.example.org (Postfix) with ESMTP id " + id +
           "\r\n\tfor <a@example.net>; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n";
}

const std::string our_trace = "Received: from mail.example.org\r\n\tby filter.example.org (Postsluice) with LMTP id "
                              "Q1;\r\n\tSat, 21 Nov 2026 10:00:00 +0000\r\n";

} // namespace

BOOST_AUTO_TEST_SUITE(requeue)

BOOST_AUTO_TEST_CASE(the_queue_id_of_before_is_below_what_pickup_wrote_for_the_mail_owner) {
    const auto two_lines =
        "Received: from c (c [192.0.2.1])\r\n\tby m.example.org (Postfix) with ESMTPSA id B1;\r\n\tSat, "
        "21 Nov 2026 10:00:00 +0000 (UTC)\r\n";
    struct row {
        const char* name;
        std::string text, expected;
    };
    const row rows[] = {
        {"once", pickup_line("108", "C1") + smtpd_trace("B1") + our_trace, "B1"},
        {"twice", pickup_line("108", "D1") + pickup_line("108", "C1") + smtpd_trace("B1") + our_trace, "B1"},
        {"many recipients", pickup_line("108", "C1") + two_lines, "B1"},
        {"other fields between", pickup_line("108", "C1") + "X-Filter: x\r\n" + smtpd_trace("B1"), "B1"},
        {"TLS and a login",
         pickup_line("108", "C1") +
             smtpd_trace("B1", "\t(using TLSv1.3 with cipher X (256/256 bits))\r\n\t(Authenticated sender: a)\r\n"),
         "B1"},
        {"a client's words in it",
         pickup_line("108", "C1") +
             smtpd_trace("B1", "\t(Client CN \"x by y (Postfix) with ESMTP id F1\", Issuer \"z\" (verified OK))\r\n"),
         "B1"},
        {"never queued again", smtpd_trace("B1") + our_trace, ""},
        {"a local user's", pickup_line("33", "C1") + smtpd_trace("F1"), ""},
        {"a local user's, queued again", pickup_line("108", "C1") + pickup_line("33", "B1") + smtpd_trace("F1"), ""},
        {"a forged one below smtpd's", smtpd_trace("B1") + pickup_line("108", "C1") + smtpd_trace("F1"), ""},
        {"ours next", pickup_line("108", "C1") + our_trace, ""},
        {"no queue ID",
         pickup_line("108", "C1") + "Received: from c (c [192.0.2.1])\r\n\tby m (Postfix) with ESMTPSA;\r\n\tSat, 21 "
                                    "Nov 2026 10:00:00 +0000\r\n",
         ""},
        {"nothing below", pickup_line("108", "C1") + "Subject: x\r\n", ""},
        {"another program's",
         pickup_line("108", "C1") +
             "Received: from c\r\n\tby m (Sendmail) with ESMTP id B1;\r\n\tSat, 21 Nov 2026 10:00:00 +0000\r\n",
         ""},
        {"cut off",
         pickup_line("108", "C1") + "Received: from c (c [192.0.2.1])\r\n\tby m (Postfix) with ESMTP id \r\n", ""},
        {"none", "Subject: x\r\n", ""},
    };
    for (const auto& r : rows) {
        BOOST_TEST_CONTEXT(r.name) {
            const auto header = parse_header_text(r.text + "\r\n", 1U << 20U, 1000);
            BOOST_TEST(queue_id_before_requeue(header, 108).value_or("") == r.expected);
        }
    }
}

BOOST_AUTO_TEST_CASE(by_pipe_what_was_queued_again_behind_the_filter_passes_unless_its_account_is_locked) {
    filter f; // its mail owner is 4242, its next hop calls what it takes NEXT1, NEXT2, ...
    f.settings->contentfilter.no_ticket = config::no_ticket_policy::hold;
    f.start(smtp::protocol::lmtp, way::pipe);
    postfix p{f.socket()};
    p.send("Q1", "bob@example.org", {"a@example.net"},
           f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "x"));
    f.find({found("EICAR", 20, config::forced_verdict::quarantine, reason::virus)}); // not asked again
    const auto requeued = [](const std::string& id, const std::string& behind, const std::string& body = "hello\r\n") {
        return pickup_line("4242", id) + smtpd_trace(behind) + our_trace + plain("bob@example.org", "x", body);
    };
    BOOST_TEST(p.send("R1", "bob@example.org", {"a@example.net"}, requeued("R1", "NEXT1"))[0].starts_with(
                   "250 2.0.0 Ok: queued"),
               f.log.all());
    BOOST_TEST(f.counts.no_ticket == 0U);
    BOOST_TEST(f.log.has("account=bob@example.org queue_id=R1 next_queue_id=NEXT2 proof=passed"));
    // And once more, from there.
    BOOST_TEST(p.send("R2", "bob@example.org", {"a@example.net"}, requeued("R2", "NEXT2"))[0].starts_with(
        "250 2.0.0 Ok: queued"));
    // The queue ID alone proves nothing: another body, another message; nor does the body alone.
    const auto stopped = "250 2.0.0 Ok: quarantined";
    BOOST_TEST(p.send("R3", "bob@example.org", {"a@example.net"}, requeued("R3", "NEXT1", "evil\r\n"))[0].starts_with(
        stopped));
    BOOST_TEST(p.send("R4", "bob@example.org", {"a@example.net"}, requeued("R4", "NEXT9"))[0].starts_with(stopped));
    // Nor what a sender writes himself, below the field of the service that took his message.
    BOOST_TEST(
        p.send("R5", "bob@example.org", {"a@example.net"}, smtpd_trace("R5") + requeued("R6", "NEXT1"))[0].starts_with(
            stopped));
    BOOST_TEST(f.counts.no_ticket == 3U);
    run_awaitable(f.environments->accounts().lock("bob@example.org", "root", "stolen", "REF")).value();
    BOOST_TEST(p.send("R7", "bob@example.org", {"c@example.net"}, requeued("R7", "NEXT1"))[0].starts_with(stopped));
    BOOST_TEST(f.events().front().why == reason::account_locked);
}

BOOST_AUTO_TEST_CASE(by_lmtp_the_ident_decides_and_no_field) {
    filter f;
    f.settings->contentfilter.no_ticket = config::no_ticket_policy::hold;
    f.start();
    postfix p{f.socket()};
    p.send("Q1", "bob@example.org", {"a@example.net"},
           f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "x"));
    const auto requeued = pickup_line("4242", "R1") + smtpd_trace("NEXT1") + our_trace + plain("bob@example.org", "x");
    BOOST_TEST(
        p.send("Q9", "bob@example.org", {"a@example.net"}, requeued)[0].starts_with("250 2.0.0 Ok: quarantined"));
    BOOST_TEST(p.send("Q1", "bob@example.org", {"a@example.net"}, requeued)[0].starts_with("250 2.0.0 Ok: queued"));
}

BOOST_AUTO_TEST_SUITE_END()
