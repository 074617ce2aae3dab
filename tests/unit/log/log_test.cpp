// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/log/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace postsluice;

namespace {

/// Takes every line, and the threshold "debug", for the time of one case.
struct captured {
    captured() {
        log::open("test", "stderr", "debug");
        log::capture([this](log::level level, const std::string& text) {
            const std::lock_guard hold{mutex};
            levels.push_back(level);
            lines.push_back(text);
        });
    }
    captured(const captured&) = delete;
    captured& operator=(const captured&) = delete;
    ~captured() {
        log::capture({});
        log::open("test", "stderr", "info");
    }
    std::mutex mutex;
    std::vector<log::level> levels;
    std::vector<std::string> lines;
};

/// What is written to file descriptor 2 while `act` runs.
template <class Act>
std::string written_to_stderr(Act act) {
    char name[] = "/tmp/postsluice-log.XXXXXX";
    const int file = ::mkstemp(name);
    BOOST_REQUIRE(file >= 0);
    std::fflush(stderr);
    const int before = ::dup(2);
    ::dup2(file, 2);
    act();
    std::fflush(stderr);
    ::dup2(before, 2);
    ::close(before);
    ::close(file);
    std::ifstream in{name};
    std::ostringstream text;
    text << in.rdbuf();
    ::unlink(name);
    return text.str();
}

} // namespace

BOOST_AUTO_TEST_SUITE(logging)

BOOST_FIXTURE_TEST_CASE(a_line_is_level_event_and_key_value_pairs, captured) {
    log::info("refused")
        .kv("account", "a@example.org")
        .kv("limit", "recipients per hour")
        .kv("used", 300)
        .kv("late", true)
        .kv("score", 2.5);
    log::debug("event");
    log::warning("event");
    log::error("event");
    const std::vector<std::string> expected = {
        "info refused account=a@example.org limit=\"recipients per hour\" used=300 late=yes score=2.500000",
        "debug event", "warning event", "error event"};
    BOOST_TEST(lines == expected, boost::test_tools::per_element());
    BOOST_TEST((levels == std::vector{log::level::info, log::level::debug, log::level::warning, log::level::error}));
}

BOOST_FIXTURE_TEST_CASE(a_value_cannot_break_out_of_its_place, captured) {
    struct row {
        std::string value, written;
    };
    const row table[] = {
        {"plain", "k=plain"},
        {"", "k=\"\""},
        {"a b", "k=\"a b\""},
        {"a=b", "k=\"a=b\""},
        {"say \"x\"", "k=\"say \\\"x\\\"\""},
        {"back\\slash", "k=\"back\\\\slash\""},
        {"two\nerror forged=1", "k=\"two?error forged=1\""},
        {"esc\x1b[31m", "k=esc?[31m"},
        {"bad\xFF", "k=bad?"},
        {"gr\xC3\xBC\xC3\x9F", "k=gr\xC3\xBC\xC3\x9F"},
        {"\" ref=FORGED00", "k=\"\\\" ref=FORGED00\""},
    };
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.written) {
            log::info("e").kv("k", one.value);
            BOOST_TEST(lines.back() == "info e " + one.written);
        }
    }
}

BOOST_FIXTURE_TEST_CASE(a_long_value_is_cut, captured) {
    log::info("e").kv("k", std::string(5000, 'x'));
    BOOST_TEST(lines.back().size() == std::string{"info e k="}.size() + 1000);
}

BOOST_FIXTURE_TEST_CASE(a_line_that_was_moved_is_written_once, captured) {
    {
        auto first = log::info("once");
        const auto second = std::move(first);
    }
    BOOST_TEST(lines.size() == 1U);
}

BOOST_AUTO_TEST_CASE(lines_below_the_threshold_are_not_written) {
    captured all;
    log::open("test", "stderr", "warning");
    BOOST_TEST(!log::enabled(log::level::info));
    BOOST_TEST(log::enabled(log::level::warning));
    log::debug("no");
    log::info("no").kv("k", "v");
    log::warning("yes");
    log::error("yes");
    BOOST_TEST(all.lines.size() == 2U);
}

BOOST_AUTO_TEST_CASE(foreign_levels_and_destinations_are_refused_and_change_nothing) {
    log::open("test", "stderr", "error");
    BOOST_CHECK_THROW(log::open("test", "stderr", "loud"), std::invalid_argument);
    BOOST_CHECK_THROW(log::open("test", "stderr", ""), std::invalid_argument);
    BOOST_CHECK_THROW(log::open("test", "/var/log/x", "debug"), std::invalid_argument);
    BOOST_TEST(!log::enabled(log::level::warning));
    log::open("test", "stderr", "info");
    BOOST_TEST(log::enabled(log::level::info));
}

BOOST_AUTO_TEST_CASE(stderr_gets_one_whole_line_per_event_from_every_thread) {
    constexpr int threads = 4, each = 250;
    const auto text = written_to_stderr([] {
        std::vector<std::thread> all;
        for (int t = 0; t < threads; ++t)
            all.emplace_back([t] {
                for (int i = 0; i < each; ++i)
                    log::info("event").kv("thread", t).kv("text", std::string(100, 'x')).kv("end", "y");
            });
        for (auto& one : all)
            one.join();
    });
    std::istringstream in{text};
    int count = 0;
    for (std::string line; std::getline(in, line); ++count)
        BOOST_REQUIRE((line.starts_with("info event thread=") && line.ends_with("x end=y")));
    BOOST_TEST(count == threads * each);
}

BOOST_AUTO_TEST_CASE(a_log_that_cannot_be_written_does_not_throw) {
    captured all;
    log::capture([](log::level, const std::string&) { throw std::runtime_error{"full"}; });
    BOOST_CHECK_NO_THROW(log::error("event").kv("k", 1));
}

BOOST_AUTO_TEST_SUITE_END()
