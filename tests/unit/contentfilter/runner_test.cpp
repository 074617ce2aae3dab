// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/check_job.hpp"
#include "contentfilter/checks/external_scanners.hpp"
#include "contentfilter/runner.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using namespace std::chrono_literals;

namespace {

boost::asio::awaitable<std::vector<finding>> good(check_context) {
    finding f;
    f.symbol = "GOOD";
    co_return std::vector<finding>{f};
}
boost::asio::awaitable<std::vector<finding>> sees_tree(check_context context) {
    finding f;
    f.symbol = context.mime ? "TREE" : "NO_TREE";
    co_return std::vector<finding>{f};
}
boost::asio::awaitable<std::vector<finding>> throws(check_context) {
    throw std::runtime_error{"out of luck"};
    co_return std::vector<finding>{};
}
boost::asio::awaitable<std::vector<finding>> throws_anything(check_context) {
    throw 42; // NOLINT: a library might
    co_return std::vector<finding>{};
}
/// Waits without a thread, far longer than any limit.
boost::asio::awaitable<std::vector<finding>> waits(check_context) {
    boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor, 3s};
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    co_return std::vector<finding>{};
}

/// A door at which checks wait on their thread until the test opens it.
struct gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false;
    int inside = 0, most = 0;
    void pass() {
        std::unique_lock lock{mutex};
        most = std::max(most, ++inside);
        changed.notify_all();
        changed.wait(lock, [&] { return open; });
        --inside;
        changed.notify_all();
    }
    /// Lets everybody through; whether all came out.
    bool empty() {
        std::unique_lock lock{mutex};
        open = true;
        changed.notify_all();
        return changed.wait_for(lock, 60s, [&] { return inside == 0; });
    }
};
gate door;
boost::asio::awaitable<std::vector<finding>> blocks(check_context) {
    door.pass();
    finding f;
    f.symbol = "TOO_LATE";
    co_return std::vector<finding>{f};
}
/// Comes back only when both run at once.
boost::asio::awaitable<std::vector<finding>> meets(check_context) {
    std::unique_lock lock{door.mutex};
    door.most = std::max(door.most, ++door.inside);
    door.changed.notify_all();
    door.changed.wait_for(lock, 60s, [&] { return door.most >= 2; });
    --door.inside;
    co_return std::vector<finding>{};
}

std::vector<finding> run_with(runner& r, message_ptr m) {
    return run_awaitable(r.run(std::move(m), {}));
}
std::string symbols(const std::vector<finding>& found) {
    std::string text;
    for (const auto& f : found)
        text += (text.empty() ? "" : " ") + f.symbol;
    return text;
}
message_options limit_of_one_second() {
    message_options how;
    how.filter.check_timeout = seconds{1};
    return how;
}
void reset_door() {
    door.open = false;
    door.inside = door.most = 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(runner_test)

BOOST_AUTO_TEST_CASE(findings_come_in_the_order_of_checks) {
    const std::vector<check> checks{{"a", "g", good}, {"b", "g", sees_tree}};
    runner r{2, std::make_shared<check_resources>(), checks};
    BOOST_TEST(symbols(run_with(r, make_message("S: x\r\n\r\nbody"))) == "GOOD TREE");
    BOOST_TEST(symbols(run_with(r, make_message("S: x\r\n\r\n" + std::string(200000, 'x')))) ==
               "GOOD TREE"); // side by side
}

BOOST_AUTO_TEST_CASE(checks_that_ask_servers_wait_side_by_side_also_for_a_small_message) {
    const std::vector<check> checks{
        {"a", "g", good}, {"b", "g", sees_tree}, {"x", "g", meets, true}, {"y", "g", meets, true}};
    const auto resources = std::make_shared<check_resources>();
    resources->scanners = std::make_shared<external_scanners>(config::settings{});
    runner r{2, resources, checks};
    reset_door();
    BOOST_TEST(symbols(run_with(r, make_message("S: x\r\n\r\nbody"))) == "GOOD TREE");
    BOOST_TEST(door.most == 2);
}

BOOST_AUTO_TEST_CASE(a_disabled_check_does_not_run) {
    const std::vector<check> checks{{"a", "g", good}, {"b", "g", sees_tree}};
    runner r{1, std::make_shared<check_resources>(), checks};
    message_options how;
    how.profile.disabled_checks = {"a"};
    BOOST_TEST(symbols(run_with(r, make_message("S: x\r\n\r\n", how))) == "TREE");
}

BOOST_AUTO_TEST_CASE(over_the_mime_bounds_there_is_a_finding_and_no_tree) {
    const std::vector<check> checks{{"b", "g", sees_tree}};
    runner r{1, std::make_shared<check_resources>(), checks};
    message_options how;
    how.filter.max_parts = 1;
    const auto found = run_with(r, make_message(with_attachment("", "x"), how));
    BOOST_TEST(symbols(found) == "MIME_BOUND NO_TREE");
    BOOST_TEST(found[0].score == 10.0);
}

BOOST_AUTO_TEST_CASE(an_exception_is_that_checks_temperror_and_no_more) {
    const std::vector<check> checks{
        {"bad", "headers", throws}, {"worse", "content", throws_anything}, {"a", "g", good}};
    runner r{2, std::make_shared<check_resources>(), checks};
    for (const std::size_t size : {10U, 200000U}) {
        const auto found = run_with(r, make_message("S: x\r\n\r\n" + std::string(size, 'x')));
        BOOST_TEST(symbols(found) == "CHECK_FAILED CHECK_FAILED GOOD");
        BOOST_TEST(found[0].temperror);
        BOOST_TEST(found[0].group == "headers");
        BOOST_TEST(found[0].evidence == "bad: out of luck");
        BOOST_TEST(found[0].why == reason::check_failed);
        BOOST_TEST(found[1].temperror);
    }
}

BOOST_AUTO_TEST_CASE(a_check_that_waits_too_long_is_left_behind_and_occupies_no_thread) {
    const std::vector<check> checks{{"slow", "g", waits}, {"a", "g", good}};
    runner r{1, std::make_shared<check_resources>(), checks};
    const auto found = run_with(r, make_message("S: x\r\n\r\nbody", limit_of_one_second()));
    BOOST_TEST(symbols(found) == "CHECK_FAILED GOOD");
    BOOST_TEST(found[0].evidence == "slow: did not finish in time");
    BOOST_TEST(!r.stuck());
}

BOOST_AUTO_TEST_CASE(a_thread_that_does_not_come_back_is_reported_as_stuck_while_others_go_on) {
    reset_door();
    const std::vector<check> checks{{"stuck", "g", blocks}, {"a", "g", good}};
    runner r{2, std::make_shared<check_resources>(), checks};
    const auto found = run_with(r, make_message("S: x\r\n\r\nbody", limit_of_one_second()));
    BOOST_TEST(symbols(found) == "CHECK_FAILED GOOD");
    for (const auto until = std::chrono::steady_clock::now() + 60s;
         !r.stuck() && std::chrono::steady_clock::now() < until;)
        std::this_thread::yield();
    BOOST_TEST(r.stuck());
    BOOST_TEST(door.empty());
}

BOOST_AUTO_TEST_CASE(with_every_thread_taken_a_message_is_answered_in_time_all_the_same) {
    reset_door();
    const std::vector<check> checks{{"stuck", "g", blocks}, {"a", "g", good}};
    runner r{1, std::make_shared<check_resources>(), checks};
    const auto found = run_with(r, make_message("S: x\r\n\r\nbody", limit_of_one_second()));
    BOOST_TEST(symbols(found) == "CHECK_FAILED CHECK_FAILED");
    BOOST_TEST(found[1].evidence == "a: no thread was free in time");
    // With two minutes to wait, but a thread that is stuck: it is not waited for.
    const auto began = std::chrono::steady_clock::now();
    const auto later = run_awaitable(r.run(make_message("S: x\r\n\r\nbody", limit_of_one_second()), began + 120s));
    BOOST_TEST(symbols(later) == "CHECK_FAILED CHECK_FAILED CHECK_FAILED"); // all at once
    BOOST_TEST(later[0].evidence == "mime: no thread was free in time");
    BOOST_TEST((std::chrono::steady_clock::now() - began < 60s));
    BOOST_TEST(door.empty());
}

BOOST_AUTO_TEST_CASE(a_message_waits_for_a_thread_as_long_as_it_is_told) {
    const check one{"a", "g", good}, other{"b", "g", good};
    const auto waiting = [&](std::chrono::steady_clock::time_point begun_by) {
        // With no time at all for a check: what waits longer does so because it was told.
        auto job = std::make_unique<check_job>(make_message("S: x\r\n\r\nbody"), std::make_shared<check_resources>(),
                                               std::vector{&one, &other}, 0s, begun_by);
        job->on_finish([] {});
        job->plan(0, job->steps());
        return job;
    };
    const auto patient = waiting(std::chrono::steady_clock::now() + 1h), hasty = waiting({});
    BOOST_TEST(patient->give_up_overdue().empty());
    BOOST_TEST(!patient->finished());
    BOOST_TEST(hasty->give_up_overdue().empty()); // all at once: no lane goes on
    BOOST_TEST(hasty->finished());
    BOOST_TEST(symbols(hasty->take()) == "CHECK_FAILED CHECK_FAILED CHECK_FAILED");
    patient->lose_patience();
    (void)patient->give_up_overdue();
    BOOST_TEST(patient->finished());

    const auto running = waiting(std::chrono::steady_clock::now() + 1h);
    BOOST_TEST(running->begin(0)); // what has begun has its own time, whatever the others may wait
    BOOST_TEST(running->give_up_overdue().size() == 1U);
    BOOST_TEST(!running->finished());
}

BOOST_AUTO_TEST_CASE(the_destructor_waits_for_what_was_left_behind) {
    static std::atomic<bool> ended{false};
    const auto slow = [](check_context) -> boost::asio::awaitable<std::vector<finding>> {
        boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor, 4s}; // well after the limit
        co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
        ended = true;
        co_return std::vector<finding>{};
    };
    const std::vector<check> checks{{"slow", "g", slow}};
    {
        runner r{1, std::make_shared<check_resources>(), checks};
        BOOST_TEST(symbols(run_with(r, make_message("S: x\r\n\r\nbody", limit_of_one_second()))) == "CHECK_FAILED");
    }
    BOOST_TEST(ended);
}

BOOST_AUTO_TEST_CASE(checks_of_a_large_message_run_side_by_side) {
    reset_door();
    const std::vector<check> checks{{"a", "g", meets}, {"b", "g", meets}};
    runner r{2, std::make_shared<check_resources>(), checks};
    BOOST_TEST(run_with(r, make_message("S: x\r\n\r\n" + std::string(200000, 'x'))).empty());
    BOOST_TEST(door.most == 2);
}

BOOST_AUTO_TEST_CASE(many_messages_at_once) {
    const std::vector<check> checks{{"a", "g", good}, {"b", "g", sees_tree}, {"c", "g", throws}};
    runner r{2, std::make_shared<check_resources>(), checks};
    boost::asio::io_context context;
    std::vector<std::future<std::vector<finding>>> all;
    for (int i = 0; i < 200; ++i)
        all.push_back(boost::asio::co_spawn(
            context, r.run(make_message("S: x\r\n\r\n" + std::string(i % 10 ? 100 : 100000, 'x')), {}),
            boost::asio::use_future));
    context.run();
    for (auto& one : all)
        BOOST_TEST(symbols(one.get()) == "GOOD TREE CHECK_FAILED");
}

BOOST_AUTO_TEST_CASE(all_checks_find_what_is_in_a_whole_message) {
    config::settings settings;
    settings.contentfilter.worker = worker_program();
    settings.contentfilter.workers = 1;
    settings.contentfilter.worker_timeout = seconds{20};
    settings.contentfilter.rule_files = {"contentfilter/rules.d/*.toml"};
    runner r{2, load_resources(settings)};
    message_options how;
    how.profile.from.what = config::from_rule::kind::own_address;
    how.profile.max_message_size = byte_count{100};
    auto text =
        with_attachment("Content-Type: application/pdf; name=a.pdf.exe\r\nContent-Transfer-Encoding: base64\r\n",
                        base64(windows_program() + gtube()));
    text.replace(text.find("a@example.org"), 13, "b@example.org");
    BOOST_TEST(symbols(run_with(r, make_message(text, how))) ==
               "FROM_FORBIDDEN MISSING_DATE MISSING_MESSAGE_ID EXECUTABLE_NAME DOUBLE_EXTENSION EXECUTABLE_FILE GTUBE "
               "MESSAGE_TOO_LARGE");
    how.profile.max_message_size = {};
    BOOST_TEST(symbols(run_with(r, make_message("From: a@example.org\r\nSubject: hello\r\n\r\nbody\r\n", how))) ==
               "MISSING_DATE MISSING_MESSAGE_ID");
}

BOOST_AUTO_TEST_CASE(workers_end_after_the_idle_time_of_the_settings) {
    config::settings settings;
    settings.contentfilter.worker = worker_program();
    settings.contentfilter.workers = 1;
    settings.contentfilter.worker_idle = seconds{1};
    settings.contentfilter.rule_files.clear();
    using steady = std::chrono::steady_clock;
    bool in_time = false; // before the default's five seconds; a busy machine may need another try
    for (int i = 0; i < 5 && !in_time; ++i) {
        const auto begun = steady::now();
        const auto resources = load_resources(settings);
        while (resources->workers->processes().front() != 0 && steady::now() - begun < seconds{30})
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
        in_time = steady::now() - begun < seconds{5};
    }
    BOOST_TEST(in_time);
}

BOOST_AUTO_TEST_CASE(resources_that_cannot_be_loaded_are_all_named) {
    scratch_directory dir;
    std::ofstream{dir.path / "a.toml"}
        << "[[pattern]]\nscore = 1\n[[pattern]]\nsymbol = 'A'\nwhere = ['text']\nmatch = '('\n";
    config::settings settings;
    settings.contentfilter.rule_files = {dir.path / "*.toml", dir.path / "missing.toml"};
    try {
        (void)load_resources(settings);
        BOOST_ERROR("they were loaded");
    } catch (const std::runtime_error& e) {
        const std::string text = e.what();
        for (const auto* part : {"a.toml:1: pattern.symbol: ", "a.toml:6: match: ", "missing.toml:0: "})
            BOOST_TEST_CONTEXT(part) {
                BOOST_TEST(text.find(part) != std::string::npos);
            }
    }
}

BOOST_AUTO_TEST_SUITE_END()
