// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include "shared/state/quarantine_index.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <functional>
#include <set>

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;
namespace asio = boost::asio;
using std::chrono::minutes;

namespace {

const std::string alice = "alice@example.org";

struct office {
    temp_directory dir;
    manual_clock clock;
    boost::asio::io_context io;
    std::unique_ptr<store> state = open_store(dir / "state");
    writer through{*state, seconds{300}}; // thousands of writes wait their turn
    quarantine_index quarantine{*state, through};

    void overwrite_all(std::string_view value) {
        auto txn = state->write();
        std::vector<std::string> keys;
        txn->scan("", "", [&](std::string_view key, std::string_view) {
            keys.emplace_back(key);
            return true;
        });
        for (const auto& key : keys)
            BOOST_REQUIRE(txn->put(key, value).has_value());
        BOOST_REQUIRE(txn->commit().has_value());
    }
};

quarantine_entry sample(const std::string& id, instant at, const std::string& account) {
    quarantine_entry e;
    e.id = id;
    e.at = at;
    e.account = account;
    e.subject = "S\xc3\xa4tze";
    e.mail_line = "<a@example.org> SIZE=10";
    e.rcpt_lines = {"<b@example.net>", "<c@example.net> NOTIFY=NEVER"};
    e.sender = "a@example.org";
    e.recipients = {"b@example.net", "c@example.net"};
    e.why = reason::virus;
    e.findings = {"EICAR(100) x"};
    e.size = 12345;
    return e;
}

} // namespace

BOOST_AUTO_TEST_SUITE(quarantine_index_test)

BOOST_AUTO_TEST_CASE(an_entry_comes_back_as_it_was_put) {
    office o;
    const auto e = sample("ID1", o.clock.now(), alice);
    BOOST_REQUIRE(run(o.io, o.quarantine.put(e)).has_value());
    const auto found = o.quarantine.find("ID1").value();
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(found->subject == e.subject);
    BOOST_TEST(found->mail_line == e.mail_line);
    BOOST_TEST(found->rcpt_lines == e.rcpt_lines);
    BOOST_TEST(found->recipients == e.recipients);
    BOOST_TEST(found->findings == e.findings);
    BOOST_TEST(found->why == e.why);
    BOOST_TEST(found->size == e.size);
    BOOST_TEST((found->at == e.at));
    BOOST_TEST(!found->releasing.has_value());
    BOOST_TEST(!found->held);
    BOOST_TEST(!o.quarantine.find("ID2")->has_value());
}

BOOST_AUTO_TEST_CASE(the_way_in_is_kept_and_entries_from_before_it_was_can_be_read) {
    office o;
    auto e = sample("ID1", o.clock.now(), alice);
    e.before_queue = true;
    BOOST_REQUIRE(run(o.io, o.quarantine.put(e)).has_value());
    BOOST_TEST(o.quarantine.find("ID1").value()->before_queue);
    auto txn = o.state->write();
    auto value = std::string{txn->get("QID1").value()};
    BOOST_REQUIRE(value.front() == 3);
    value.front() = 2;
    value.pop_back();
    BOOST_REQUIRE(txn->put("QID1", value).has_value());
    BOOST_REQUIRE(txn->commit().has_value());
    const auto found = o.quarantine.find("ID1").value();
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(!found->before_queue);
    BOOST_TEST(found->recipients == e.recipients);
    BOOST_TEST(o.quarantine.list(alice, 9)->size() == 1u);
}

BOOST_AUTO_TEST_CASE(entries_are_listed_newest_first_and_replaced_in_place) {
    office o;
    for (int i = 0; i < 5; ++i) {
        BOOST_REQUIRE(
            run(o.io, o.quarantine.put(sample("ID" + std::to_string(i), o.clock.now(), i % 2 ? "bob" : alice)))
                .has_value());
        o.clock.advance(minutes{1});
    }
    auto again = sample("ID0", o.clock.now(), alice);
    again.held = true;
    again.release_at = o.clock.now() + minutes{7};
    again.releasing = quarantine_release{"token", {"<b@example.net>"}, "<d@example.net>", true};
    BOOST_REQUIRE(run(o.io, o.quarantine.put(again)).has_value());
    const auto all = o.quarantine.list("", 10).value();
    BOOST_REQUIRE(all.size() == 5U);
    BOOST_TEST(all[0].id == "ID0");
    BOOST_TEST((all[0].releasing == again.releasing));
    BOOST_TEST((all[0].held && all[0].release_at == again.release_at));
    BOOST_TEST(all[1].id == "ID4");
    BOOST_TEST(o.quarantine.list("bob", 10)->size() == 2U);
    BOOST_TEST(o.quarantine.list("", 2)->size() == 2U);
    BOOST_REQUIRE(run(o.io, o.quarantine.erase("ID4")).has_value());
    BOOST_REQUIRE(run(o.io, o.quarantine.erase("ID4")).has_value());
    BOOST_TEST(o.quarantine.list("", 10)->size() == 4U);
}

BOOST_AUTO_TEST_CASE(old_entries_are_found_by_their_age) {
    office o;
    const auto start = o.clock.now();
    for (int i = 0; i < 4; ++i) {
        BOOST_REQUIRE(
            run(o.io, o.quarantine.put(sample("ID" + std::to_string(i), start + minutes{i}, alice))).has_value());
    }
    BOOST_TEST((o.quarantine.older_than(start + minutes{2}, 9).value() == std::vector<std::string>{"ID0", "ID1"}));
    BOOST_TEST((o.quarantine.older_than(start + minutes{9}, 3).value() ==
                std::vector<std::string>{"ID0", "ID1", "ID2"})); // the oldest, where not all are asked for
    BOOST_TEST(o.quarantine.older_than(start, 9)->empty());
}

BOOST_AUTO_TEST_CASE(what_awaits_a_release_is_found_by_its_time_and_is_never_old) {
    office o;
    const auto start = o.clock.now();
    for (int i = 0; i < 4; ++i) {
        auto e = sample("ID" + std::to_string(i), start + minutes{i}, alice);
        if (i > 0) e.release_at = start + minutes{60 - i};
        BOOST_REQUIRE(run(o.io, o.quarantine.put(e)).has_value());
    }
    using ids = std::vector<std::string>;
    BOOST_TEST((o.quarantine.older_than(start + minutes{90}, 9).value() == ids{"ID0"}));
    BOOST_TEST(o.quarantine.due(start + minutes{56}, 9)->empty());
    BOOST_TEST((o.quarantine.due(start + minutes{57}, 9).value() == ids{"ID3"}));
    BOOST_TEST((o.quarantine.due(start + minutes{90}, 2).value() == ids{"ID3", "ID2"}));
    auto by_hand = *o.quarantine.find("ID3").value();
    by_hand.release_at = instant{};
    BOOST_REQUIRE(run(o.io, o.quarantine.put(by_hand)).has_value());
    BOOST_TEST((o.quarantine.due(start + minutes{90}, 9).value() == ids{"ID2", "ID1"}));
    BOOST_TEST((o.quarantine.older_than(start + minutes{90}, 9).value() == ids{"ID0", "ID3"}));
}

BOOST_AUTO_TEST_CASE(an_entry_is_found_by_its_octets_and_queue_id) {
    office o;
    auto e = sample("ID1", o.clock.now(), alice);
    e.digest = "00ff";
    e.queue_id = "Q1";
    BOOST_REQUIRE(run(o.io, o.quarantine.put(e)).has_value());
    BOOST_TEST(o.quarantine.find_key(quarantine_key("00ff", "Q1", e.sender)).value().value() == "ID1");
    BOOST_TEST(!o.quarantine.find_key(quarantine_key("00ff", "Q2", e.sender))->has_value());
    // Before the queue there is no queue ID: the sender tells two messages of the same octets apart.
    BOOST_TEST(quarantine_key("00ff", "-", "a@x") != quarantine_key("00ff", "-", "b@x"));
    BOOST_REQUIRE(run(o.io, o.quarantine.erase("ID1")).has_value());
    BOOST_TEST(!o.quarantine.find_key(quarantine_key("00ff", "Q1", e.sender))->has_value());
}

BOOST_AUTO_TEST_CASE(a_search_asks_for_all_that_it_names) {
    office o;
    const auto start = o.clock.now();
    auto e = sample("ID1", start, alice);
    e.subject = "Invoice 4711";
    e.findings = {"GTUBE(20.0) x", "EXECUTABLE_FILE(5.0) a.exe"};
    BOOST_REQUIRE(run(o.io, o.quarantine.put(e)).has_value());
    const auto found = [&](auto change) {
        quarantine_query q;
        change(q);
        return o.quarantine.search(q, "", 10)->entries.size();
    };
    const std::pair<const char*, std::function<void(quarantine_query&)>> yes[] = {
        {"nothing", [](auto&) {}},
        {"account", [](auto& q) { q.account = alice; }},
        {"accounts", [](auto& q) { q.account = "*"; }},
        {"sender", [](auto& q) { q.sender = "a@example.org"; }},
        {"sender's domain", [](auto& q) { q.sender = "@example.org"; }},
        {"one recipient", [](auto& q) { q.recipient = "c@example.net"; }},
        {"recipients", [](auto& q) { q.recipient = "*@example.net"; }},
        {"subject", [](auto& q) { q.subject = "invoice"; }},
        {"symbol", [](auto& q) { q.symbol = "EXECUTABLE_FILE"; }},
        {"reason", [](auto& q) { q.why = reason::virus; }},
        {"held", [](auto& q) { q.held = false; }},
        {"time", [&](auto& q) { q.since = q.until = start; }},
        {"all", [&](auto& q) {
             q.account = alice;
             q.subject = "4711";
             q.why = reason::virus;
         }}};
    for (const auto& [name, change] : yes)
        BOOST_TEST_CONTEXT(name) BOOST_TEST(found(change) == 1U);
    const std::pair<const char*, std::function<void(quarantine_query&)>> no[] = {
        {"account", [](auto& q) { q.account = "bob"; }},
        {"sender", [](auto& q) { q.sender = "@other.org"; }},
        {"recipient", [](auto& q) { q.recipient = "c@example.org"; }},
        {"subject", [](auto& q) { q.subject = "invoices"; }},
        {"a part of a symbol", [](auto& q) { q.symbol = "EXECUTABLE"; }},
        {"reason", [](auto& q) { q.why = reason::spam; }},
        {"held", [](auto& q) { q.held = true; }},
        {"later", [&](auto& q) { q.since = start + milliseconds{1}; }},
        {"earlier", [&](auto& q) { q.until = start - milliseconds{1}; }},
        {"one of two", [&](auto& q) {
             q.account = alice;
             q.why = reason::spam;
         }}};
    for (const auto& [name, change] : no)
        BOOST_TEST_CONTEXT(name) BOOST_TEST(found(change) == 0U);
}

BOOST_AUTO_TEST_CASE(pages_hold_each_entry_once_and_none_is_large) {
    office o;
    constexpr int all = 9000; // more than one page may look at
    std::vector<quarantine_entry> entries;
    for (int i = 0; i < all; ++i)
        entries.push_back(
            sample("ID" + std::to_string(i), o.clock.now() + milliseconds{i / 2}, i == 5 ? "bob" : alice));
    for (const auto& e : entries)
        asio::co_spawn(o.io, o.quarantine.put(e), asio::detached);
    o.io.restart();
    o.io.run();
    quarantine_query q;
    std::set<std::string> seen;
    std::string after;
    int pages = 0;
    do {
        const auto page = o.quarantine.search(q, after, 1000).value();
        BOOST_TEST(page.entries.size() <= 1000U);
        for (const auto& e : page.entries)
            BOOST_TEST(seen.insert(e.id).second);
        after = page.next;
        ++pages;
    } while (!after.empty());
    BOOST_TEST(seen.size() == static_cast<std::size_t>(all));
    // What is rare is looked for in bounded steps: the first page ends before it is found.
    q.subject = "nowhere";
    const auto first = o.quarantine.search(q, "", 1000).value();
    BOOST_TEST(first.entries.empty());
    BOOST_TEST(!first.next.empty());
    q.subject.clear();
    q.account = "bob";
    const auto bobs = o.quarantine.search(q, "", 1000).value();
    BOOST_TEST(bobs.entries.size() == 1U);
    for (const auto* bad : {"x", "AAAA", "no page!", "%%%%"})
        BOOST_TEST((o.quarantine.search(q, bad, 10).error().code == errc::malformed));
}

BOOST_AUTO_TEST_CASE(ids_beyond_the_bounds_and_damaged_entries_are_errors) {
    office o;
    BOOST_TEST(run(o.io, o.quarantine.put(sample("", o.clock.now(), alice))).error().code == errc::malformed);
    BOOST_TEST(run(o.io, o.quarantine.erase(std::string(65, 'x'))).error().code == errc::malformed);
    BOOST_TEST(!o.quarantine.find(std::string(600, 'x'))->has_value());
    BOOST_REQUIRE(run(o.io, o.quarantine.put(sample("ID1", o.clock.now(), alice))).has_value());
    o.overwrite_all("\1\xff");
    BOOST_TEST(o.quarantine.find("ID1").error().code == errc::corrupt);
    BOOST_TEST(o.quarantine.list("", 9)->empty());
    BOOST_TEST(run(o.io, o.quarantine.erase("ID1")).has_value());
    BOOST_TEST(!o.quarantine.find("ID1")->has_value());
}

BOOST_AUTO_TEST_SUITE_END()
