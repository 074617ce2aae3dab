// SPDX-License-Identifier: Apache-2.0
// One message is in quarantine once, and nobody gets it twice: whatever is late, lost or left behind.
#define BOOST_TEST_DYN_LINK
#include "quarantine_box.hpp"

#include "../state/fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

/// Another process that holds the lock of the common state, once told to. It begins while the box is closed: LMDB must
/// not be open across a fork.
class lock_holder {
public:
    explicit lock_holder(box& of)
        : directory_{(of.close(), of.settings->state.directory / "state")} {
        of.patience = seconds{1};
        of.open();
    }
    void hold() {
        begin_.give();
        BOOST_TEST_REQUIRE(holding_.take());
    }
    void let_go() {
        end_.give();
        BOOST_TEST(process_.wait() == 0);
    }

private:
    int run() {
        if (!begin_.take()) return 1;
        auto opened = state::store::open({.directory = directory_, .map_size = {64U << 20U}});
        if (!opened) return 2;
        const auto txn = (*opened)->write();
        if (!txn) return 3;
        holding_.give();
        return end_.take() ? 0 : 4;
    }
    fs::path directory_;
    state::test::signal_pipe begin_, holding_, end_;
    state::test::child_process process_{[this] { return run(); }}; // last: it has all of it
};

/// A message that came again and again until it was kept.
act::quarantine::kept keep_until_kept(box& b, const std::string& text, const std::string& id,
                                      const std::vector<std::string>& recipients) {
    const auto end = std::chrono::steady_clock::now() + seconds{120};
    auto done = b.keep(text, id, "Q1", recipients);
    while (!done && std::chrono::steady_clock::now() < end)
        done = b.keep(text, id, "Q1", recipients);
    return done.value();
}

} // namespace

BOOST_AUTO_TEST_SUITE(quarantine_once)

BOOST_AUTO_TEST_CASE(a_message_whose_entry_is_written_late_is_there_once_for_everybody) {
    box b;
    lock_holder other{b};
    other.hold();
    const std::vector<std::string> everybody{"a@example.net", "b@example.net", "c@example.net"};
    for (const auto& one : everybody) // slices, or tries
        BOOST_TEST((b.keep(text, "FOR" + one.substr(0, 1), "Q1", {one}).error().code == errc::timed_out));
    BOOST_TEST(b.files() == (std::vector<std::string>{"FORa.eml", "FORa.env"}), boost::test_tools::per_element());
    BOOST_TEST(b.kept->total().entries == 1U);
    BOOST_TEST(b.kept->total().octets == text.size());
    other.let_go();
    const auto again = keep_until_kept(b, text, "AGAIN", {"b@example.net"});
    BOOST_TEST(again.id == "FORa");
    BOOST_TEST(again.repeated);
    BOOST_TEST_REQUIRE(b.entries().size() == 1U);
    BOOST_TEST(b.entries()[0].recipients == everybody, boost::test_tools::per_element());
    run_awaitable(b.kept->remove("FORa")).value();
    BOOST_TEST(b.kept->total().entries == 0U);
    BOOST_TEST(b.kept->total().octets == 0U);
    BOOST_TEST(!b.keep(text, "ANEW").value().repeated);
    BOOST_TEST(b.kept->total().octets == text.size());
}

BOOST_AUTO_TEST_CASE(a_message_that_comes_while_its_deletion_is_written_late_is_kept) {
    box b;
    b.keep(text, "AAAAAAAA").value();
    lock_holder other{b};
    other.hold();
    BOOST_TEST((run_awaitable(b.kept->remove("AAAAAAAA")).error().code == errc::timed_out));
    BOOST_TEST(b.kept->total().entries == 0U);
    BOOST_TEST((b.keep(text, "BBBBBBBB").error().code == errc::timed_out));
    other.let_go();
    const auto id = keep_until_kept(b, text, "CCCCCCCC", {"a@example.net"}).id;
    BOOST_TEST_REQUIRE(b.entries().size() == 1U);
    BOOST_TEST(b.entries()[0].id == id);
    BOOST_TEST(b.kept->head(id, 100000).value() == text);
    BOOST_TEST(b.kept->total().entries == 1U);
    BOOST_TEST(b.kept->total().octets == text.size());
}

BOOST_AUTO_TEST_CASE(two_copies_of_a_message_on_disk_are_one_after_the_start) {
    for (const bool indexed : {true, false}) {
        BOOST_TEST_CONTEXT((indexed ? "one has its entry" : "none has an entry")) {
            box b;
            b.keep(text, "AAAAAAAA").value();
            auto twin = b.entries().at(0);
            b.environments->passed().add("Q1", twin.digest, {}, {"<gone@example.net>"}).value();
            twin.id = "BBBBBBBB";
            twin.why = reason::virus;
            for (const auto* one : {"gone@example.net", "b@example.net"}) {
                twin.recipients.emplace_back(one);
                twin.rcpt_lines.push_back("<" + std::string{one} + ">");
            }
            b.kept.reset();
            const auto& directory = b.settings->quarantine.directory;
            fs::copy(directory / "AAAAAAAA.eml", directory / "BBBBBBBB.eml");
            std::ofstream{directory / "BBBBBBBB.env"} << act::to_text(twin);
            if (!indexed) run_awaitable(b.environments->quarantine().erase("AAAAAAAA")).value();
            b.close();
            b.open();
            BOOST_TEST(b.log.has("a second copy"));
            BOOST_TEST_REQUIRE(b.entries().size() == 1U);
            BOOST_TEST(b.entries()[0].recipients == (std::vector<std::string>{"a@example.net", "b@example.net"}),
                       boost::test_tools::per_element());
            BOOST_TEST((b.entries()[0].why == reason::virus));
            BOOST_TEST(b.files() == (std::vector<std::string>{"AAAAAAAA.eml", "AAAAAAAA.env"}),
                       boost::test_tools::per_element());
            BOOST_TEST(b.kept->total().octets == text.size());
            b.close();
            b.open(); // and nothing is left to be done
            BOOST_TEST(b.entries().at(0).recipients.size() == 2U);
        }
    }
}

BOOST_AUTO_TEST_CASE(who_got_the_message_by_a_release_is_not_kept_it_for_again) {
    box b;
    const std::vector<std::string> both{"a@example.net", "b@example.net"};
    b.hold(text, "AAAAAAAA", "Q1", instant{}, both).value();
    const auto digest = b.entries().at(0).digest;
    BOOST_TEST(b.release("AAAAAAAA", {ok, no}).value().kept == 1U);
    b.environments->passed().add("Q1", digest, {}, {"<a@example.net>"}).value(); // as the pipeline does
    const auto again = b.keep(text, "BBBBBBBB", "Q1", both).value();
    BOOST_TEST(again.id == "AAAAAAAA");
    BOOST_TEST((again.delivered == std::vector<bool>{true, false}));
    BOOST_TEST(b.entries().at(0).recipients == (std::vector<std::string>{"b@example.net"}),
               boost::test_tools::per_element());
    b.release("AAAAAAAA", {ok}).value();
    b.environments->passed().add("Q1", digest, {}, {"<b@example.net>"}).value();
    BOOST_TEST(b.keep(text, "CCCCCCCC", "Q1", both).value().id.empty());
    BOOST_TEST(b.files().empty());
    const auto third = b.keep(text, "DDDDDDDD", "Q1", {"a@example.net", "c@example.net"}).value();
    BOOST_TEST(third.id == "DDDDDDDD");
    BOOST_TEST(b.entries().at(0).recipients == (std::vector<std::string>{"c@example.net"}),
               boost::test_tools::per_element());
    BOOST_TEST(b.keep(text, "EEEEEEEE", "Q2", both).value().id == "EEEEEEEE"); // another message
}

BOOST_AUTO_TEST_CASE(a_repeat_that_comes_during_the_release_waits_for_it_and_is_not_kept) {
    box b;
    b.keep(text, "AAAAAAAA").value();
    asio::io_context context;
    std::future<result<act::quarantine::kept>> repeat;
    const act::quarantine::sender send = [&](message_ptr what, std::string) {
        repeat = asio::co_spawn(context, b.kept->keep(b.make(text, "Q1", {"a@example.net"}), {reason::spam, {}, "X"}),
                                asio::use_future);
        b.environments->passed().add("Q1", what->digest, {}, {"<a@example.net>"}).value();
        return box::deliver(&b, {ok}, what, {});
    };
    act::quarantine::release_request what;
    what.id = "AAAAAAAA";
    auto released = asio::co_spawn(context, b.kept->release(what, b.settings, send), asio::use_future);
    context.run();
    BOOST_TEST(released.get().value().delivered.size() == 1U);
    BOOST_TEST(repeat.get().value().id.empty());
    BOOST_TEST(b.entries().empty());
}

BOOST_AUTO_TEST_SUITE_END()
