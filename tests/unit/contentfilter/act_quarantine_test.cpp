// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
namespace fs = std::filesystem;

namespace {

/// A quarantine on a real state directory, which can be closed and opened again.
struct box {
    scratch_directory scratch;
    log_capture log;
    std::shared_ptr<config::settings> settings = default_settings(scratch.path);
    manual_clock time;
    std::unique_ptr<state::environments> environments;
    std::unique_ptr<act::quarantine> kept;
    std::vector<message_ptr> sent;

    box() {
        settings->contentfilter.spool_memory = byte_count{64};
        open();
    }
    void open() {
        environments =
            state::environments::open({.directory = settings->state.directory, .map_size = byte_count{64U << 20U}},
                                      state::user::contentfilter)
                .value();
        kept = std::make_unique<act::quarantine>(environments->quarantine(), time, settings->quarantine);
        run_awaitable(kept->open()).value();
    }
    void close() {
        kept.reset();
        environments.reset();
    }
    message_ptr make(const std::string& text, const std::string& queue_id, const std::vector<std::string>& recipients) {
        std::vector<mail_address> to;
        for (const auto& one : recipients)
            to.push_back(mail_address::from_internal(one));
        auto envelope = smtp::make_envelope(mail_address::from_internal("bob@example.org"), to);
        envelope.sender.raw += " RET=HDRS";
        if (!queue_id.empty()) envelope.xforward["IDENT"] = queue_id;
        collector c{settings};
        c.add(text);
        auto made = c.finish(std::move(envelope)).value();
        made->sender = sender_of(*settings, "bob@example.org");
        return made;
    }
    result<act::quarantine::kept> keep(const std::string& text, const std::string& id,
                                       const std::string& queue_id = "Q1",
                                       const std::vector<std::string>& recipients = {"a@example.net"}) {
        return run_awaitable(kept->keep(make(text, queue_id, recipients), reason::virus, {"EICAR(20.0) x"}, id));
    }
    result<act::quarantine::release_report> release(const std::string& id, std::vector<smtp::reply> replies) {
        act::quarantine::sender send = [this, replies](message_ptr what) {
            return deliver(this, replies, std::move(what));
        };
        return run_awaitable(kept->release(id, settings, send));
    }
    static asio::awaitable<std::vector<smtp::reply>> deliver(box* self, std::vector<smtp::reply> replies,
                                                             message_ptr what) {
        self->sent.push_back(std::move(what));
        co_return replies;
    }
    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> out;
        for (const auto& one : fs::directory_iterator{settings->quarantine.directory})
            out.push_back(one.path().filename().string());
        std::sort(out.begin(), out.end());
        return out;
    }
    [[nodiscard]] std::vector<state::quarantine_entry> entries() const { return kept->list("", 1000).value(); }
};

const auto ok = smtp::make_reply(250, "2.0.0", "Ok");
const auto no = smtp::make_reply(450, "4.2.0", "later");
const std::string text = "Subject: =?utf-8?Q?M=C3=BCll?=\r\n\r\nbody\r\n" + std::string(1000, 'x') + "\r\n";

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
    BOOST_TEST((entries[0].why == reason::virus));
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
                                                  reason::spam, {}, "SLICE" + std::to_string(i)),
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
             entry.released = true;
             b.kept.reset();
             run_awaitable(b.environments->quarantine().put(entry)).value();
         },
         1, 2, "may have been delivered"},
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
            BOOST_TEST(!entries[0].released);
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
    BOOST_TEST(!b.entries().at(0).released);
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
