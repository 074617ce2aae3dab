// SPDX-License-Identifier: Apache-2.0
// Who sent it: pseudonyms of accounts, their header, and what of the client is left out.
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include "contentfilter/act/header_acts.hpp"
#include "contentfilter/act/pseudonyms.hpp"
#include "contentfilter/act/render.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
namespace fs = std::filesystem;

namespace {

struct names {
    scratch_directory scratch;
    log_capture log;
    manual_clock time;
    config::filter_settings settings;
    std::unique_ptr<act::pseudonyms> all;

    names() {
        settings.identity_header = "X-Sender-Id";
        settings.identity_key_file = scratch.path / "identity.keys";
        settings.identity_key_rotation = std::chrono::hours{24};
        settings.identity_key_retention = std::chrono::hours{24 * 10};
        open();
    }
    void open() { all = act::pseudonyms::open(settings, time).value(); }
    void advance_and_rotate(std::chrono::hours by) {
        time.advance(by);
        BOOST_TEST(all->rotate().has_value());
    }
};

std::string header_of(const std::shared_ptr<message>& what, const act::edits& changes) {
    std::string out;
    for (const auto& field : act::render_header(*what, changes))
        out += field + "\r\n";
    return out;
}

std::shared_ptr<message> message_of(const std::string& text, config::client_trace hide, const std::string& queue_id,
                                    way in = way::after_queue) {
    static scratch_directory scratch;
    const auto settings = default_settings(scratch.path);
    collector c{settings};
    c.add(text);
    auto envelope = smtp::make_envelope(mail_address::from_internal("bob@example.org"),
                                        {mail_address::from_internal("f@example.net")});
    if (!queue_id.empty()) envelope.xforward["IDENT"] = queue_id;
    auto made = c.finish(std::move(envelope)).value();
    made->in = in;
    made->sender = sender_of(*settings, "bob@example.org");
    auto profile = std::make_shared<config::profile>(*made->sender.profile);
    profile->hide_client = hide;
    made->sender.profile = profile;
    return made;
}

// As smtpd(8) of Postfix 3.7 writes it, for one recipient and for several.
const std::string client = "Received: from [192.168.7.9] (laptop.example.org [203.0.113.9])\r\n"
                           "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
                           "\t key-exchange X25519 server-signature RSA-PSS (2048 bits))\r\n"
                           "\t(No client certificate requested)\r\n\t(Authenticated sender: bob@example.org)\r\n";
const std::string for_one = client + "\tby filter.example.org (Postfix) with ESMTPSA id Q1\r\n"
                                     "\tfor <f@example.net>; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n";
const std::string for_many = client + "\tby filter.example.org (Postfix) with ESMTPSA id Q1;\r\n"
                                      "\tSat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n";
const std::string before = client + "\tby filter.example.org (Postfix) with ESMTPSA\r\n"
                                    "\tfor <f@example.net>; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n";
const std::string older = "Received: from other.example.com (other.example.com [198.51.100.1])\r\n"
                          "\tby filter.example.org (Postfix) with ESMTP id Q1;\r\n"
                          "\tFri, 20 Nov 2026 10:00:00 +0000 (UTC)\r\n";
const std::string rest = "From: bob@example.org\r\nSubject: x\r\n";

} // namespace

BOOST_AUTO_TEST_SUITE(act_sender)

BOOST_AUTO_TEST_CASE(a_pseudonym_is_the_accounts_own_and_is_turned_back) {
    names n;
    const auto alice = n.all->of("alice@example.org"), bob = n.all->of("bob@example.org");
    BOOST_TEST(alice == n.all->of("alice@example.org"));
    BOOST_TEST(alice != bob);
    BOOST_TEST(alice.size() == bob.size()); // the length tells nothing either
    BOOST_TEST(alice.find("alice") == std::string::npos);
    BOOST_TEST(n.all->who(alice)->account == "alice@example.org");
    const std::string longest(200, 'x');
    for (const auto& name :
         {std::string{"a"}, std::string(31, 'x'), std::string(32, 'x'), std::string(33, 'x'), longest})
        BOOST_TEST(n.all->who(n.all->of(name))->account == name);
    struct stat info {};
    BOOST_TEST(::stat(n.settings.identity_key_file.c_str(), &info) == 0);
    BOOST_TEST((info.st_mode & 07777) == 0600U);
    n.open(); // another start: the same keys
    BOOST_TEST(n.all->of("alice@example.org") == alice);
}

BOOST_AUTO_TEST_CASE(pseudonyms_survive_the_rotation_and_are_forgotten_after_their_retention) {
    names n;
    const auto start = n.time.now();
    const auto first = n.all->of("alice@example.org");
    n.advance_and_rotate(std::chrono::hours{23});
    BOOST_TEST(n.all->of("alice@example.org") == first);
    n.advance_and_rotate(std::chrono::hours{1});
    const auto second = n.all->of("alice@example.org");
    BOOST_TEST(second != first);
    BOOST_TEST(second.substr(2, 22) != first.substr(2, 22));
    n.open();
    const auto who = n.all->who(first).value();
    BOOST_TEST(who.account == "alice@example.org");
    BOOST_TEST((who.from == start && who.until == start + std::chrono::hours{24}));
    BOOST_TEST(!n.all->who(second)->until.has_value());
    for (int day = 0; day < 10; ++day)
        n.advance_and_rotate(std::chrono::hours{24});
    BOOST_TEST(n.all->who(first).has_value());
    n.advance_and_rotate(std::chrono::hours{24});
    BOOST_TEST((n.all->who(first).error().code == errc::not_found));
    BOOST_TEST(n.all->who(second).has_value());
}

BOOST_AUTO_TEST_CASE(what_is_no_pseudonym_of_ours_names_nobody) {
    names n;
    const auto alice = n.all->of("alice@example.org");
    for (const auto* bad : {"", "x", "1", "1.", ".AAAA", "1.!!!!", "alice@example.org"})
        BOOST_TEST_CONTEXT(bad) BOOST_TEST(!n.all->who(bad).has_value());
    auto changed = alice;
    changed[10] = changed[10] == 'A' ? 'B' : 'A';
    BOOST_TEST((n.all->who(changed).error().code == errc::denied));
    BOOST_TEST((n.all->who("2" + alice.substr(1)).error().code == errc::not_found));
    const names other;
    BOOST_TEST((other.all->who(alice).error().code == errc::denied));
}

BOOST_AUTO_TEST_CASE(a_key_file_that_others_may_read_or_that_is_damaged_is_refused) {
    names n;
    fs::permissions(n.settings.identity_key_file, fs::perms::others_read, fs::perm_options::add);
    BOOST_TEST((act::pseudonyms::open(n.settings, n.time).error().code == errc::denied));
    fs::permissions(n.settings.identity_key_file, fs::perms::others_read, fs::perm_options::remove);
    std::ofstream{n.settings.identity_key_file, std::ios::app} << "7 now secret\n";
    const auto bad = act::pseudonyms::open(n.settings, n.time);
    BOOST_TEST((bad.error().code == errc::corrupt));
    BOOST_TEST(bad.error().detail.find("line 4") != std::string::npos, bad.error().detail);
}

BOOST_AUTO_TEST_CASE(without_a_header_no_key_is_made) {
    names n;
    fs::remove(n.settings.identity_key_file);
    n.settings.identity_header.clear();
    n.open();
    BOOST_TEST(!fs::exists(n.settings.identity_key_file));
    BOOST_TEST(n.all->of("alice@example.org").empty());
}

BOOST_AUTO_TEST_CASE(only_our_own_identity_header_leaves) {
    const auto what = message_of("x-sender-id: 1.forged\r\n" + rest + "X-SENDER-ID: 1.kept\r\n\r\n",
                                 config::client_trace::keep, "Q1");
    act::edits changes;
    act::identify(changes, *what, "X-Sender-Id", "1.ours");
    BOOST_TEST(header_of(what, changes) == "X-Sender-Id: 1.ours\r\n" + rest);
    act::edits nobody;
    act::identify(nobody, *what, "X-Sender-Id", "");
    BOOST_TEST(header_of(what, nobody) == rest);
}

BOOST_AUTO_TEST_CASE(the_client_is_left_out_as_the_profile_says_and_nothing_else) {
    struct row {
        const char* name;
        std::string header, queue_id;
        way in;
        std::string rewritten; ///< empty: nothing is touched
    };
    const std::string short_form = "Received: by filter.example.org (Postfix) with ESMTPSA id Q1;\r\n"
                                   "\tSat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n";
    const std::string ticket = "X-Postsluice-Ticket: x\r\n";
    const row rows[] = {
        {"for one recipient", for_one, "Q1", way::after_queue, short_form},
        {"for several", for_many, "Q1", way::after_queue, short_form},
        {"by pipe", for_many, "Q1", way::pipe, short_form},
        {"before the queue", before, "", way::before_queue,
         "Received: by filter.example.org (Postfix) with ESMTPSA;\r\n\tSat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n"},
        {"of another message", for_one, "Q2", way::after_queue, ""},
        {"without a queue ID", for_one, "", way::after_queue, ""},
        {"before the queue, of another host",
         "Received: from a (b [192.0.2.1])\r\n\tby relay.example.com (Postfix) "
         "with ESMTP\r\n\tfor <f@example.net>; Sat, 21 Nov 2026 10:00:00 +0000\r\n",
         "", way::before_queue, ""},
        {"of local mail",
         "Received: by filter.example.org (Postfix, from userid 1000)\r\n\tid Q1; Sat, 21 Nov 2026 "
         "10:00:00 +0000 (UTC)\r\n",
         "Q1", way::after_queue, ""},
    };
    for (const auto& r : rows) {
        BOOST_TEST_CONTEXT(r.name) {
            const std::string whole = ticket + r.header + older + rest;
            for (const auto hide :
                 {config::client_trace::keep, config::client_trace::rewrite, config::client_trace::remove}) {
                const auto what = message_of(whole + "\r\n", hide, r.queue_id, r.in);
                act::edits changes;
                act::hide_client(changes, *what);
                std::string top = r.header;
                if (!r.rewritten.empty() && hide == config::client_trace::rewrite) top = r.rewritten;
                if (!r.rewritten.empty() && hide == config::client_trace::remove) top.clear();
                BOOST_TEST(header_of(what, changes) == ticket + top + older + rest);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(of_a_message_that_was_queued_again_the_field_below_pickups_is_the_clients) {
    const std::string pickup =
        "Received: by filter.example.org (Postfix, from userid 101)\r\n\tid Q7; Sat, 21 Nov 2026 "
        "10:05:00 +0000 (UTC)\r\n";
    const auto hidden = [&](const std::shared_ptr<message>& what) {
        act::edits changes;
        act::hide_client(changes, *what);
        return header_of(what, changes);
    };
    const auto text = pickup + for_one + older + rest + "\r\n";
    BOOST_TEST(hidden(message_of(text, config::client_trace::remove, "Q1")) == pickup + older + rest);
    // pipe(8) says the queue ID of now; the ticket, that of then.
    auto what = message_of(text, config::client_trace::remove, "Q7", way::pipe);
    BOOST_TEST(hidden(what) == pickup + for_one + older + rest);
    what->sender.ticket.emplace().queue_id = "Q1";
    BOOST_TEST(hidden(what) == pickup + older + rest);
    what->sender.ticket->queue_id = "-";
    BOOST_TEST(hidden(what) == pickup + for_one + older + rest);
}

BOOST_AUTO_TEST_CASE(before_the_queue_only_the_topmost_field_is_the_clients) {
    const auto what =
        message_of("Received: by filter.example.org (Postsluice) with ESMTP id X; y\r\n" + before + rest + "\r\n",
                   config::client_trace::remove, "", way::before_queue);
    act::edits changes;
    act::hide_client(changes, *what);
    BOOST_TEST(changes.remove.empty());
}

BOOST_AUTO_TEST_CASE(nobodys_client_is_not_hidden) {
    auto what = message_of(for_one + rest + "\r\n", config::client_trace::remove, "Q1");
    what->sender.account = "-";
    act::edits changes;
    act::hide_client(changes, *what);
    BOOST_TEST(changes.remove.empty());
}

BOOST_AUTO_TEST_SUITE_END()
