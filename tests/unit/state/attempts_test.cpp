// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"
#include "shared/state/attempts.hpp"

#include <filesystem>
#include <fstream>

using namespace postsluice;
using namespace postsluice::state;

BOOST_AUTO_TEST_SUITE(attempts_suite)

namespace {
/// One process after the other, on the same file.
struct processes {
    test::temp_directory scratch;
    manual_clock clock;
    [[nodiscard]] std::filesystem::path file() const { return scratch.path() / "tries"; }
    [[nodiscard]] std::unique_ptr<attempts> start() const {
        return std::make_unique<attempts>(file(), "secret", clock);
    }
};
} // namespace

BOOST_FIXTURE_TEST_CASE(only_marks_of_dead_processes_are_tries, processes) {
    auto one = start();
    BOOST_TEST(one->begin("Q1", "d").value() == 0U);
    BOOST_TEST(one->begin("Q1", "d").value() == 0U); // a slice beside it
    one = start();
    BOOST_TEST(one->begin("Q1", "d").value() == 1U);
    BOOST_TEST(one->begin("Q2", "d").value() == 0U);
    BOOST_TEST(one->begin("Q1", "e").value() == 0U);
    one = start();
    BOOST_TEST(one->begin("Q1", "d").value() == 2U);
    BOOST_TEST(one->begin("Q1", "d").value() == 2U);
    one->end("Q1", "d").value();
    one->end("Q1", "d").value();
    BOOST_TEST(start()->begin("Q1", "d").value() == 0U); // it was answered: forgotten
}

BOOST_FIXTURE_TEST_CASE(a_slice_that_ended_leaves_the_mark_of_the_other, processes) {
    auto one = start();
    one->begin("Q1", "d").value();
    one->begin("Q1", "d").value();
    one->end("Q1", "d").value();
    BOOST_TEST(start()->begin("Q1", "d").value() == 1U);
}

BOOST_FIXTURE_TEST_CASE(what_was_left_alone_keeps_its_count_and_is_no_further_try, processes) {
    start()->begin("Q1", "d").value();
    auto one = start();
    BOOST_TEST(one->begin("Q1", "d").value() == 1U);
    one->leave("Q1", "d").value();
    BOOST_TEST(one->begin("Q1", "d").value() == 1U);
    one->leave("Q1", "d").value();
    one->leave("Q1", "d").value(); // nobody looks at it
    one = start();
    BOOST_TEST(one->begin("Q1", "d").value() == 1U);
    BOOST_TEST(start()->begin("Q1", "d").value() == 2U); // died with it in hand
    one = start();
    one->leave("Q2", "d").value(); // never marked
    BOOST_TEST(one->begin("Q2", "d").value() == 0U);
    one->leave("Q2", "d").value();
    clock.advance(seconds{100});
    one->forget_before(clock.now()).value();
    BOOST_TEST(start()->begin("Q1", "d").value() == 0U);
}

BOOST_FIXTURE_TEST_CASE(marks_that_nobody_comes_for_are_forgotten, processes) {
    start()->begin("Q1", "d").value();
    auto living = start();
    living->begin("Q2", "d").value();
    clock.advance(seconds{100});
    living->forget_before(clock.now()).value();
    const auto next = start();
    BOOST_TEST(next->begin("Q1", "d").value() == 0U);
    BOOST_TEST(next->begin("Q2", "d").value() == 1U);
}

BOOST_FIXTURE_TEST_CASE(where_all_places_are_taken_the_oldest_mark_of_the_dead_makes_room, processes) {
    auto one = start();
    for (std::size_t i = 0; i < attempts::most; ++i) {
        clock.advance(seconds{1});
        BOOST_REQUIRE(one->begin("Q" + std::to_string(i), "d").has_value());
    }
    BOOST_TEST((one->begin("one more", "d").error().code == errc::unavailable)); // all of them are looked at now
    one->end("Q7", "d").value();
    BOOST_TEST(one->begin("one more", "d").value() == 0U);
    one = start();
    BOOST_TEST(one->begin("a new one", "d").value() == 0U);
    BOOST_TEST(one->begin("Q1", "d").value() == 1U);
    BOOST_TEST(one->begin("Q0", "d").value() == 0U); // was the oldest
}

BOOST_FIXTURE_TEST_CASE(a_file_that_is_no_list_of_marks_is_begun_anew, processes) {
    {
        std::ofstream out{file()};
        out << std::string(5000, 'x');
    }
    test::log_lines log;
    BOOST_TEST(start()->begin("Q1", "d").value() == 0U);
    BOOST_TEST(log.contain("damaged"));
    BOOST_TEST(start()->begin("Q1", "d").value() == 1U);
    std::filesystem::resize_file(file(), 1000); // cut: what is left says nothing
    BOOST_TEST(start()->begin("Q1", "d").value() == 0U);
    BOOST_TEST(std::filesystem::file_size(file()) == 64 * (attempts::most + 1));
}

BOOST_FIXTURE_TEST_CASE(without_its_file_mail_goes_on_and_the_log_says_what_is_missing, processes) {
    std::filesystem::create_directory(file());
    test::log_lines log;
    BOOST_TEST(start()->begin("Q1", "d").value() == 0U);
    BOOST_TEST(start()->begin("Q1", "d").value() == 0U);
    BOOST_TEST(log.contain("will not be known"));
}

BOOST_FIXTURE_TEST_CASE(of_two_marks_of_one_message_the_later_one_counts, processes) {
    clock.advance(seconds{100});
    start()->begin("Q1", "d").value();
    start()->begin("Q1", "d").value();
    {
        std::fstream both{file(), std::ios::in | std::ios::out | std::ios::binary};
        std::string first(64, '\0');
        both.seekg(64).read(first.data(), 64);
        first[20] = 0;                 // its tries, when it was written earlier
        first.replace(32, 8, 8, '\0'); // its time
        both.seekp(3 * 64).write(first.data(), 64);
    }
    auto one = start();
    BOOST_TEST(one->begin("Q1", "d").value() == 2U);
    one->end("Q1", "d").value();
    BOOST_TEST(start()->begin("Q1", "d").value() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
