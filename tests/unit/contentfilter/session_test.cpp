// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using config::forced_verdict;

namespace {

std::string header_of(const std::string& content) {
    return content.substr(0, content.find("\r\n\r\n") + 2);
}
bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}
const auto virus = found("EICAR", 20, forced_verdict::quarantine, reason::virus, strike_kind::virus);
const auto spam = found("GTUBE", 20, forced_verdict::quarantine, reason::spam, strike_kind::spam);
const auto forged_from = found("FROM_FORBIDDEN", 8, forced_verdict::reject, reason::header_from_forbidden);

} // namespace

BOOST_AUTO_TEST_SUITE(session)

BOOST_AUTO_TEST_CASE(a_clean_message_passes_with_its_envelope_and_one_log_line) {
    filter f;
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(p.greeting.starts_with("220 filter.example.org LMTP"));
    p.command("XFORWARD NAME=client.example.org ADDR=192.0.2.1 IDENT=Q1");
    p.command("MAIL FROM:<alice@example.org> SIZE=100 RET=HDRS ENVID=abc");
    p.command("RCPT TO:<f@example.net> NOTIFY=FAILURE ORCPT=rfc822;f@example.net");
    BOOST_TEST(p.command("DATA").starts_with("354"));
    p.socket().send(f.ticket("alice@example.org", "Q1") + plain("alice@example.org", "clean") + ".\r\n");
    BOOST_TEST(p.reply() == "250 2.0.0 Ok: queued as NEXT1");

    const auto got = f.hop->deliveries();
    BOOST_TEST_REQUIRE(got.size() == 1U);
    BOOST_TEST(holds(got[0].mail, "<alice@example.org>"));
    BOOST_TEST(holds(got[0].mail, "RET=HDRS"));
    BOOST_TEST(holds(got[0].mail, "ENVID=abc"));
    BOOST_TEST(holds(got[0].mail, "SIZE=" + std::to_string(got[0].size)));
    BOOST_TEST(got[0].recipients ==
                   std::vector<std::string>{"<f@example.net> NOTIFY=FAILURE ORCPT=rfc822;f@example.net"},
               boost::test_tools::per_element());
    BOOST_TEST(holds(got[0].xforward, "IDENT=Q1"));
    BOOST_TEST(!holds(got[0].content, "X-Postsluice-Ticket"));
    BOOST_TEST(holds(got[0].content, "by filter.example.org (Postsluice) with LMTP id Q1"));
    BOOST_TEST(got[0].content.ends_with("\r\n\r\nhello\r\n"));
    for (const auto* words : {"account=alice@example.org", "queue_id=Q1", "next_queue_id=NEXT1", "verdict=pass",
                              "sign=no-key", "proof=ticket"})
        BOOST_TEST(f.log.has(words), f.log.all());
    BOOST_TEST(f.events().empty());
    BOOST_TEST(f.counts.verdicts[0] == 1U);
}

BOOST_AUTO_TEST_CASE(every_key_of_the_from_domain_signs_and_libopendkim_accepts_it) {
    filter f;
    make_key(f.settings->dkim.directory, "example.org", "rsa1", EVP_PKEY_RSA, f.dns);
    make_key(f.settings->dkim.directory, "example.org", "ed1", EVP_PKEY_ED25519, f.dns);
    f.start();
    postfix p{f.socket()};
    const std::string odd = "Received: from x\r\n\tby y (Postfix) with ESMTP id Q1; Sat, 21 Nov 2026 10:00:00 "
                            "+0000\r\nFrom: Alice <alice@lists.example.org>\r\n"
                            "Bcc: hidden@example.net\r\nReturn-Path: <x@y>\r\nContent-Length: 7\r\nSubject: "
                            "odd\r\n\r\n.\r\n..\r\na  b\t \r\n" +
                            std::string(5000, 'x') + "\r\n\r\n\r\n";
    BOOST_TEST(p.send("Q1", "alice@example.org", {"f@example.net"},
                      f.ticket("alice@example.org", "Q1") + plain("alice@example.org", "signed"))
                   .front()
                   .starts_with("250"));
    std::string stuffed;
    for (std::size_t at = 0; at < odd.size();) {
        const auto end = odd.find("\r\n", at) + 2;
        if (odd[at] == '.') stuffed += '.';
        stuffed += odd.substr(at, end - at);
        at = end;
    }
    BOOST_TEST(p.send("Q2", "alice@example.org", {"f@example.net"}, stuffed).front().starts_with("250"));
    const auto got = f.hop->deliveries();
    BOOST_TEST_REQUIRE(got.size() == 2U);
    for (const auto& one : got) {
        const auto verified = auth::verify(one.content, f.dns).value();
        BOOST_TEST_REQUIRE(verified.size() == 2U);
        for (const auto& v : verified)
            BOOST_TEST(v.valid, v.selector << ": " << v.why);
        BOOST_TEST(verified[0].algorithm_name == "rsa-sha256");
        BOOST_TEST(verified[1].algorithm_name == "ed25519-sha256");
        BOOST_TEST(one.size == std::stoull(one.mail.substr(one.mail.find("SIZE=") + 5)));
    }
    const auto header = header_of(got[1].content);
    for (const auto* gone : {"Bcc:", "Return-Path:", "Content-Length:"})
        BOOST_TEST(!holds(header, gone), header);
    for (const auto* added : {"\r\nDate: ", "\r\nMessage-ID: <"})
        BOOST_TEST(holds(header, added), header);
    BOOST_TEST(holds(got[1].content, "\r\n" + std::string(998, 'x') + "\r\n " + std::string(997, 'x') + "\r\n "));
}

BOOST_AUTO_TEST_CASE(a_broken_key_keeps_the_mail_of_its_domain_waiting_and_of_no_other) {
    filter f;
    std::filesystem::create_directories(f.settings->dkim.directory / "example.org");
    std::ofstream{f.settings->dkim.directory / "example.org" / "s.pem"} << "no key\n";
    ::chmod((f.settings->dkim.directory / "example.org" / "s.pem").c_str(), 0600);
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "alice@example.org", {"f@example.net"}, plain("alice@example.org", "x"))
                   .front()
                   .starts_with("451 4.3.0"));
    BOOST_TEST(
        p.send("Q2", "bob@example.com", {"f@example.net"}, plain("bob@example.com", "x")).front().starts_with("250"));
    BOOST_TEST(f.hop->deliveries().size() == 1U);
}

BOOST_AUTO_TEST_CASE(lmtp_relays_the_next_hops_reply_for_each_recipient) {
    filter f;
    f.hop->answer("RCPT TO:<b@", "450 4.2.0 later");
    f.hop->answer("RCPT TO:<c@", "550 5.1.1 unknown");
    f.start();
    postfix p{f.socket()};
    const auto replies = p.send("Q1", "alice@example.org", {"a@example.net", "b@example.net", "c@example.net"},
                                plain("alice@example.org", "mix"));
    BOOST_TEST(replies[0] == "250 2.0.0 Ok: queued as NEXT1");
    BOOST_TEST(replies[1] == "450 4.2.0 later");
    BOOST_TEST(replies[2] == "550 5.1.1 unknown");
    BOOST_TEST(f.hop->deliveries().at(0).recipients.size() == 1U);
}

BOOST_AUTO_TEST_CASE(smtp_sends_nothing_where_some_recipients_are_refused_and_relays_where_all_are) {
    filter f;
    f.hop->answer("RCPT TO:<c@", "550 5.1.1 unknown");
    f.start(smtp::protocol::smtp);
    postfix p{f.socket(), false};
    BOOST_TEST(p.send("Q1", "alice@example.org", {"a@example.net", "c@example.net"}, plain("alice@example.org", "some"))
                   .front()
                   .starts_with("451 4.3.0"));
    BOOST_TEST(f.log.has("refuses some recipients"));
    BOOST_TEST(p.send("Q2", "alice@example.org", {"c@example.net"}, plain("alice@example.org", "all")).front() ==
               "550 5.1.1 unknown");
    BOOST_TEST(f.hop->deliveries().empty());
    BOOST_TEST(p.send("Q3", "alice@example.org", {"a@example.net"}, plain("alice@example.org", "none"))
                   .front()
                   .starts_with("250"));
}

BOOST_AUTO_TEST_CASE(trouble_of_the_next_hop_is_a_451_and_the_next_message_passes) {
    struct row {
        const char *name, *command, *reply, *expected;
    };
    const row rows[] = {
        {"refuses connections by 421", "GREETING", "421 4.3.2 not now", "451"},
        {"greets with nonsense", "GREETING", "\x01 garbage", "451"},
        {"closes at the greeting", "GREETING", "", "451"},
        {"3xx to MAIL", "MAIL", "354 what", "451"},
        {"garbage to RCPT", "RCPT", "nonsense", "451"},
        {"2xx to DATA", "DATA", "250 ok", "451"},
        {"closes at DATA", "DATA", "", "451"},
        {"4xx to the dot", "DOT", "452 4.3.1 full", "452 4.3.1 full"},
        {"5xx to the dot", "DOT", "554 5.7.1 no", "554 5.7.1 no"},
        {"3xx to the dot", "DOT", "354 again", "451"},
        {"dies after the dot", "DOT", "", "451"},
    };
    filter f;
    f.start();
    postfix p{f.socket()};
    int number = 0;
    for (const auto& r : rows) {
        BOOST_TEST_CONTEXT(r.name) {
            f.hop->forget_rules();
            f.hop->answer(r.command, r.reply);
            f.all->hop()->tend(true); // a kept connection would not be greeted again
            const auto id = "Q" + std::to_string(++number);
            BOOST_TEST(p.send(id, "alice@example.org", {"f@example.net"}, plain("alice@example.org", r.name))
                           .front()
                           .starts_with(r.expected),
                       f.log.all());
            f.hop->forget_rules();
            const auto before = f.hop->deliveries().size();
            BOOST_TEST(p.send(id, "alice@example.org", {"f@example.net"}, plain("alice@example.org", r.name))
                           .front()
                           .starts_with("250"));
            BOOST_TEST(f.hop->deliveries().size() == before + 1);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_next_hop_that_is_down_is_451_4_4_1) {
    filter f;
    f.start();
    f.hop.reset();
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "alice@example.org", {"f@example.net"}, plain("alice@example.org", "down"))
                   .front()
                   .starts_with("451 4.4.1"),
               f.log.all());
    f.hop = std::make_unique<fake_hop>(f.scratch.path / "hop");
    BOOST_TEST(p.send("Q1", "alice@example.org", {"f@example.net"}, plain("alice@example.org", "up"))
                   .front()
                   .starts_with("250"));
}

BOOST_AUTO_TEST_CASE(a_kept_connection_that_died_is_opened_again) {
    filter f;
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "alice@example.org", {"f@example.net"}, plain("alice@example.org", "one"))
                   .front()
                   .starts_with("250"));
    f.hop->answer("RSET", "", true);
    f.hop->answer("XFORWARD", "", true);
    f.hop->answer("MAIL", "", true);
    const auto reply = p.send("Q2", "alice@example.org", {"f@example.net"}, plain("alice@example.org", "two")).front();
    BOOST_TEST((reply.starts_with("250") || reply.starts_with("451")));
    f.hop->forget_rules();
    f.hop.reset(); // every kept connection ends
    f.hop = std::make_unique<fake_hop>(f.scratch.path / "hop");
    BOOST_TEST(p.send("Q3", "alice@example.org", {"f@example.net"}, plain("alice@example.org", "three"))
                   .front()
                   .starts_with("250"),
               f.log.all());
}

BOOST_AUTO_TEST_CASE(connections_to_the_next_hop_are_reused) {
    filter f;
    f.start();
    postfix p{f.socket()};
    for (int i = 0; i < 20; ++i)
        BOOST_TEST(
            p.send("Q" + std::to_string(i), "alice@example.org", {"f@example.net"}, plain("alice@example.org", "n"))
                .front()
                .starts_with("250"));
    BOOST_TEST(f.hop->connections() <= 2U); // the probe's may be busy when the first message comes
}

BOOST_AUTO_TEST_CASE(a_virus_is_quarantined_silently_and_locks_the_account_and_its_queued_mail_follows) {
    filter f;
    f.find({virus});
    f.start();
    postfix p{f.socket()};
    const auto reply = p.send("Q1", "mallory@example.org", {"f@example.net"},
                              f.ticket("mallory@example.org", "Q1") + plain("mallory@example.org", "bad"))
                           .front();
    BOOST_TEST(reply.starts_with("250 2.0.0 Ok: quarantined, ref "));
    const auto reference = reply.substr(reply.size() - 8);
    BOOST_TEST(f.quarantined().at(0).id == reference);
    BOOST_TEST(f.environments->events().find(reference).value()->why == reason::virus);
    BOOST_TEST(f.log.has("ref=" + reference));
    BOOST_TEST(
        is_locked(*f.environments->accounts().read_lock("mallory@example.org").value(), f.environments->time().now()));

    f.find({});
    BOOST_TEST(p.send("Q2", "mallory@example.org", {"f@example.net"},
                      f.ticket("mallory@example.org", "Q2") + plain("mallory@example.org", "queued"))
                   .front()
                   .starts_with("250 2.0.0 Ok: quarantined"));
    const auto entries = f.quarantined();
    BOOST_TEST_REQUIRE(entries.size() == 2U);
    BOOST_TEST(std::any_of(entries.begin(), entries.end(),
                           [](const auto& e) { return e.why == reason::account_locked && e.subject == "queued"; }));
    BOOST_TEST(f.hop->deliveries().empty());
    // Help is asked for at the abuse address; others are not concerned.
    BOOST_TEST(p.send("Q3", "mallory@example.org", {"abuse@example.org"},
                      f.ticket("mallory@example.org", "Q3") + plain("mallory@example.org", "help"))
                   .front()
                   .starts_with("250 2.0.0 Ok: queued"));
    BOOST_TEST(p.send("Q4", "bob@example.org", {"f@example.net"},
                      f.ticket("bob@example.org", "Q4") + plain("bob@example.org", "bob"))
                   .front()
                   .starts_with("250 2.0.0 Ok: queued"));
}

BOOST_AUTO_TEST_CASE(the_same_message_again_is_one_entry_one_strike_and_one_event) {
    filter f;
    f.find({spam});
    f.start();
    postfix p{f.socket()};
    const auto content = f.ticket("eve@example.org", "Q1") + plain("eve@example.org", "bad");
    const auto first = p.send("Q1", "eve@example.org", {"a@example.net"}, content).front();
    const auto again = p.send("Q1", "eve@example.org", {"a@example.net", "b@example.net"}, content);
    BOOST_TEST(again[0] == first);
    BOOST_TEST(again[1] == first);
    const auto entries = f.quarantined();
    BOOST_TEST_REQUIRE(entries.size() == 1U);
    BOOST_TEST(entries[0].recipients.size() == 2U);
    BOOST_TEST(f.events().size() == 1U);
    BOOST_TEST(f.environments->accounts().history("eve@example.org", 10).value().strikes.size() == 1U);
    // Sent anew by hand: another queue ID and another Date, the same words to the same people. A second entry, no
    // second strike.
    p.send("Q2", "eve@example.org", {"a@example.net"},
           f.ticket("eve@example.org", "Q2") + plain("eve@example.org", "bad"));
    BOOST_TEST(f.quarantined().size() == 2U);
    BOOST_TEST(f.environments->accounts().history("eve@example.org", 10).value().strikes.size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_entry_whose_event_a_kill_prevented_gets_it_with_the_next_try) {
    filter f;
    f.find({virus});
    f.start();
    postfix p{f.socket()};
    const auto content = f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "x");
    p.send("Q1", "bob@example.org", {"a@example.net"}, content);
    BOOST_TEST_REQUIRE(f.events().size() == 1U);
    const auto reference = f.events()[0].reference;
    f.environments->events().forget_before(f.events()[0].at + seconds{1}, 100).value();
    BOOST_TEST_REQUIRE(f.events().empty());
    p.send("Q1", "bob@example.org", {"a@example.net"}, content);
    BOOST_TEST_REQUIRE(f.events().size() == 1U);
    BOOST_TEST(f.events()[0].reference == reference);
    BOOST_TEST(f.quarantined().size() == 1U);
}

BOOST_AUTO_TEST_CASE(the_same_bytes_after_a_lost_reply_go_to_the_others_only) {
    filter f;
    f.start();
    const auto content = f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "once");
    const std::vector<std::string> recipients = {"a@example.net", "b@example.net", "c@example.net"};
    f.hop->answer("RCPT TO:<b@", "450 4.2.0 later", true);
    {
        postfix p{f.socket()};
        const auto replies = p.send("Q1", "bob@example.org", recipients, content);
        BOOST_TEST(replies[1].starts_with("450 4.2.0"));
    }
    postfix p{f.socket()};
    const auto again = p.send("Q1", "bob@example.org", recipients, content);
    BOOST_TEST(again[0] == "250 2.0.0 Ok: delivered before");
    BOOST_TEST(again[1].starts_with("250 2.0.0 Ok: queued"));
    BOOST_TEST(again[2] == "250 2.0.0 Ok: delivered before");
    const auto third = p.send("Q1", "bob@example.org", recipients, content);
    BOOST_TEST(third[1] == "250 2.0.0 Ok: delivered before");
    const auto got = f.hop->deliveries();
    BOOST_TEST_REQUIRE(got.size() == 2U);
    BOOST_TEST(got[0].recipients == (std::vector<std::string>{"<a@example.net>", "<c@example.net>"}));
    BOOST_TEST(got[1].recipients == (std::vector<std::string>{"<b@example.net>"}));
    // Other bytes, or another queue ID, are another message.
    BOOST_TEST(
        p.send("Q1", "bob@example.org", recipients, content + "more\r\n")[0].starts_with("250 2.0.0 Ok: queued"));
    BOOST_TEST(p.send("Q2", "bob@example.org", recipients, content)[0].starts_with("250 2.0.0 Ok: queued"));
}

BOOST_AUTO_TEST_CASE(slices_of_a_message_share_one_verdict_and_one_strike) {
    filter f;
    f.find({forged_from});
    std::atomic<int> asked{0};
    f.on_check = [&](const message&) {
        ++asked;
        std::this_thread::sleep_for(std::chrono::milliseconds{300}); // the others come meanwhile
    };
    f.start();
    const auto content = f.ticket("eve@example.org", "Q1") + plain("ceo@elsewhere.example", "sliced");
    std::vector<std::string> replies(4);
    {
        std::vector<std::jthread> slices;
        for (std::size_t i = 0; i < replies.size(); ++i)
            slices.emplace_back([&, i] {
                postfix p{f.socket()};
                replies[i] = p.send("Q1", "eve@example.org", {std::to_string(i) + "@example.net"}, content).front();
            });
    }
    BOOST_TEST(replies[0].starts_with("550 5.7.1"));
    for (const auto& reply : replies)
        BOOST_TEST(reply == replies[0]); // the reference, too
    BOOST_TEST(asked == 1);
    BOOST_TEST(f.events().size() == 1U);
    // Later: still the same refusal, and nothing is counted.
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "eve@example.org", {"late@example.net"}, content).front() == replies[0]);
    BOOST_TEST(asked == 1);
}

BOOST_AUTO_TEST_CASE(a_check_that_fails_is_tried_again_by_the_next_slice) {
    filter f;
    std::atomic<int> asked{0};
    f.on_check = [&](const message&) {
        if (++asked == 1) throw std::runtime_error{"broken once"};
    };
    f.start();
    postfix p{f.socket()};
    const auto content = f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "x");
    BOOST_TEST(p.send("Q1", "bob@example.org", {"a@example.net"}, content).front().starts_with("451 4.3.0"));
    BOOST_TEST(p.send("Q1", "bob@example.org", {"a@example.net"}, content).front().starts_with("250 2.0.0 Ok: queued"));
    BOOST_TEST(asked == 2);
}

BOOST_AUTO_TEST_CASE(a_message_the_filter_died_over_too_often_is_looked_at_no_more) {
    for (const auto& [policy, expected] : {std::pair{config::tries_policy::hold, "250 2.0.0 Ok: quarantined"},
                                           std::pair{config::tries_policy::pass, "250 2.0.0 Ok: queued"}}) {
        BOOST_TEST_CONTEXT(expected) {
            filter f;
            f.settings->contentfilter.max_tries = 2;
            f.settings->contentfilter.after_tries = policy;
            f.find({virus});
            const auto content = f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "x");
            sha256 hash;
            hash.update(content);
            const auto digest = hash.hex();
            const auto& directory = f.settings->state.directory;
            for (int death = 0; death < 2; ++death) {
                state::attempts other{directory / "tries", state::state_secret(directory).value(), f.boot};
                other.begin("Q1", digest).value(); // and never ends
            }
            f.start();
            postfix p{f.socket()};
            BOOST_TEST(p.send("Q1", "bob@example.org", {"a@example.net"}, content).front().starts_with(expected));
            BOOST_TEST(f.log.has("died over this message too often"));
            BOOST_TEST_REQUIRE(f.events().size() == 1U);
            BOOST_TEST(f.events()[0].why == reason::tried_too_often);
            // The mail behind it is looked at.
            f.find({});
            BOOST_TEST(p.send("Q2", "bob@example.org", {"a@example.net"},
                              f.ticket("bob@example.org", "Q2") + plain("bob@example.org", "y"))
                           .front()
                           .starts_with("250 2.0.0 Ok: queued"));
        }
    }
}

BOOST_AUTO_TEST_CASE(what_was_queued_again_behind_the_filter_passes_unless_its_account_is_locked) {
    filter f;
    f.settings->contentfilter.no_ticket = config::no_ticket_policy::hold;
    f.start();
    postfix p{f.socket()};
    p.send("Q1", "bob@example.org", {"a@example.net"},
           f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "x"));
    f.find({virus}); // not asked again
    const auto requeued = "Received: by mail.example.org (Postfix, from userid 4242)\r\n\tid Q9; Sat, 21 Nov 2026 "
                          "10:00:00 +0000\r\n" +
                          plain("bob@example.org", "x");
    BOOST_TEST(p.send("Q1", "bob@example.org", {"a@example.net"}, requeued)[0].starts_with("250 2.0.0 Ok: queued"));
    BOOST_TEST(f.counts.no_ticket == 0U);
    BOOST_TEST(f.log.has("account=bob@example.org queue_id=Q1 next_queue_id=NEXT2 proof=passed"));
    // An IDENT alone proves nothing: another body, another message.
    BOOST_TEST(
        p.send("Q1", "bob@example.org", {"a@example.net"}, plain("bob@example.org", "x", "evil\r\n"))[0].starts_with(
            "250 2.0.0 Ok: quarantined"));
    BOOST_TEST(f.counts.no_ticket == 1U);
    run_awaitable(f.environments->accounts().lock("bob@example.org", "root", "stolen", "REF")).value();
    BOOST_TEST(
        p.send("Q1", "bob@example.org", {"c@example.net"}, requeued)[0].starts_with("250 2.0.0 Ok: quarantined"));
    BOOST_TEST(f.events().front().why == reason::account_locked);
}

BOOST_AUTO_TEST_CASE(a_rejected_message_is_bounced_with_contact_and_reference_but_not_the_check) {
    filter f;
    f.find({forged_from});
    f.start();
    postfix p{f.socket()};
    const auto reply = p.send("Q1", "bob@example.org", {"f@example.net"},
                              f.ticket("bob@example.org", "Q1") + plain("x@bank.example", "forged"))
                           .front();
    BOOST_TEST(reply.starts_with("550 5.7.1 "));
    BOOST_TEST(holds(reply, "https://example.org/policy ref "));
    BOOST_TEST(!holds(reply, "FROM_FORBIDDEN"));
    const auto event = f.environments->events().find(reply.substr(reply.size() - 8)).value();
    BOOST_TEST_REQUIRE(event.has_value());
    BOOST_TEST(event->why == reason::header_from_forbidden);
    BOOST_TEST(event->verdict == "reject");
    BOOST_TEST(f.quarantined().empty());
}

BOOST_AUTO_TEST_CASE(what_must_not_bounce_is_quarantined) {
    filter f;
    f.find({forged_from});
    f.start();
    postfix p{f.socket()};
    struct row {
        const char *name, *sender, *account;
    };
    for (const auto& r : {row{"null reverse-path", "", "bob@example.org"},
                          row{"forged reverse-path", "ceo@bank.example", "bob@example.org"},
                          row{"nobody knows who sent it", "bob@example.org", ""}}) {
        BOOST_TEST_CONTEXT(r.name) {
            const auto ticket = *r.account ? f.ticket(r.account, "Q1") : std::string{};
            const auto reply = p.send("Q1", r.sender, {"f@example.net"}, ticket + plain("x@bank.example", r.name));
            BOOST_TEST(reply.front().starts_with("250 2.0.0 Ok: quarantined"), reply.front() + f.log.all());
        }
    }
    BOOST_TEST(f.quarantined().size() == 3U);
}

BOOST_AUTO_TEST_CASE(beyond_the_bounce_cap_of_an_account_messages_are_quarantined) {
    filter f;
    f.settings->contentfilter.bounces_per_hour = 3;
    f.find({forged_from});
    f.start();
    postfix p{f.socket()};
    std::vector<std::string> codes;
    for (int i = 0; i < 5; ++i) {
        const auto id = "Q" + std::to_string(i);
        codes.push_back(p.send(id, "bob@example.org", {"f@example.net"},
                               f.ticket("bob@example.org", id) + plain("x@bank.example", id))
                            .front()
                            .substr(0, 3));
    }
    BOOST_TEST(codes == (std::vector<std::string>{"550", "550", "550", "250", "250"}),
               boost::test_tools::per_element());
    BOOST_TEST(f.quarantined().size() == 2U);
    BOOST_TEST(f.quarantined()[0].why == reason::bounce_cap);
    BOOST_TEST(p.send("R", "carol@example.org", {"f@example.net"},
                      f.ticket("carol@example.org", "R") + plain("x@bank.example", "c"))
                   .front()
                   .starts_with("550"));
}

BOOST_AUTO_TEST_CASE(a_tagged_message_passes_with_score_and_prefix) {
    filter f;
    auto profile = std::make_shared<config::profile>(*f.settings->profiles["default"]);
    profile->subject_prefix = "[SPAM?]";
    profile->remove_headers = {"X-Originating-IP"};
    f.settings->profiles["default"] = profile;
    f.find({found("MILD", 7)});
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "bob@example.org", {"f@example.net"},
                      f.ticket("bob@example.org", "Q1") +
                          "X-Originating-IP: 192.0.2.9\r\nX-Postsluice-Score: -100\r\n" +
                          plain("bob@example.org", "offer"))
                   .front()
                   .starts_with("250 2.0.0 Ok: queued"));
    const auto header = header_of(f.hop->deliveries().at(0).content);
    BOOST_TEST(holds(header, "X-Postsluice-Score: 7.0\r\n"));
    BOOST_TEST(!holds(header, "-100"));
    BOOST_TEST(!holds(header, "X-Originating-IP"));
    BOOST_TEST(holds(header, "\r\nSubject: [SPAM?] offer\r\n"));
    BOOST_TEST(f.events().at(0).verdict == "tag");
}

BOOST_AUTO_TEST_CASE(a_discarded_message_is_gone_and_an_event_stays) {
    filter f;
    f.find({found("JUNK", 1, forced_verdict::discard, reason::spam)});
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "bob@example.org", {"f@example.net"},
                      f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "x"))
                   .front()
                   .starts_with("250 2.0.0 Ok: discarded"));
    BOOST_TEST(f.hop->deliveries().empty());
    BOOST_TEST(f.events().at(0).verdict == "discard");
}

BOOST_AUTO_TEST_CASE(observe_mode_decides_and_tells_and_lets_pass) {
    filter f;
    f.settings->mode = config::run_mode::observe;
    f.find({virus});
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "bob@example.org", {"f@example.net"},
                      f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "x"))
                   .front()
                   .starts_with("250 2.0.0 Ok: queued"));
    BOOST_TEST(f.quarantined().empty());
    BOOST_TEST(!f.environments->accounts().read_lock("bob@example.org").value().has_value());
    BOOST_TEST_REQUIRE(f.events().size() == 1U);
    BOOST_TEST(f.events()[0].observed);
    BOOST_TEST(f.log.has("reason=virus"));
    BOOST_TEST(f.counts.observed[static_cast<std::size_t>(verdict_kind::quarantine)] == 1U);
}

BOOST_AUTO_TEST_CASE(what_an_exception_does_to_a_message_it_does_to_that_message_alone) {
    filter f;
    f.on_check = [](const message& m) {
        if (m.header.find("Subject")->unfolded() == "bad") throw std::runtime_error{"a defect"};
    };
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "bob@example.org", {"f@example.net"}, plain("bob@example.org", "bad"))
                   .front()
                   .starts_with("451 4.3.0"));
    BOOST_TEST(f.log.has("a defect"));
    BOOST_TEST(p.send("Q2", "bob@example.org", {"f@example.net"}, plain("bob@example.org", "good"))
                   .front()
                   .starts_with("250"));
}

BOOST_AUTO_TEST_CASE(a_message_that_went_round_too_often_is_refused_for_good) {
    filter f;
    f.settings->mode = config::run_mode::observe; // not even then
    f.start();
    postfix p{f.socket()};
    std::string trace;
    for (int i = 0; i < 5; ++i)
        trace += "Received: from mail.example.org\r\n\tby filter.example.org (Postsluice) with LMTP id Q" +
                 std::to_string(i) + ";\r\n\tSat, 21 Nov 2026 10:00:00 +0000\r\n";
    BOOST_TEST(p.send("Q1", "bob@example.org", {"f@example.net"}, trace + plain("bob@example.org", "x"))
                   .front()
                   .starts_with("250"));
    const auto more = trace + "Received: from a\r\n\tby filter.example.org (Postsluice) with LMTP id Z;\r\n\tSat, 21 "
                              "Nov 2026 10:00:00 +0000\r\n";
    BOOST_TEST(p.send("Q2", "bob@example.org", {"f@example.net"}, more + plain("bob@example.org", "x"))
                   .front()
                   .starts_with("554 5.4.6"));
}

BOOST_AUTO_TEST_CASE(no_ticket_does_what_the_option_says) {
    for (const auto& [policy, expected] : {std::pair{config::no_ticket_policy::default_profile, "250 2.0.0 Ok: queued"},
                                           std::pair{config::no_ticket_policy::hold, "250 2.0.0 Ok: quarantined"},
                                           std::pair{config::no_ticket_policy::tempfail, "451 4.3.0"}}) {
        BOOST_TEST_CONTEXT(expected) {
            filter f;
            f.settings->contentfilter.no_ticket = policy;
            f.start();
            postfix p{f.socket()};
            BOOST_TEST(p.send("Q1", "bob@example.org", {"f@example.net"}, plain("bob@example.org", "x"))
                           .front()
                           .starts_with(expected));
            BOOST_TEST(f.counts.no_ticket == 1U);
            BOOST_TEST(f.log.has("account=-"));
            BOOST_TEST(f.log.has("proof=none"));
        }
    }
}

BOOST_AUTO_TEST_CASE(strikes_of_unknown_senders_hit_nobody) {
    filter f;
    f.find({virus});
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "bob@example.org", {"f@example.net"}, plain("bob@example.org", "x"))
                   .front()
                   .starts_with("250 2.0.0 Ok: quarantined"));
    BOOST_TEST(!f.environments->accounts().read_lock("-").value().has_value());
    BOOST_TEST(!f.environments->accounts().read_lock("bob@example.org").value().has_value());
}

BOOST_AUTO_TEST_CASE(near_its_deadline_a_message_is_put_off_before_the_next_hops_dot) {
    filter f;
    f.settings->contentfilter.deadline = seconds{2};
    f.on_check = [](const message&) { ::usleep(1300000); }; // a slow check: more than half of the time is gone
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "bob@example.org", {"f@example.net"}, plain("bob@example.org", "slow"))
                   .front()
                   .starts_with("451"));
    BOOST_TEST(f.hop->deliveries().empty());
}

BOOST_AUTO_TEST_CASE(the_client_that_left_before_the_dot_gets_nothing_delivered) {
    filter f;
    std::promise<void> checking, gone;
    f.on_check = [&](const message&) {
        checking.set_value();
        gone.get_future().wait();
    };
    f.start();
    {
        postfix p{f.socket()};
        BOOST_TEST(p.envelope("Q1", "bob@example.org", {"f@example.net"}).starts_with("354"));
        p.socket().send(plain("bob@example.org", "left") + ".\r\n");
        checking.get_future().wait();
    }
    gone.set_value();
    f.stop();
    BOOST_TEST(f.hop->deliveries().empty());
}

BOOST_AUTO_TEST_CASE(quit_behind_the_dot_is_not_leaving) {
    filter f;
    f.start();
    postfix p{f.socket()};
    p.envelope("Q1", "bob@example.org", {"f@example.net"});
    p.socket().send(plain("bob@example.org", "x") + ".\r\nQUIT\r\n");
    p.socket().half_close();
    BOOST_TEST(p.reply().starts_with("250"));
    BOOST_TEST(p.reply().starts_with("221"));
    BOOST_TEST(f.hop->deliveries().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_message_without_its_final_dot_is_never_delivered) {
    filter f;
    f.start();
    for (const auto* end : {"", "QUIT\r\n", ".", "\r\n."}) {
        BOOST_TEST_CONTEXT(end) {
            postfix p{f.socket()};
            p.envelope("Q1", "bob@example.org", {"f@example.net"});
            p.socket().send(plain("bob@example.org", "cut") + end);
            p.socket().half_close();
            BOOST_TEST(p.reply() == "closed");
        }
    }
    f.stop();
    BOOST_TEST(f.hop->deliveries().empty());
    BOOST_TEST(f.counts.aborted == 4U);
}

BOOST_AUTO_TEST_CASE(garbage_ends_the_connection_and_the_filter_lives) {
    filter f;
    f.start();
    for (const std::string& data : {std::string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n"} + std::string(400, '\n'),
                                    std::string(30000, '\xff') + "\r\n",
                                    std::string("DATA\r\nRCPT TO:<a@b>\r\n") + std::string(5, '\0') + "\r\n"}) {
        line_socket s{f.socket()};
        for (int i = 0; i < 30; ++i)
            if (!s.send(data)) break;
        s.half_close();
        std::optional<std::string> line;
        try {
            while ((line = s.line()))
                BOOST_TEST(!line->starts_with("354"));
        } catch (const std::exception&) {
            BOOST_ERROR("the connection did not end");
        }
    }
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "bob@example.org", {"f@example.net"}, plain("bob@example.org", "after"))
                   .front()
                   .starts_with("250"));
}

BOOST_AUTO_TEST_CASE(a_message_over_the_bound_is_refused_and_one_without_room_comes_back) {
    filter f;
    f.settings->contentfilter.max_message_size = byte_count{100000};
    f.settings->contentfilter.spool_memory = byte_count{1000};
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "bob@example.org", {"f@example.net"},
                      plain("bob@example.org", "x", std::string(100000, 'x') + "\r\n"))
                   .front()
                   .starts_with("552 5.3.4"));
    std::filesystem::permissions(f.scratch.path, std::filesystem::perms::owner_all);
    auto broken = std::make_shared<config::settings>(*f.settings);
    broken->contentfilter.spool_directory = f.scratch.path / "missing";
    f.configuration->set(broken);
    BOOST_TEST(p.send("Q2", "bob@example.org", {"f@example.net"},
                      plain("bob@example.org", "x", std::string(5000, 'x') + "\r\n"))
                   .front()
                   .starts_with("452 4.3.1"));
    f.configuration->set(f.settings);
    BOOST_TEST(p.send("Q3", "bob@example.org", {"f@example.net"},
                      plain("bob@example.org", "x", std::string(5000, 'x') + "\r\n"))
                   .front()
                   .starts_with("250"));
}

BOOST_AUTO_TEST_CASE(capabilities_are_the_next_hops_and_nothing_that_a_filter_cannot_do) {
    filter f;
    f.hop->answer("EHLO", "250-next\r\n250-PIPELINING\r\n250-SIZE 5000000\r\n250-STARTTLS\r\n250-AUTH "
                          "PLAIN\r\n250-CHUNKING\r\n250-ETRN\r\n250-VRFY\r\n250 8BITMIME");
    f.start();
    run_awaitable(f.all->hop()->probe());
    postfix p{f.socket()};
    for (const auto* offered : {"PIPELINING", "SIZE 5000000", "8BITMIME", "XFORWARD", "ENHANCEDSTATUSCODES"})
        BOOST_TEST(holds(p.hello, offered), p.hello);
    for (const auto* never : {"STARTTLS", "AUTH", "CHUNKING", "ETRN", "VRFY", "SMTPUTF8", "DSN"})
        BOOST_TEST(!holds(p.hello, never), p.hello);
}

BOOST_AUTO_TEST_CASE(stop_finishes_the_message_at_hand_and_says_421_to_the_others) {
    filter f;
    f.start();
    postfix idle{f.socket()}, busy{f.socket()}, fresh{f.socket()};
    BOOST_TEST(idle.send("Q0", "bob@example.org", {"f@example.net"}, plain("bob@example.org", "before"))
                   .front()
                   .starts_with("250"));
    busy.envelope("Q1", "bob@example.org", {"f@example.net"});
    std::promise<void> stopped;
    f.listener->stop([&] { stopped.set_value(); });
    BOOST_TEST(idle.reply().starts_with("421"));
    busy.socket().send(plain("bob@example.org", "last") + ".\r\n");
    BOOST_TEST(busy.reply().starts_with("250"));
    BOOST_TEST(busy.reply().starts_with("421"));
    // Who has just come may send one message; a 421 would put all of Postfix's mail to us on hold.
    BOOST_TEST(fresh.send("Q2", "bob@example.org", {"f@example.net"}, plain("bob@example.org", "fresh"))
                   .front()
                   .starts_with("250"));
    BOOST_TEST(fresh.reply().starts_with("421"));
    stopped.get_future().wait();
    f.end_threads();
    BOOST_TEST(f.hop->deliveries().size() == 3U);
}

BOOST_AUTO_TEST_CASE(stop_serves_whom_the_kernel_has_let_in_already_and_waits_for_nobody_long) {
    filter f;
    f.start();
    // A listener that accepts nothing by itself: who connects waits in the backlog.
    const auto path = f.scratch.path / "second";
    auto second = std::make_shared<server>(f.context->get_executor(), *f.all);
    second->listen(net::open_listener(net::endpoint::parse("unix:" + path.string()).value(), 0666).value(),
                   smtp::protocol::lmtp);
    line_socket silent{path}, talking{path};
    silent.send("NOOP\r\n");
    talking.send("LHLO x\r\nMAIL FROM:<bob@example.org>\r\nRCPT TO:<f@example.net>\r\nDATA\r\n");
    std::promise<void> stopped;
    second->stop([&] { stopped.set_value(); });
    BOOST_TEST(silent.line().value().starts_with("220"));
    BOOST_TEST(silent.line().value().starts_with("250"));
    while (!talking.line().value().starts_with("354")) {
    }
    talking.send(plain("bob@example.org", "waited") + ".\r\n");
    BOOST_TEST(talking.line().value().starts_with("250"));
    BOOST_TEST(talking.line().value().starts_with("421"));
    BOOST_TEST(silent.line().value().starts_with("421"));
    stopped.get_future().wait();
    BOOST_TEST(f.hop->deliveries().size() == 1U);
}

BOOST_AUTO_TEST_CASE(over_max_connections_a_client_waits_instead_of_being_refused) {
    filter f;
    f.settings->contentfilter.max_connections = 1;
    f.start();
    auto first = std::make_unique<postfix>(f.socket());
    line_socket second{f.socket()}; // the backlog takes it
    first->command("NOOP");
    first.reset();
    BOOST_TEST(second.line().value().starts_with("220"));
}

BOOST_AUTO_TEST_CASE(a_hundred_mib_pass_in_constant_memory) {
    filter f;
    make_key(f.settings->dkim.directory, "example.org", "ed1", EVP_PKEY_ED25519, f.dns);
    f.hop->keep_content = false;
    f.start();
    const auto resident = [] {
        std::ifstream in{"/proc/self/statm"};
        std::size_t whole = 0, pages = 0;
        in >> whole >> pages;
        return pages * 4096;
    };
    postfix p{f.socket()};
    BOOST_TEST(p.envelope("Q1", "alice@example.org", {"f@example.net"}).starts_with("354"));
    std::string piece;
    for (int i = 0; i < 800; ++i)
        piece += std::string(76, 'x') + "\r\n";
    const auto before = resident();
    std::size_t most = 0;
    f.on_check = [&](const message&) { most = std::max(most, resident()); };
    p.socket().send(f.ticket("alice@example.org", "Q1") + plain("alice@example.org", "huge", ""));
    std::uint64_t sent = 0;
    while (sent + piece.size() < (std::uint64_t{99} << 20U)) {
        p.socket().send(piece);
        sent += piece.size();
    }
    p.socket().send(".\r\n");
    BOOST_TEST(p.reply().starts_with("250"));
    most = std::max(most, resident());
    BOOST_TEST(f.hop->deliveries().at(0).size > sent);
#if defined(__SANITIZE_ADDRESS__)
    (void)before;
#else
    BOOST_TEST(most < before + (std::size_t{24} << 20U));
#endif
}

BOOST_AUTO_TEST_SUITE_END()
