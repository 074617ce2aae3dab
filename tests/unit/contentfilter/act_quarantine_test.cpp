// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "quarantine_box.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
namespace fs = std::filesystem;

namespace {

asio::awaitable<std::vector<smtp::reply>> wait_for_ever(std::shared_ptr<asio::steady_timer> timer) {
    co_await timer->async_wait(asio::as_tuple(asio::use_awaitable));
    co_return std::vector<smtp::reply>{};
}

} // namespace

BOOST_AUTO_TEST_SUITE(act_quarantine)

BOOST_AUTO_TEST_CASE(what_is_kept_is_there_as_it_came_and_after_a_restart) {
    box b;
    BOOST_TEST(b.keep(text, "AAAAAAAA").value().id == "AAAAAAAA");
    b.close();
    b.open();
    const auto entries = b.entries();
    BOOST_TEST_REQUIRE(entries.size() == 1U);
    BOOST_TEST(entries[0].subject == "Müll");
    BOOST_TEST(entries[0].account == "bob@example.org");
    BOOST_TEST(entries[0].mail_line == "<bob@example.org> RET=HDRS");
    BOOST_TEST(entries[0].size == text.size());
    BOOST_TEST((entries[0].why == reason::spam));
    BOOST_TEST(b.kept->head("AAAAAAAA", 100000).value() == text);
    BOOST_TEST(b.kept->total().octets == text.size());
    BOOST_TEST(b.files() == (std::vector<std::string>{"AAAAAAAA.eml", "AAAAAAAA.env"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_same_message_is_one_entry_over_restarts_and_slices_add_recipients) {
    box b;
    b.keep(text, "AAAAAAAA").value();
    b.close();
    b.open();
    const auto again = b.keep(text, "BBBBBBBB", "Q1", {"a@example.net", "b@example.net"}).value();
    BOOST_TEST(again.id == "AAAAAAAA");
    BOOST_TEST(again.repeated);
    BOOST_TEST(b.entries().at(0).recipients == (std::vector<std::string>{"a@example.net", "b@example.net"}),
               boost::test_tools::per_element());
    BOOST_TEST(!b.keep(text, "CCCCCCCC", "Q2").value().repeated);
    BOOST_TEST(b.entries().size() == 2U);
}

BOOST_AUTO_TEST_CASE(slices_that_come_at_once_are_one_entry) {
    box b;
    asio::io_context context;
    std::vector<std::future<result<act::quarantine::kept>>> all;
    for (int i = 0; i < 8; ++i)
        all.push_back(asio::co_spawn(context,
                                     b.kept->keep(b.make(text, "Q1", {std::to_string(i) + "@example.net"}),
                                                  {reason::spam, {}, "SLICE" + std::to_string(i)}),
                                     asio::use_future));
    context.run();
    for (auto& one : all)
        BOOST_TEST(one.get().has_value());
    BOOST_TEST_REQUIRE(b.entries().size() == 1U);
    BOOST_TEST(b.entries()[0].recipients.size() == 8U);
    BOOST_TEST(b.files().size() == 2U);
}

BOOST_AUTO_TEST_CASE(every_step_at_which_we_may_die_is_put_right_at_the_start) {
    struct row {
        const char* name;
        std::function<void(box&, const fs::path&)> damage;
        std::size_t entries, files;
        const char* told;
    };
    const row rows[] = {
        {"while the message was written",
         [](box& b, const fs::path& d) {
             b.kept.reset();
             std::ofstream{d / "BBBBBBBB.eml.new"} << "half";
         },
         1, 2, "leftover removed"},
        {"between the two renames",
         [](box& b, const fs::path& d) {
             b.kept.reset();
             fs::copy(d / "AAAAAAAA.env", d / "BBBBBBBB.env");
         },
         1, 2, "leftover removed"},
        {"before the index was written",
         [](box& b, const fs::path&) {
             b.kept.reset();
             run_awaitable(b.environments->quarantine().erase("AAAAAAAA")).value();
         },
         1, 2, "it has one again"},
        {"after the message was removed",
         [](box& b, const fs::path& d) {
             b.kept.reset();
             fs::remove(d / "AAAAAAAA.eml");
         },
         0, 0, "entry without its message"},
        {"after both files were removed",
         [](box& b, const fs::path& d) {
             b.kept.reset();
             fs::remove(d / "AAAAAAAA.eml");
             fs::remove(d / "AAAAAAAA.env");
         },
         0, 0, "entry without its message"},
        {"inside a release",
         [](box& b, const fs::path&) {
             auto entry = b.entries().at(0);
             entry.releasing = state::quarantine_release{"release 1", entry.rcpt_lines, {}, false};
             b.kept.reset();
             run_awaitable(b.environments->quarantine().put(entry)).value();
         },
         1, 2, "may have got it"},
        {"with somebody else's file there",
         [](box& b, const fs::path& d) {
             b.kept.reset();
             std::ofstream{d / "STRANGER.eml"} << "x";
         },
         1, 3, "without an envelope"},
        {"with a damaged envelope of a lost entry",
         [](box& b, const fs::path& d) {
             b.kept.reset();
             run_awaitable(b.environments->quarantine().erase("AAAAAAAA")).value();
             fs::resize_file(d / "AAAAAAAA.env", 60);
         },
         0, 2, "without an envelope"},
    };
    for (const auto& r : rows) {
        BOOST_TEST_CONTEXT(r.name) {
            box b;
            b.keep(text, "AAAAAAAA").value();
            const auto before = b.entries().at(0);
            r.damage(b, b.settings->quarantine.directory);
            b.close();
            b.open();
            const auto entries = b.entries();
            BOOST_TEST_REQUIRE(entries.size() == r.entries);
            BOOST_TEST(b.files().size() == r.files);
            BOOST_TEST(b.log.has(r.told), b.log.all());
            if (entries.empty()) continue;
            BOOST_TEST(!entries[0].releasing.has_value());
            BOOST_TEST(entries[0].mail_line == before.mail_line);
            BOOST_TEST(entries[0].digest == before.digest);
            BOOST_TEST(entries[0].findings == before.findings, boost::test_tools::per_element());
            // Postfix, which had no reply, comes again: still one.
            BOOST_TEST(b.keep(text, "ZZZZZZZZ").value().id == "AAAAAAAA");
        }
    }
}

BOOST_AUTO_TEST_CASE(no_room_is_told_and_leaves_nothing_behind) {
    box b;
    b.settings->quarantine.max_bytes = byte_count{100};
    b.kept->use(b.settings->quarantine);
    BOOST_TEST((b.keep(text, "AAAAAAAA").error().code == errc::disk_full));
    b.settings->quarantine.max_bytes = byte_count{1U << 30U};
    b.kept->use(b.settings->quarantine);
    fs::remove_all(b.settings->quarantine.directory);
    BOOST_TEST(!b.keep(text, "BBBBBBBB").has_value());
    BOOST_TEST(b.entries().empty());
    fs::create_directories(b.settings->quarantine.directory);
    BOOST_TEST(b.keep(text, "CCCCCCCC").has_value());
}

BOOST_AUTO_TEST_CASE(a_released_message_leaves_with_its_envelope_and_is_gone) {
    box b;
    b.keep(text, "AAAAAAAA", "Q1", {"a@example.net", "b@example.net"}).value();
    const auto report = b.release("AAAAAAAA", {ok, ok}).value();
    BOOST_TEST(report.delivered.size() == 2U);
    BOOST_TEST(report.remaining.empty());
    BOOST_TEST_REQUIRE(b.sent.size() == 1U);
    BOOST_TEST(b.sent[0]->envelope.sender.raw == "<bob@example.org> RET=HDRS");
    BOOST_TEST(b.sent[0]->queue_id == "Q1");
    BOOST_TEST(b.sent[0]->sender.account == "bob@example.org");
    BOOST_TEST(b.sent[0]->content->read(0, 100000).value() == text);
    BOOST_TEST(b.entries().empty());
    BOOST_TEST(b.files().empty());
    BOOST_TEST((b.release("AAAAAAAA", {ok}).error().code == errc::not_found));
    BOOST_TEST(b.kept->total().octets == 0U);
}

BOOST_AUTO_TEST_CASE(a_released_message_leaves_as_one_that_came_the_same_way) {
    box b;
    for (const bool index_lost : {false, true})
        for (const auto& [in, out] :
             {std::pair{way::before_queue, way::before_queue}, std::pair{way::after_queue, way::after_queue}}) {
            BOOST_TEST_CONTEXT(static_cast<int>(in) << (index_lost ? ", without the index" : "")) {
                const auto what = std::make_shared<message>(*b.make(text, "", {"a@example.net"}));
                what->in = in;
                BOOST_REQUIRE(run_awaitable(b.kept->keep(what, {reason::spam, {}, "AAAAAAAA"})).has_value());
                if (index_lost) {
                    b.kept.reset();
                    run_awaitable(b.environments->quarantine().erase("AAAAAAAA")).value();
                    b.close();
                    b.open();
                }
                BOOST_REQUIRE(b.release("AAAAAAAA", {ok}).has_value());
                BOOST_TEST((b.sent.back()->in == out));
            }
        }
}

BOOST_AUTO_TEST_CASE(who_was_not_delivered_to_stays_and_nobody_gets_it_twice) {
    box b;
    b.keep(text, "AAAAAAAA", "Q1", {"a@example.net", "b@example.net", "c@example.net"}).value();
    const auto first = b.release("AAAAAAAA", {ok, no, ok}).value();
    BOOST_TEST(first.delivered == (std::vector<std::string>{"a@example.net", "c@example.net"}),
               boost::test_tools::per_element());
    BOOST_TEST(first.remaining.at(0).second.code == 450);
    b.close();
    b.open();
    BOOST_TEST(b.entries().at(0).recipients == (std::vector<std::string>{"b@example.net"}),
               boost::test_tools::per_element());
    BOOST_TEST(!b.entries().at(0).releasing.has_value());
    BOOST_TEST(b.release("AAAAAAAA", {ok}).value().remaining.empty());
    BOOST_TEST(b.sent.at(1)->envelope.recipients.size() == 1U);
    BOOST_TEST(b.entries().empty());
    b.keep(text, "BBBBBBBB", "Q2").value();
    BOOST_TEST(b.release("BBBBBBBB", {no}).value().delivered.empty());
    BOOST_TEST(b.entries().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_message_that_was_changed_on_disk_is_not_released) {
    box b;
    b.keep(text, "AAAAAAAA").value();
    std::ofstream{b.settings->quarantine.directory / "AAAAAAAA.eml", std::ios::app} << "more";
    BOOST_TEST((b.release("AAAAAAAA", {ok}).error().code == errc::corrupt));
    BOOST_TEST(b.sent.empty());
    BOOST_TEST(b.entries().size() == 1U);
}

BOOST_AUTO_TEST_CASE(old_messages_and_the_oldest_beyond_max_bytes_go) {
    box b;
    b.settings->quarantine.retention = seconds{1000};
    b.settings->quarantine.keep_at_least = seconds{0};
    b.kept->use(b.settings->quarantine);
    for (int i = 0; i < 5; ++i) {
        b.keep(text, "AAAAAAA" + std::to_string(i), "Q" + std::to_string(i)).value();
        b.time.advance(seconds{300});
    }
    run_awaitable(b.kept->expire()).value();
    BOOST_TEST(b.entries().size() == 3U); // those of 900, 600 and 300 seconds ago
    b.settings->quarantine.max_bytes = byte_count{2 * text.size()};
    b.kept->use(b.settings->quarantine);
    run_awaitable(b.kept->expire()).value();
    const auto left = b.entries();
    BOOST_TEST_REQUIRE(left.size() == 2U);
    BOOST_TEST(left[0].id == "AAAAAAA4");
    BOOST_TEST(left[1].id == "AAAAAAA3");
    BOOST_TEST(b.files().size() == 4U);
    run_awaitable(b.kept->remove("AAAAAAA4")).value();
    BOOST_TEST((run_awaitable(b.kept->remove("AAAAAAA4")).error().code == errc::not_found));
    BOOST_TEST(b.files().size() == 2U);
}

BOOST_AUTO_TEST_CASE(for_room_the_oldest_goes_but_nothing_young_and_nothing_that_awaits_its_release) {
    for (const bool by_number : {true, false}) {
        BOOST_TEST_CONTEXT((by_number ? "by number" : "by octets")) {
            box b;
            auto& bounds = b.settings->quarantine;
            bounds.keep_at_least = seconds{1000};
            bounds.max_messages = by_number ? 3 : 1000;
            bounds.max_bytes = byte_count{by_number ? 1U << 30U : 3 * text.size()};
            b.kept->use(bounds);
            b.hold(text, "TIMED", "Q0", b.time.now() + seconds{5000}).value();
            b.keep(text, "OLD", "Q1").value();
            b.time.advance(seconds{700});
            b.keep(text, "YOUNG", "Q2").value();
            const auto full = b.keep(text, "NEW", "Q3");
            BOOST_TEST((full.error().code == errc::disk_full), full.error().message());
            BOOST_TEST(b.files().size() == 6U); // and nothing was left behind
            // A repeat of what is there takes no room.
            BOOST_TEST(b.keep(text, "AGAIN", "Q2", {"z@example.net"}).value().id == "YOUNG");
            b.time.advance(seconds{301});
            BOOST_TEST(b.keep(text, "NEW", "Q3").value().id == "NEW");
            BOOST_TEST(b.log.has("over the bounds, and the oldest"));
            std::set<std::string> left;
            for (const auto& e : b.entries())
                left.insert(e.id);
            BOOST_TEST((left == std::set<std::string>{"TIMED", "YOUNG", "NEW"}));
            BOOST_TEST(b.kept->total().entries == 3U);
        }
    }
}

BOOST_AUTO_TEST_CASE(what_comes_at_once_does_not_exceed_the_bound_together) {
    box b;
    b.settings->quarantine.max_messages = 4;
    b.kept->use(b.settings->quarantine);
    asio::io_context context;
    std::vector<std::future<result<act::quarantine::kept>>> all;
    for (int i = 0; i < 12; ++i)
        all.push_back(asio::co_spawn(context,
                                     b.kept->keep(b.make(text, "Q" + std::to_string(i), {"a@example.net"}),
                                                  {reason::spam, {}, "ONE" + std::to_string(i)}),
                                     asio::use_future));
    context.run();
    std::size_t kept = 0;
    for (auto& one : all)
        kept += one.get().has_value() ? 1 : 0;
    BOOST_TEST(kept <= 4U);
    BOOST_TEST(kept >= 1U);
    BOOST_TEST(b.entries().size() == kept);
}

BOOST_AUTO_TEST_CASE(named_recipients_leave_and_the_rest_stays) {
    box b;
    b.keep(text, "AAAAAAAA", "Q1", {"a@example.net", "B@example.net", "c@example.net"}).value();
    act::quarantine::release_request some;
    some.id = "AAAAAAAA";
    some.recipients = {"b@example.net"};
    const auto report = b.release(some, {ok}).value();
    BOOST_TEST(report.delivered.size() == 1U);
    BOOST_TEST(report.kept == 2U);
    BOOST_TEST_REQUIRE(b.sent.at(0)->envelope.recipients.size() == 1U);
    BOOST_TEST(b.sent[0]->envelope.recipients[0].raw == "<B@example.net>");
    BOOST_TEST(b.entries().at(0).recipients == (std::vector<std::string>{"a@example.net", "c@example.net"}),
               boost::test_tools::per_element());
    some.recipients = {"a@example.net", "b@example.net"}; // one of them has gone: nothing happens
    BOOST_TEST((b.release(some, {ok, ok}).error().code == errc::not_found));
    BOOST_TEST(b.sent.size() == 1U);
    BOOST_TEST(b.entries().at(0).recipients.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_redirected_message_goes_to_the_other_address_alone) {
    box b;
    b.keep(text, "AAAAAAAA", "Q1", {"a@example.net", "b@example.net"}).value();
    act::quarantine::release_request what;
    what.id = "AAAAAAAA";
    what.redirect = mail_address::from_internal("desk@example.org");
    what.keep = true;
    BOOST_TEST(b.release(what, {ok}).value().kept == 2U);
    BOOST_TEST_REQUIRE(b.sent.at(0)->envelope.recipients.size() == 1U);
    BOOST_TEST(b.sent[0]->envelope.recipients[0].path == "<desk@example.org>");
    BOOST_TEST(b.entries().at(0).recipients.size() == 2U); // kept
    what.keep = false;
    BOOST_TEST(b.release(what, {no}).value().kept == 2U);
    BOOST_TEST(b.entries().size() == 1U);
    what.recipients = {"a@example.net"};
    BOOST_TEST(b.release(what, {ok}).value().kept == 1U);
    BOOST_TEST(b.entries().at(0).recipients == (std::vector<std::string>{"b@example.net"}),
               boost::test_tools::per_element());
    what.recipients.clear();
    BOOST_TEST(b.release(what, {ok}).value().delivered.at(0) == "desk@example.org");
    BOOST_TEST(b.entries().empty());
}

BOOST_AUTO_TEST_CASE(a_held_message_leaves_in_its_time_over_a_restart_and_once) {
    box b;
    const auto due = b.time.now() + seconds{3600};
    b.hold(text, "AAAAAAAA", "Q1", due, {"a@example.net", "b@example.net"}).value();
    b.hold(text, "BBBBBBBB", "Q2", instant{}).value(); // only by hand
    b.time.advance(seconds{3599});
    BOOST_TEST(b.release_due({ok, ok}) == 0U);
    b.close();
    b.open();
    b.time.advance(seconds{1});
    BOOST_TEST(b.release_due({ok, no}) == 1U);
    BOOST_TEST(b.sent.size() == 1U);
    BOOST_TEST(b.release_due({ok, ok}) == 0U); // who is left waits for release_retry
    b.time.advance(b.settings->quarantine.release_retry);
    BOOST_TEST(b.release_due({ok}) == 1U);
    BOOST_TEST(b.sent.at(1)->envelope.recipients.size() == 1U);
    BOOST_TEST_REQUIRE(b.entries().size() == 1U);
    BOOST_TEST(b.entries()[0].id == "BBBBBBBB");
    BOOST_TEST(b.entries()[0].held);
}

BOOST_AUTO_TEST_CASE(a_held_message_that_turns_out_to_be_a_virus_has_no_time) {
    box b;
    b.hold(text, "AAAAAAAA", "Q1", b.time.now() + seconds{3600}).value();
    b.keep(text, "BBBBBBBB", "Q1", {"a@example.net"}, reason::virus).value();
    BOOST_TEST_REQUIRE(b.entries().size() == 1U);
    BOOST_TEST(b.entries()[0].id == "AAAAAAAA");
    BOOST_TEST((b.entries()[0].why == reason::virus));
    BOOST_TEST(!b.entries()[0].held);
    b.time.advance(seconds{7200});
    BOOST_TEST(b.release_due({ok}) == 0U);
    b.hold(text, "CCCCCCCC", "Q1", b.time.now() + seconds{3600}).value(); // and stays one
    BOOST_TEST((b.entries()[0].why == reason::virus));
}

BOOST_AUTO_TEST_CASE(a_timed_release_that_is_refused_for_good_or_stopped_is_left_to_a_person) {
    box b;
    b.hold(text, "AAAAAAAA", "Q1", b.time.now()).value();
    BOOST_TEST(b.release_due({smtp::make_reply(550, "5.1.1", "no")}) == 1U);
    b.hold(text, "BBBBBBBB", "Q2", b.time.now()).value();
    run_awaitable(b.kept->stop_timer("BBBBBBBB")).value();
    b.hold(text, "CCCCCCCC", "Q3", b.time.now()).value();
    std::ofstream{b.settings->quarantine.directory / "CCCCCCCC.eml", std::ios::app} << "changed";
    BOOST_TEST(b.release_due({ok}) == 1U); // and it stands in nobody's way
    BOOST_TEST(b.log.has("not released in its time"));
    b.hold(text, "DDDDDDDD", "Q4", b.time.now()).value();
    BOOST_TEST(b.release_due({ok}) == 1U);
    BOOST_TEST(b.sent.size() == 2U);
    b.time.advance(std::chrono::hours{24});
    BOOST_TEST(b.release_due({ok}) == 1U); // the changed one, again
    BOOST_TEST(b.entries().size() == 3U);
    // What was stopped stays so where the index is lost.
    b.kept.reset();
    for (const auto* id : {"AAAAAAAA", "BBBBBBBB", "CCCCCCCC"})
        run_awaitable(b.environments->quarantine().erase(id)).value();
    b.close();
    b.open();
    BOOST_TEST((b.environments->quarantine().find("BBBBBBBB").value()->release_at == instant{}));
    BOOST_TEST(b.environments->quarantine().find("BBBBBBBB").value()->held);
}

// The next hop took the message, and then we died, with and without having written down that it did.
BOOST_AUTO_TEST_CASE(after_a_death_over_a_release_nobody_known_to_have_got_it_gets_it_again) {
    for (const bool redirected : {false, true}) {
        box b;
        b.hold(text, "AAAAAAAA", "Q1", b.time.now(), {"a@example.net", "b@example.net"}).value();
        auto entry = b.entries().at(0);
        state::quarantine_release mark{"release AAAAAAAA 1", entry.rcpt_lines, {}, false};
        if (redirected) mark.redirect = "<desk@example.org>";
        entry.releasing = mark;
        b.kept.reset();
        run_awaitable(b.environments->quarantine().put(entry)).value();
        const auto line = redirected ? mark.redirect : entry.rcpt_lines.at(1);
        b.environments->passed().add(mark.token, entry.digest, {}, {line}).value();
        b.close();
        b.open();
        BOOST_TEST(b.log.has("a release was interrupted"));
        if (redirected) {
            BOOST_TEST(b.entries().empty());
            BOOST_TEST(b.files().empty());
            continue;
        }
        BOOST_TEST(b.entries().at(0).recipients == (std::vector<std::string>{"a@example.net"}),
                   boost::test_tools::per_element());
        BOOST_TEST(b.release_due({ok}) == 1U);
        BOOST_TEST_REQUIRE(b.sent.at(0)->envelope.recipients.size() == 1U);
        BOOST_TEST(b.sent[0]->envelope.recipients[0].raw == "<a@example.net>");
        BOOST_TEST(b.entries().empty());
    }
}

BOOST_AUTO_TEST_CASE(two_releases_at_once_deliver_once) {
    box b;
    b.keep(text, "AAAAAAAA").value();
    asio::io_context context;
    act::quarantine::release_request what;
    what.id = "AAAAAAAA";
    std::vector<std::future<result<act::quarantine::release_report>>> all;
    for (int i = 0; i < 3; ++i)
        all.push_back(asio::co_spawn(context, b.kept->release(what, b.settings, b.answering({ok})), asio::use_future));
    context.run();
    int released = 0;
    for (auto& one : all) {
        const auto got = one.get();
        released += got ? 1 : 0;
        if (!got) BOOST_TEST((got.error().code == errc::not_found));
    }
    BOOST_TEST(released == 1);
    BOOST_TEST(b.sent.size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_end_during_a_release_does_not_wait_for_the_next_hop) {
    box b;
    b.keep(text, "AAAAAAAA").value();
    auto context = std::make_unique<asio::io_context>();
    auto never = std::make_shared<asio::steady_timer>(*context, asio::steady_timer::time_point::max());
    act::quarantine::sender send = [never](message_ptr, std::string) { return wait_for_ever(never); };
    act::quarantine::release_request what;
    what.id = "AAAAAAAA";
    auto released = asio::co_spawn(*context, b.kept->release(what, b.settings, send), asio::use_future);
    auto removed = asio::co_spawn(*context, b.kept->remove("AAAAAAAA"), asio::use_future); // waits for its turn
    for (int i = 0; i < 200 && !b.entries().at(0).releasing; ++i) // its record may have to wait for the disk
        context->run_for(std::chrono::milliseconds{300});
    BOOST_TEST(b.entries().at(0).releasing.has_value());
    b.close(); // ends, though the release has not
    never.reset();
    send = {}; // with its timer, which may not outlive the context
    context.reset();
    b.open();
    BOOST_TEST(b.entries().size() == 1U);
    BOOST_TEST(b.release("AAAAAAAA", {ok}).value().delivered.size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_envelope_file_reads_back_and_a_damaged_one_does_not) {
    state::quarantine_entry e;
    e.id = "AAAAAAAA";
    e.at = instant{milliseconds{1234567}};
    e.account = "a b\nid X";
    e.mail_line = "<>";
    e.rcpt_lines = {"<a@b> NOTIFY=NEVER"};
    e.recipients = {"a@b"};
    e.why = reason::spam;
    e.size = 7;
    const auto whole = act::to_text(e);
    const auto back = act::parse_entry(whole).value();
    BOOST_TEST(back.id == "AAAAAAAA");
    BOOST_TEST(back.account == "a b id X");
    BOOST_TEST((back.at == e.at && back.why == e.why));
    BOOST_TEST(back.rcpt_lines == e.rcpt_lines, boost::test_tools::per_element());
    for (std::size_t cut = 0; cut < whole.size(); ++cut)
        BOOST_TEST_CONTEXT("cut at " << cut) BOOST_TEST(!act::parse_entry(whole.substr(0, cut)).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
