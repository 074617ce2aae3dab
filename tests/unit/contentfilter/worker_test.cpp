// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <thread>

#include <sys/stat.h>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using namespace std::chrono_literals;

namespace {

result<file_kind> ask(scan_workers& workers, std::string octets) {
    return run_awaitable(workers.identify(std::move(octets)));
}

const std::string png("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0", 29);

std::string status_line(pid_t pid, std::string_view name) {
    std::ifstream in{"/proc/" + std::to_string(pid) + "/status"};
    for (std::string line; std::getline(in, line);)
        if (line.starts_with(name)) return line.substr(line.find_last_of("\t ") + 1);
    return {};
}

/// A program in the worker's place: a shell script that first says the word of a worker that is ready.
struct false_worker {
    scratch_directory dir;
    std::filesystem::path program = dir.path / "worker";
    explicit false_worker(const std::string& then) {
        std::ofstream{program} << "#!/bin/sh\nprintf '\\030\\000\\000\\000postsluice-scan-worker 2' >&3\n" + then +
                                      "\n";
        ::chmod(program.c_str(), 0700);
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(worker_test)

BOOST_AUTO_TEST_CASE(types_are_named) {
    scan_workers workers{{worker_program(), 2, 20s}};
    BOOST_TEST(ask(workers, png).value().type == "image/png");
    const auto program = ask(workers, windows_program()).value();
    BOOST_TEST(program.type == "application/vnd.microsoft.portable-executable");
    BOOST_TEST(program.description.starts_with("PE32+ executable"));
    BOOST_TEST(ask(workers, "").value().type == "application/x-empty");
    BOOST_TEST(ask(workers, png + std::string(1000000, '\1')).value().type ==
               "image/png"); // only its beginning is sent
}

BOOST_AUTO_TEST_CASE(workers_are_confined_and_have_nothing_of_ours) {
    scan_workers workers{{worker_program(), 2, 20s}};
    const auto pids = workers.processes();
    BOOST_REQUIRE(pids.size() == 2u);
    for (const auto pid : pids) {
        BOOST_TEST(status_line(pid, "Seccomp:") == "2");
        BOOST_TEST(status_line(pid, "NoNewPrivs:") == "1");
        std::size_t descriptors = 0;
        for (const auto& entry : std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/fd"})
            descriptors += !entry.path().empty();
        BOOST_TEST(descriptors == 4u);
        std::ifstream environment{"/proc/" + std::to_string(pid) + "/environ"};
        std::string text;
        std::getline(environment, text);
        BOOST_TEST(text.find("PATH=") == std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(files_of_all_kinds_do_not_need_a_system_call_that_is_not_allowed) {
    scan_workers workers{{worker_program(), 1, 20s}};
    const auto before = workers.processes();
    std::vector<std::string> files{windows_program(),
                                   png,
                                   std::string("L\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0\0\0\0F", 20) +
                                       std::string(100, '\1'),
                                   std::string("\x1f\x8b\x08\0\1\2\3\4", 8),
                                   std::string("PK\3\4\x14\0\0\0\0\0", 10),
                                   "Rar!\x1a\x07",
                                   "%PDF-1.4",
                                   std::string("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8) + std::string(2000, '\0'),
                                   "{\"json\": 1}",
                                   "a,b\n1,2\n",
                                   std::string(60000, '('),
                                   std::string(60000, '\xff')};
    for (const auto& entry : std::filesystem::directory_iterator{"/usr/lib/x86_64-linux-gnu"}) {
        if (files.size() > 60) break;
        std::ifstream in{entry.path(), std::ios::binary};
        std::string text(65536, '\0');
        in.read(text.data(), 65536);
        text.resize(static_cast<std::size_t>(in.gcount()));
        if (!text.empty()) files.push_back(text);
    }
    for (const auto& f : files)
        BOOST_TEST(ask(workers, f).has_value());
    BOOST_TEST(workers.processes() == before, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_worker_that_died_is_replaced_before_anybody_notices) {
    scan_workers workers{{worker_program(), 1, 20s}};
    const auto pid = workers.processes().front();
    ::kill(pid, SIGKILL);
    while (status_line(pid, "State:") != "(zombie)")
        std::this_thread::yield();
    BOOST_TEST(ask(workers, png).value().type == "image/png");
    BOOST_TEST(workers.processes().front() != pid);
    BOOST_TEST(::kill(pid, 0) == -1); // and waited for
}

BOOST_AUTO_TEST_CASE(a_worker_that_nobody_asks_ends_and_another_answers_the_next_request) {
    auto how = scan_workers::options{worker_program(), 2, 20s};
    how.idle = 3s; // longer than the start of both: a busy machine takes its time
    scan_workers workers{how};
    auto pids = workers.processes();
    std::erase(pids, 0); // on a busy machine one has been idle for so long already
    BOOST_TEST(ask(workers, png).value().type == "image/png");
    const std::vector<pid_t> none{0, 0};
    const auto until = std::chrono::steady_clock::now() + 60s;
    while (workers.processes() != none && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(10ms);
    BOOST_TEST(workers.processes() == none, boost::test_tools::per_element());
    for (const auto pid : pids)
        BOOST_TEST(::kill(pid, 0) == -1); // and waited for
    BOOST_TEST(ask(workers, png).value().type == "image/png");
}

BOOST_AUTO_TEST_CASE(a_worker_that_hangs_fails_its_request_only) {
    scan_workers workers{{worker_program(), 1, 4s}}; // of which it has as many to start, too
    const auto pid = workers.processes().front();
    ::kill(pid, SIGSTOP);
    const auto late = ask(workers, png);
    BOOST_REQUIRE(!late);
    BOOST_TEST(late.error().code == errc::timed_out);
    BOOST_TEST(::kill(pid, 0) == -1);
    // A start takes a while on a busy machine: what matters is that there is an answer in the end.
    result<file_kind> next = failure{};
    for (int i = 0; i < 50 && !next; ++i)
        next = ask(workers, png);
    BOOST_TEST(next.value().type == "image/png");
}

BOOST_AUTO_TEST_CASE(a_worker_that_crashes_on_a_request_fails_it) {
    false_worker crashing{"head -c 5 <&3 >/dev/null; kill -SEGV $$"};
    scan_workers workers{{crashing.program, 1, 20s}};
    for (int i = 0; i < 2; ++i) { // and is started again
        const auto outcome = ask(workers, png);
        BOOST_REQUIRE(!outcome);
        BOOST_TEST(outcome.error().code == errc::protocol);
    }
}

BOOST_AUTO_TEST_CASE(answers_that_are_garbage_are_errors) {
    const std::array<std::string, 4> garbage{R"(printf '\377\377\377\377' >&3)", R"(printf '\000\000\000\000' >&3)",
                                             R"(printf '\003\000\000\000\000ab' >&3)",
                                             R"(printf '\100\000\000\000ab' >&3)"};
    for (const auto& answer : garbage)
        BOOST_TEST_CONTEXT(answer) {
            false_worker talking{"head -c 5 <&3 >/dev/null; " + answer};
            scan_workers workers{{talking.program, 1, 20s}};
            const auto outcome = ask(workers, png);
            BOOST_REQUIRE(!outcome);
            BOOST_TEST(outcome.error().code == errc::protocol);
        }
}

BOOST_AUTO_TEST_CASE(many_requests_share_few_workers) {
    scan_workers workers{{worker_program(), 2, 20s}};
    boost::asio::io_context context;
    std::vector<std::future<result<file_kind>>> answers;
    for (int i = 0; i < 100; ++i)
        answers.push_back(
            boost::asio::co_spawn(context, workers.identify(i % 2 ? png : windows_program()), boost::asio::use_future));
    context.run();
    for (int i = 0; i < 100; ++i)
        BOOST_TEST(answers[static_cast<std::size_t>(i)].get().value().type ==
                   (i % 2 ? "image/png" : "application/vnd.microsoft.portable-executable"));
}

BOOST_AUTO_TEST_CASE(a_full_queue_refuses_at_once) {
    scan_workers workers{{worker_program(), 1, 4s, 1}};
    ::kill(workers.processes().front(), SIGSTOP);
    boost::asio::io_context context;
    std::vector<std::future<result<file_kind>>> answers;
    for (int i = 0; i < 3; ++i) // one is at the worker, one waits, one is too many
        answers.push_back(boost::asio::co_spawn(context, workers.identify(png), boost::asio::use_future));
    context.run();
    std::size_t refused = 0;
    for (auto& a : answers) {
        const auto outcome = a.get();
        refused += !outcome && outcome.error().code == errc::unavailable;
    }
    BOOST_TEST(refused == 1u);
}

BOOST_AUTO_TEST_CASE(a_program_that_is_not_there_or_no_worker_is_a_start_up_error) {
    BOOST_CHECK_THROW((scan_workers{{"/nonexistent/worker", 1, 5s}}), std::runtime_error);
    BOOST_CHECK_THROW((scan_workers{{"/bin/true", 1, 5s}}), std::runtime_error);
    try {
        const scan_workers none{{"/nonexistent/worker", 1, 5s}};
    } catch (const std::runtime_error& e) {
        BOOST_TEST(std::string_view{e.what()}.find("/nonexistent/worker") != std::string_view::npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()
