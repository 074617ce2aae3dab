// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include "contentfilter/intake/local_mail.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

const std::string smtp_trace = "Received: from client.example.org (unknown [192.0.2.1])\r\n\tby mail.example.org "
                               "(Postfix) with ESMTPSA id 4Q1;\r\n\tSat, 21 Nov 2026 10:00:00 "
                               "+0000 (UTC)\r\n";

std::string from_pickup(const std::string& uid, const std::string& queue_id = "4bQ") {
    return "Received: by mail.example.org (Postfix, from userid " + uid + ")\r\n\tid " + queue_id +
           "; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n";
}

header_block header(const std::string& text) {
    return parse_header_text(text + "\r\n", 1U << 20U, 1000);
}

struct who_sent_it {
    scratch_directory scratch;
    std::shared_ptr<config::settings> settings = default_settings(scratch.path);
    manual_clock time;
    std::unique_ptr<account::ticket_ring> policyd, ring;
    who_sent_it() {
        policyd = account::ticket_ring::open(scratch.path / "ticket.keys").value();
        policyd->rotate(time.now(), seconds{86400}, seconds{86400}).value();
        ring = account::ticket_ring::open(scratch.path / "ticket.keys").value();
    }
    std::string ticket(const std::string& account, const std::string& queue_id) {
        account::ticket t{account, "192.0.2.1", "1.2", queue_id, 1, time.now(), account};
        return "X-Postsluice-Ticket: " + policyd->seal(t).value() + "\r\n";
    }
    sender_identity ask(const std::string& text, const std::string& ident, bool network = true, bool local_peer = true,
                        way in = way::after_queue, const std::string& login = {}) {
        auto envelope = came_by(network);
        if (!login.empty()) envelope.xforward["LOGIN"] = login;
        if (!ident.empty()) envelope.xforward["IDENT"] = ident;
        return identify_sender(header(text), envelope, {*settings, *ring, 108, local_peer, in});
    }
    std::string queue_id(const std::string& text, bool network = false, bool local_peer = true,
                         way in = way::after_queue) {
        message what;
        what.header = header(text);
        what.envelope = came_by(network);
        what.queue_id = "-";
        name_local_mail(what, {*settings, *ring, 108, local_peer, in});
        BOOST_TEST(queue_id_of(what.envelope) == what.queue_id); // what the next hop is told
        return what.queue_id;
    }
    static smtp::envelope came_by(bool network) {
        smtp::envelope envelope;
        if (network) envelope.xforward["ADDR"] = "192.0.2.1";
        return envelope;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(identity)

BOOST_AUTO_TEST_CASE(a_ticket_decides_where_seal_and_queue_id_are_right) {
    who_sent_it w;
    const auto a = w.ticket("alice@example.org", "Q1"), b = w.ticket("bob@example.org", "Q2");
    const std::string forged =
        "X-Postsluice-Ticket: v1 abcd AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n";
    auto tampered = a;
    tampered[tampered.size() - 6] = tampered[tampered.size() - 6] == 'A' ? 'B' : 'A';
    struct row {
        const char* name;
        std::string text, ident, account;
    };
    const row rows[] = {
        {"on top", a + smtp_trace, "Q1", "alice@example.org"},
        {"below the Received of a requeue", from_pickup("108") + a + smtp_trace, "Q1", "alice@example.org"},
        {"folded", a.substr(0, 60) + "\r\n " + a.substr(60) + smtp_trace, "Q1", ""},
        {"another message's", b + smtp_trace, "Q1", "-"},
        {"another message's below the right one", a + smtp_trace + b, "Q1", "alice@example.org"},
        {"another message's above the right one", b + a + smtp_trace, "Q1", "alice@example.org"},
        {"a forged one above", forged + a + smtp_trace, "Q1", "alice@example.org"},
        {"a forged one alone", smtp_trace + forged, "Q1", "-"},
        {"a tampered one", tampered + smtp_trace, "Q1", "-"},
        {"no IDENT", a + smtp_trace, "", "-"},
        {"a client that is not ours", w.ticket("-", "Q1") + smtp_trace, "Q1", "-"},
        {"none", smtp_trace, "Q1", "-"},
    };
    for (const auto& r : rows) {
        BOOST_TEST_CONTEXT(r.name) {
            const auto got = w.ask(r.text, r.ident);
            if (!r.account.empty()) BOOST_TEST(got.account == r.account);
            BOOST_TEST((got.by == sender_identity::proof::ticket) == (got.ticket.has_value()));
            BOOST_TEST_REQUIRE(got.profile != nullptr);
        }
    }
    BOOST_TEST((w.ask(w.ticket("-", "Q1"), "Q1").by == sender_identity::proof::ticket));
}

BOOST_AUTO_TEST_CASE(before_the_queue_a_ticket_counts_above_the_first_received_alone) {
    who_sent_it w;
    const auto a = w.ticket("alice@example.org", "-"), queued = w.ticket("alice@example.org", "Q1");
    struct row {
        const char* name;
        std::string text, account;
    };
    const row rows[] = {
        {"on top", a + smtp_trace, "alice@example.org"},
        {"below other fields that Postfix put there", "X-Other: 1\r\n" + a + smtp_trace, "alice@example.org"},
        {"below the Received", smtp_trace + a, "-"},
        {"no Received at all", a + "Subject: x\r\n", "-"},
        {"one of a queue ID", queued + smtp_trace, "-"},
        {"pickup's form, which a client may write", from_pickup("1000") + smtp_trace, "-"},
        {"none", smtp_trace, "-"},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.name) {
            BOOST_TEST(w.ask(r.text, "Q1", false, true, way::before_queue).account == r.account);
        }
    BOOST_TEST(w.ask(a + smtp_trace, "-").account == "-"); // after the queue it is nothing
    BOOST_TEST(w.ask(a + smtp_trace, "").account == "-");
}

BOOST_AUTO_TEST_CASE(by_pipe_a_ticket_of_another_queue_id_counts_where_login_and_client_are_its_own) {
    who_sent_it w;
    const auto a = w.ticket("alice@example.org", "Q1");
    const auto ask = [&](const std::string& ident, const std::string& login, bool network, way in) {
        return w.ask(from_pickup("108") + a + smtp_trace, ident, network, true, in, login).account;
    };
    BOOST_TEST(ask("Q1", "", true, way::pipe) == "alice@example.org");
    BOOST_TEST(ask("Q2", "alice@example.org", true, way::pipe) == "alice@example.org");
    BOOST_TEST(ask("Q2", "Alice@Example.org", true, way::pipe) == "alice@example.org");
    BOOST_TEST(ask("Q2", "bob@example.org", true, way::pipe) == "-");
    BOOST_TEST(ask("Q2", "", true, way::pipe) == "-");
    BOOST_TEST(ask("Q2", "alice@example.org", false, way::pipe) == "-");       // from another client
    BOOST_TEST(ask("Q2", "alice@example.org", true, way::after_queue) == "-"); // nobody says LOGIN there
}

BOOST_AUTO_TEST_CASE(twenty_thousand_forged_tickets_do_not_hide_what_they_cost) {
    who_sent_it w;
    std::string many;
    for (int i = 0; i < 500; ++i)
        many += "X-Postsluice-Ticket: v1 abcd AAAA\r\n";
    BOOST_TEST(w.ask(w.ticket("alice@example.org", "Q1") + smtp_trace + many, "Q1").account == "alice@example.org");
    BOOST_TEST(w.ask(smtp_trace + many + w.ticket("alice@example.org", "Q1"), "Q1").account ==
               "-"); // beyond what is looked at
}

BOOST_AUTO_TEST_CASE(a_local_user_is_known_by_the_received_that_pickup_wrote_on_top) {
    who_sent_it w;
    struct row {
        const char* name;
        std::string text, ident;
        bool network, local_peer;
        std::string account;
    };
    const auto subject = std::string{"Subject: x\r\n"};
    const auto forwarded = std::string{"Received: by mail.example.org (Postfix)\r\n\tid Q; d\r\n"};
    const row rows[] = {
        {"pickup", from_pickup("1000") + subject, "", false, true, "uid:1000"},
        {"root", from_pickup("0") + subject, "", false, true, "uid:0"},
        {"queued again", from_pickup("108") + from_pickup("1000") + subject, "", false, true, "uid:1000"},
        {"and again", from_pickup("108") + from_pickup("108") + from_pickup("1000"), "", false, true, "uid:1000"},
        {"the mail owner's own", from_pickup("108") + subject, "", false, true, "-"},
        {"a forged one below a user's", from_pickup("1000") + from_pickup("0"), "", false, true, "uid:1000"},
        {"a forged requeue below a user's", from_pickup("1000") + from_pickup("108") + from_pickup("0"), "", false,
         true, "uid:1000"},
        {"both, queued again", from_pickup("108") + from_pickup("1000") + from_pickup("108") + from_pickup("0"), "",
         false, true, "uid:1000"},
        {"a forged one in network mail that was queued again", from_pickup("108") + smtp_trace + from_pickup("4711"),
         "Q1", true, true, "-"},
        {"and nobody knows of the client", from_pickup("108") + smtp_trace + from_pickup("4711"), "", false, true, "-"},
        {"on top of network mail that was queued again", from_pickup("108") + from_pickup("4711") + smtp_trace, "Q1",
         true, true, "-"},
        {"a forged one below local(8)'s", from_pickup("108") + forwarded + from_pickup("4711"), "", false, true, "-"},
        {"local mail that passed us", from_pickup("108") + smtp_trace + from_pickup("1000"), "4bQ", false, true, "-"},
        {"queued again at another host", from_pickup("108") + from_pickup("1000"), "", false, false, "-"},
        {"a ticket of pickup's queue ID", from_pickup("1000") + w.ticket("alice@example.org", "4bQ"), "", false, true,
         "uid:1000"},
        {"a forged one below the client's", smtp_trace + from_pickup("4711"), "Q1", true, true, "-"},
        {"a forged one on top of network mail", from_pickup("4711") + smtp_trace, "Q1", true, true, "-"},
        {"from another host", from_pickup("1000") + subject, "", false, false, "-"},
        {"above it a field that is no Received", "X-Note: y\r\n" + from_pickup("1000"), "", false, true, "uid:1000"},
        {"ticket and uid: the ticket", w.ticket("alice@example.org", "Q1") + from_pickup("1000"), "Q1", false, true,
         "alice@example.org"},
        {"not quite pickup's form", "Received: by mail.example.org (Postfix, from userid 1000); x\r\n", "", false, true,
         "-"},
        {"words in a HELO",
         "Received: from (Postfix, from userid 1000) (x [192.0.2.1])\r\n\tby m (Postfix) id Q; d\r\n", "", false, true,
         "-"},
        {"a number that is none", from_pickup("1000x"), "", false, true, "-"},
        {"a number too large", from_pickup("99999999999999"), "", false, true, "-"},
        {"a negative number", from_pickup("-1"), "", false, true, "-"},
        {"two hosts", "Received: by a b (Postfix, from userid 1000)\r\n\tid Q; d\r\n", "", false, true, "-"},
        {"another mail system", "Received: by mail.example.org (Postfax, from userid 1000)\r\n\tid Q; d\r\n", "", false,
         true, "-"},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.name) BOOST_TEST(w.ask(r.text, r.ident, r.network, r.local_peer).account == r.account);
}

BOOST_AUTO_TEST_CASE(local_mail_has_the_queue_id_that_pickup_gave_it_the_first_time) {
    who_sent_it w;
    const auto user = from_pickup("1000", "4bQ1"), owner = from_pickup("108", "4bQ2"),
               later = from_pickup("108", "4bQ3");
    struct row {
        const char* name;
        std::string text, queue_id;
    };
    const row rows[] = {
        {"as it came", user + "Subject: x\r\n", "4bQ1"},
        {"queued again", owner + user, "4bQ1"},
        {"and again", later + owner + user, "4bQ1"},
        {"the mail owner's own, queued again", later + owner, "4bQ3"},
        {"a forged one below a user's", user + from_pickup("0", "4bQ9"), "4bQ1"},
        {"a forged requeue below a user's", user + from_pickup("108", "4bQ9") + from_pickup("0", "4bQ9"), "4bQ1"},
        {"another form below the mail owner's", owner + smtp_trace + from_pickup("1000", "4bQ9"), "4bQ2"},
        {"not pickup's", smtp_trace + user, "-"},
        {"two words", from_pickup("1000", "4bQ 1"), "-"},
        {"none", from_pickup("1000", ""), "-"},
        {"no Received", "Subject: x\r\n", "-"},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.name) BOOST_TEST(w.queue_id(r.text) == r.queue_id);
    BOOST_TEST(w.queue_id(user, true) == "-");         // over the network, whoever wrote that on top
    BOOST_TEST(w.queue_id(user, false, false) == "-"); // at another host
    BOOST_TEST(w.queue_id(user, false, true, way::before_queue) == "-");
}

BOOST_AUTO_TEST_CASE(where_nobody_knows_the_mail_owner_his_is_a_user_as_others_are) {
    const auto text = header(from_pickup("108", "4bQ2") + from_pickup("1000", "4bQ1"));
    BOOST_TEST(find_pickup(text, std::nullopt).value().uid == 108U);
    BOOST_TEST(find_pickup(text, 108).value().uid == 1000U);
}

BOOST_AUTO_TEST_CASE(our_own_received_fields_are_counted_and_no_others) {
    const auto ours = make_received("mail.example.org", "filter.example.org", smtp::protocol::lmtp, "Q1",
                                    instant{milliseconds{1767225600000}});
    BOOST_TEST(ours == "Received: from mail.example.org\r\n\tby filter.example.org (Postsluice) with LMTP id "
                       "Q1;\r\n\tThu, 01 Jan 2026 00:00:00 +0000");
    const auto other = make_received("a", "other.example.org", smtp::protocol::smtp, "Q2", instant{});
    BOOST_TEST(
        count_passes(header(smtp_trace + ours + "\r\n" + other + "\r\n" + ours + "\r\n"), "filter.example.org") == 2U);
    BOOST_TEST(count_passes(header("X-Received: by filter.example.org (Postsluice) with LMTP id Q\r\n"),
                            "filter.example.org") == 0U);
}

BOOST_AUTO_TEST_CASE(whatever_a_client_calls_itself_stays_one_word) {
    const auto text = make_received("a b\r\nX: y (Postfix, from userid 0)" + std::string(9000, 'x'), "h",
                                    smtp::protocol::lmtp, "", instant{});
    BOOST_TEST(text.find("X: y") == std::string::npos);
    BOOST_TEST(text.size() < 400U);
    BOOST_TEST(text.find("id unknown;") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_collector_hashes_counts_and_spools_whatever_the_pieces) {
    scratch_directory scratch;
    auto settings = default_settings(scratch.path);
    settings->contentfilter.spool_memory = byte_count{16};
    const std::string text = "--a\r\nSubject: -- no\r\n\r\n--b\r\n-c\r\n-\r\n--\r\nx--y\r\n---\r\n";
    std::optional<std::string> digest;
    for (std::size_t size = 1; size <= text.size(); ++size) {
        BOOST_TEST_CONTEXT("pieces of " << size) {
            collector c{settings};
            for (std::size_t at = 0; at < text.size(); at += size)
                c.add(std::string_view{text}.substr(at, size));
            const auto made = c.finish({}).value();
            BOOST_TEST(made->boundary_lines == 4U);
            BOOST_TEST(made->content->read(0, 1000).value() == text);
            if (!digest) digest = made->digest;
            BOOST_TEST(made->digest == *digest);
            BOOST_TEST(made->queue_id == "-");
        }
    }
    sha256 abc;
    abc.update("a");
    abc.update("bc");
    BOOST_TEST(abc.hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

BOOST_AUTO_TEST_CASE(of_a_message_without_room_the_collector_knows_the_beginning_and_no_more) {
    scratch_directory scratch;
    auto settings = default_settings(scratch.path);
    settings->contentfilter.spool_directory = scratch.path / "missing";
    std::string text;
    while (text.size() < 10 * collector::beginning)
        text += "A: " + std::string(95, 'x') + "\r\n"; // 100 octets
    for (const std::uint64_t memory : {0U, 50U, 1000U, 100'000U})
        for (const std::size_t size : {std::size_t{7}, std::size_t{1000}, text.size()})
            BOOST_TEST_CONTEXT(memory << " octets in memory, pieces of " << size) {
                settings->contentfilter.spool_memory = byte_count{memory};
                collector c{settings};
                for (std::size_t at = 0; at < text.size(); at += size)
                    c.add(std::string_view{text}.substr(at, size));
                BOOST_TEST(c.finish({}).has_error());
                const auto header = c.header_so_far();
                BOOST_TEST(header.fields.size() == collector::beginning / 100 + 1);
                BOOST_TEST(header.fields.front().raw == "A: " + std::string(95, 'x'));
            }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(session_access)

BOOST_AUTO_TEST_CASE(only_the_mail_server_may_connect) {
    const auto net = std::vector{ip_network::parse("192.0.2.0/24").value(), ip_network::parse("127.0.0.0/8").value()};
    const auto from = [](const char* address, std::optional<uid_t> uid) { return net::peer{address, uid, {}, {}}; };
    struct row {
        const char* name;
        net::peer who;
        bool allowed, local;
    };
    const row rows[] = {
        {"root by unix socket", from("unix", 0), true, true},
        {"the mail owner by unix socket", from("unix", 108), true, true},
        {"ourselves", from("unix", ::geteuid()), true, true},
        {"nobody by unix socket", from("unix", 65534), false, true},
        {"the mail owner by TCP", from("127.0.0.1", 108), true, true},
        {"nobody by TCP", from("127.0.0.1", 65534), false, true},
        {"a loopback peer without an owner, though trusted", from("127.0.0.1", {}), false, true},
        {"a trusted network", from("192.0.2.7", {}), true, false},
        {"a user of a trusted address of our own", from("192.0.2.7", 65534), false, true},
        {"another network", from("198.51.100.1", {}), false, false},
        {"an address that cannot be read", from("unknown", {}), false, true},
    };
    for (const auto& r : rows) {
        BOOST_TEST_CONTEXT(r.name) {
            const auto got = may_connect(r.who, 108, net);
            BOOST_TEST(got.allowed == r.allowed);
            BOOST_TEST(got.local == r.local);
            BOOST_TEST(got.allowed == got.why.empty());
        }
    }
    BOOST_TEST(!may_connect(from("unix", 108), std::nullopt, net).allowed);
}

BOOST_AUTO_TEST_CASE(the_mail_owner_is_the_user_of_that_name) {
    BOOST_TEST((find_mail_owner("root") == std::optional<uid_t>{0}));
    BOOST_TEST(!find_mail_owner("no-such-user-of-this-machine").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
