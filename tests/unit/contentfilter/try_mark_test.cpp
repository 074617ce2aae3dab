// SPDX-License-Identifier: Apache-2.0
// By what a message is known again over which the filter died, and how little of it is looked at then. That its mark is
// there before the header is parsed is in tests/integration/test_deadly_header.py.
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include "contentfilter/intake/collector.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

/// As smtpd hands it over before the queue, at one try of the client's.
std::string one_try(filter& f, int number, const std::string& body = "hello\r\n") {
    const auto text = std::to_string(number);
    return f.ticket("bob@example.org", "-") + "Received: from client" + text +
           " (c [192.0.2.1])\r\n\tby m (Postfix);\r\n" + "\tSat, 21 Nov 2026 10:00:0" + text +
           " +0000\r\nFrom: bob@example.org\r\nSubject: x\r\nDate: Sat, 21 Nov 2026 "
           "10:00:0" +
           text + " +0000\r\n\r\n" + body;
}

std::shared_ptr<message> make(filter& f, const std::string& content, const std::string& sender = "bob@example.org",
                              const std::vector<std::string>& to = {"a@example.net"}) {
    collector c{f.settings};
    for (std::size_t at = 0; at < content.size(); at += 7) // cut anywhere
        c.add(std::string_view{content}.substr(at, 7));
    std::vector<mail_address> recipients;
    for (const auto& one : to)
        recipients.push_back(mail_address::from_internal(one));
    auto out = c.close(smtp::make_envelope(mail_address::from_internal(sender), recipients)).value();
    out->queue_id = "-";
    return out;
}

std::string key_of(const std::shared_ptr<message>& of) {
    const auto key = key_of_try(*of).value();
    return key.name + "|" + key.digest;
}

/// Processes that die over it, one after the other.
void die_over(filter& f, const try_key& key, int times) {
    const auto& directory = f.settings->state.directory;
    for (int death = 0; death < times; ++death) {
        state::attempts other{directory / "tries", state::state_secret(directory).value(), f.boot};
        other.begin(key.name, key.digest).value(); // and never ends
    }
}

std::uint32_t deaths_of(filter& f, const try_key& key) {
    const auto& directory = f.settings->state.directory;
    state::attempts other{directory / "tries", state::state_secret(directory).value(), f.boot};
    return other.begin(key.name, key.digest).value();
}

std::string deliver_before_queue(filter& f, const std::string& content) {
    postfix p{f.socket(), false};
    return p.send("", "bob@example.org", {"a@example.net"}, content).front();
}

} // namespace

BOOST_AUTO_TEST_SUITE(try_mark_suite)

BOOST_AUTO_TEST_CASE(with_a_queue_id_a_message_is_that_and_its_octets) {
    filter f;
    auto one = make(f, "Subject: x\r\n\r\nhello\r\n");
    one->queue_id = "Q1";
    BOOST_TEST(key_of_try(*one).value().name == "Q1");
    BOOST_TEST(key_of_try(*one).value().digest == one->digest);
}

BOOST_AUTO_TEST_CASE(without_a_queue_id_it_is_its_envelope_and_its_body) {
    const std::string long_body = std::string(most_of_a_body + 5000, 'x') + "\r\n";
    auto elsewhere = long_body;
    elsewhere[100] = 'y';
    auto shorter = long_body.substr(1);
    for (const std::uint64_t memory : {0U, 1U << 20U})
        BOOST_TEST_CONTEXT(memory << " octets in memory") {
            filter f;
            f.settings->contentfilter.spool_memory = byte_count{memory};
            const auto key = key_of(make(f, one_try(f, 1)));
            BOOST_TEST(key_of(make(f, one_try(f, 2))) == key);
            BOOST_TEST(key_of(make(f, one_try(f, 2, "hallo\r\n"))) != key);
            BOOST_TEST(key_of(make(f, one_try(f, 2), "bob@example.com")) != key);
            BOOST_TEST(key_of(make(f, one_try(f, 2), "bob@example.org", {"b@example.net"})) != key);
            const auto long_key = key_of(make(f, one_try(f, 1, long_body)));
            BOOST_TEST(key_of(make(f, one_try(f, 2, long_body))) == long_key);
            BOOST_TEST(key_of(make(f, one_try(f, 2, elsewhere))) != long_key);
            BOOST_TEST(key_of(make(f, one_try(f, 2, shorter))) != long_key);
            // The first empty line counts, wherever it stands.
            BOOST_TEST(key_of(make(f, "\r\nbody\r\n")) == key_of(make(f, "A: b\r\n\r\nbody\r\n")));
            BOOST_TEST(key_of(make(f, "A: b\r\n\r\n\r\nbody\r\n")) != key_of(make(f, "A: b\r\n\r\nbody\r\n")));
            BOOST_TEST(key_of(make(f, "A: b\r\n")) == key_of(make(f, "A: other\r\n"))); // no body at all
        }
}

BOOST_AUTO_TEST_CASE(over_whose_header_the_filter_dies_is_quarantined_unread_whatever_the_options_say) {
    for (const auto policy : {config::tries_policy::hold, config::tries_policy::pass}) {
        BOOST_TEST_CONTEXT(static_cast<int>(policy)) {
            filter f;
            f.settings->contentfilter.max_tries = 2;
            f.settings->contentfilter.after_tries = policy;
            f.settings->contentfilter.no_ticket = config::no_ticket_policy::tempfail; // nobody's, but not that way
            auto profile = std::make_shared<config::profile>(*f.settings->profiles.at("default"));
            profile->hold = config::hold_place::queue;
            profile->hold_release = seconds{3600};
            f.settings->profiles["default"] = profile;
            const auto content = f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "secret");
            sha256 hash;
            hash.update(content);
            const try_key key{"Q1", hash.hex()};
            die_over(f, key, 3);
            f.start();
            postfix p{f.socket()};
            const auto reply = p.send("Q1", "bob@example.org", {"a@example.net"}, content).front();
            BOOST_TEST(reply.starts_with("250 2.0.0 Ok: quarantined"), reply << f.log.all());
            BOOST_TEST_REQUIRE(f.quarantined().size() == 1U);
            const auto entry = f.quarantined().front();
            BOOST_TEST(entry.account == "-");
            BOOST_TEST(entry.subject.empty());
            BOOST_TEST(entry.held);
            BOOST_TEST((entry.release_at == instant{}));
            BOOST_TEST(f.events().front().why == reason::tried_too_often);
            BOOST_TEST(f.hop->deliveries().empty());
            // What was received is what is kept: a person may release it, and then it is read.
            std::ifstream in{f.kept->path(entry.id), std::ios::binary};
            BOOST_TEST((std::string{std::istreambuf_iterator<char>{in}, {}} == content));
            f.stop();
            BOOST_TEST(deaths_of(f, key) == 3U); // it was not looked into: that is no reason to forget
        }
    }
}

BOOST_AUTO_TEST_CASE(what_was_not_looked_at_is_held_without_a_time_of_its_own) {
    filter f;
    f.settings->contentfilter.max_tries = 2;
    auto profile = std::make_shared<config::profile>(*f.settings->profiles.at("default"));
    profile->hold_release = seconds{3600};
    f.settings->profiles["default"] = profile;
    const auto content = f.ticket("bob@example.org", "Q1") + plain("bob@example.org", "x");
    sha256 hash;
    hash.update(content);
    die_over(f, {"Q1", hash.hex()}, 2);
    f.start();
    postfix p{f.socket()};
    BOOST_TEST(p.send("Q1", "bob@example.org", {"a@example.net"}, content).front().starts_with("250 2.0.0 Ok: quar"));
    BOOST_TEST_REQUIRE(f.quarantined().size() == 1U);
    BOOST_TEST(f.quarantined().front().account == "bob@example.org");
    BOOST_TEST(f.quarantined().front().held);
    BOOST_TEST((f.quarantined().front().release_at == instant{}));
}

BOOST_AUTO_TEST_CASE(before_the_queue_the_clients_next_try_is_recognised) {
    filter f;
    f.settings->contentfilter.max_tries = 2;
    const auto key = key_of_try(*make(f, one_try(f, 1))).value();
    die_over(f, key, 2);
    int looked_at = 0;
    f.on_check = [&](const message&) { ++looked_at; };
    f.start(smtp::protocol::smtp, way::before_queue);
    BOOST_TEST(deliver_before_queue(f, one_try(f, 2)).starts_with("250 2.0.0 Ok: quarantined"), f.log.all());
    BOOST_TEST(looked_at == 0);
    BOOST_TEST_REQUIRE(f.quarantined().size() == 1U);
    BOOST_TEST(f.quarantined().front().account == "bob@example.org");
    BOOST_TEST(f.quarantined().front().why == reason::tried_too_often);
    BOOST_TEST(deliver_before_queue(f, one_try(f, 3, "another\r\n")).starts_with("250 2.0.0 Ok: queued"));
    BOOST_TEST(looked_at == 1);
}

BOOST_AUTO_TEST_CASE(while_it_is_looked_into_there_is_a_mark_and_none_while_the_next_hop_takes_it) {
    for (const auto in : {way::after_queue, way::before_queue}) {
        BOOST_TEST_CONTEXT(static_cast<int>(in)) {
            filter f;
            const bool before = in == way::before_queue;
            const auto content =
                before ? one_try(f, 1) : f.ticket("bob@example.org", "Q1") + plain("b@example.org", "x");
            auto what = make(f, content);
            if (!before) what->queue_id = "Q1";
            const auto key = key_of_try(*what).value();
            std::filesystem::path tries = f.settings->state.directory / "tries";
            std::promise<void> checking, go_on;
            f.on_check = [&](const message&) {
                checking.set_value();
                go_on.get_future().wait();
            };
            std::promise<void> taking, taken;
            f.hop->before_data = [&] {
                taking.set_value();
                taken.get_future().wait();
            };
            f.start(before ? smtp::protocol::smtp : smtp::protocol::lmtp, in);
            const auto marked = [&] { // of a copy: a mark of a process that is dead
                const auto copy = f.scratch.path / "copy of tries";
                std::filesystem::copy_file(tries, copy, std::filesystem::copy_options::overwrite_existing);
                state::attempts dead{copy, state::state_secret(f.settings->state.directory).value(), f.boot};
                return dead.begin(key.name, key.digest).value();
            };
            std::jthread client{[&] {
                if (before)
                    deliver_before_queue(f, content);
                else
                    postfix{f.socket()}.send("Q1", "bob@example.org", {"a@example.net"}, content);
            }};
            checking.get_future().wait();
            BOOST_TEST(marked() == 1U);
            go_on.set_value();
            taking.get_future().wait();
            BOOST_TEST(marked() == 0U);
            taken.set_value();
            client.join();
            BOOST_TEST(f.hop->deliveries().size() == 1U);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
