// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/clock.hpp"

#include <cstdlib>
#include <fstream>

#include <sys/wait.h>
#include <unistd.h>

using namespace postsluice;

namespace {

struct directory {
    directory() {
        std::string name = (std::filesystem::temp_directory_path() / "postsluice-clock.XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        root = name;
    }
    directory(const directory&) = delete;
    directory& operator=(const directory&) = delete;
    ~directory() {
        std::error_code ignored;
        std::filesystem::remove_all(root, ignored);
    }
    void write(const std::string& text) const { std::ofstream{root / "clock", std::ios::trunc} << text; }
    [[nodiscard]] std::string read() const {
        std::ifstream in{root / "clock"};
        std::string line;
        std::getline(in, line);
        return line;
    }
    std::filesystem::path root;
};

instant wall() {
    return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}
constexpr milliseconds near{5000}; // two reads of a clock on a busy machine

} // namespace

BOOST_AUTO_TEST_SUITE(clocks)

BOOST_AUTO_TEST_CASE(a_manual_clock_moves_when_told) {
    manual_clock clock;
    BOOST_TEST(to_iso8601(clock.now()) == "2026-01-01T00:00:00Z");
    clock.advance(seconds{86400} + milliseconds{1});
    BOOST_TEST(to_iso8601(clock.now()) == "2026-01-02T00:00:00Z");
    clock.set(instant{milliseconds{951827696789}});
    BOOST_TEST(to_iso8601(clock.now()) == "2000-02-29T12:34:56Z");
}

BOOST_FIXTURE_TEST_CASE(the_first_open_of_a_boot_anchors_at_the_wall_clock, directory) {
    const boot_clock clock{root};
    BOOST_TEST((clock.now() <= wall() + near));
    BOOST_TEST((clock.now() >= wall() - near));
    BOOST_TEST((std::chrono::abs(clock.wall_offset()) < near));
    BOOST_TEST(read().starts_with(clock.boot_id() + " "));
    BOOST_TEST(!clock.boot_id().empty());
}

BOOST_FIXTURE_TEST_CASE(a_later_open_of_the_same_boot_keeps_the_anchor_whatever_the_wall_clock_says, directory) {
    const std::string boot = boot_clock{root}.boot_id();
    const auto offset = std::stoll(read().substr(boot.size()));
    constexpr milliseconds jump = std::chrono::hours{10};
    write(boot + " " + std::to_string(offset - jump.count()) + "\n"); // as if the wall clock had jumped ahead since
    const boot_clock clock{root};
    BOOST_TEST((clock.now() < wall() - jump + near));
    BOOST_TEST((std::chrono::abs(clock.wall_offset() - jump) < near));
    BOOST_TEST(read() == boot + " " + std::to_string(offset - jump.count()));
}

BOOST_FIXTURE_TEST_CASE(an_anchor_of_another_boot_or_a_damaged_one_is_replaced, directory) {
    for (const auto* text : {"00000000-0000-0000-0000-000000000000 5\n", "", "nonsense", "\n\n"}) {
        BOOST_TEST_CONTEXT(text) {
            write(text);
            const boot_clock clock{root};
            BOOST_TEST((clock.now() >= wall() - near));
            BOOST_TEST(read().starts_with(clock.boot_id() + " "));
        }
    }
}

BOOST_FIXTURE_TEST_CASE(processes_of_one_boot_share_the_anchor, directory) {
    const auto child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
        try {
            const boot_clock clock{root};
            ::_exit(0);
        } catch (...) {
            ::_exit(1);
        }
    }
    const boot_clock ours{root};
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(status == 0);
    const auto kept = read();
    const boot_clock later{root};
    BOOST_TEST(read() == kept);
    BOOST_TEST((std::chrono::abs(later.now() - ours.now()) < near));
}

BOOST_AUTO_TEST_CASE(a_directory_that_is_not_there_is_an_exception_that_names_the_file) {
    BOOST_CHECK_EXCEPTION(boot_clock{"/nonexistent/state"}, std::runtime_error, [](const auto& e) {
        return std::string{e.what()}.find("/nonexistent/state/clock") != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(boot_time_never_goes_back) {
    const directory d;
    const boot_clock clock{d.root};
    auto before = clock.now();
    for (int i = 0; i < 1000; ++i) {
        const auto now = clock.now();
        BOOST_REQUIRE((now >= before));
        before = now;
    }
}

BOOST_AUTO_TEST_SUITE_END()
