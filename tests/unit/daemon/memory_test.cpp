// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/daemon/memory.hpp"

#include "shared/daemon/exit_codes.hpp"
#include "tests/unit/daemon/process_end.hpp"

#include <boost/test/unit_test.hpp>

#include <cstring>
#include <fstream>
#include <latch>
#include <memory>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace postsluice;

namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool own_allocator = true; // malloc_trim(3) is not its affair
#else
constexpr bool own_allocator = false;
#endif

/// Resident, in octets (proc(5), statm).
std::int64_t resident() {
    std::ifstream file{"/proc/self/statm"};
    std::int64_t size = 0, pages = 0;
    file >> size >> pages;
    return pages * ::sysconf(_SC_PAGESIZE);
}

/// What a busy time leaves behind: threads that came and went, buffers that were freed, and a few that are still in use
/// among them, the last one too.
std::vector<std::unique_ptr<char[]>> load() {
    constexpr std::size_t threads = 4, buffers = 4000, octets = 4096;
    std::vector<std::unique_ptr<char[]>> in_use;
    std::mutex mutex;
    std::latch full{threads}; // all have theirs at once, in whatever order the machine lets them run
    std::vector<std::jthread> all;
    for (std::size_t t = 0; t < threads; ++t)
        all.emplace_back([&] {
            std::vector<std::unique_ptr<char[]>> mine;
            for (std::size_t i = 0; i < buffers; ++i) {
                mine.push_back(std::make_unique_for_overwrite<char[]>(octets));
                std::memset(mine.back().get(), 1, octets);
            }
            full.arrive_and_wait();
            const std::lock_guard guard{mutex};
            for (std::size_t i = 99; i < buffers; i += 100)
                in_use.push_back(std::move(mine[i]));
        });
    return in_use;
}

} // namespace

BOOST_AUTO_TEST_SUITE(memory)

BOOST_AUTO_TEST_CASE(rest_is_told_once_after_each_time_of_work) {
    daemon::rest_watch watch;
    BOOST_TEST(watch.came_to_rest(0, 10)); // after the start
    BOOST_TEST(!watch.came_to_rest(0, 10));
    BOOST_TEST(!watch.came_to_rest(5000, 10)); // busy since the last look
    BOOST_TEST(!watch.came_to_rest(9000, 10));
    BOOST_TEST(watch.came_to_rest(9000, 10));
    BOOST_TEST(!watch.came_to_rest(9000, 10));
    BOOST_TEST(!watch.came_to_rest(9011, 10));
    BOOST_TEST(watch.came_to_rest(9021, 10)); // a little, now and then, is rest, too
    BOOST_TEST(watch.came_to_rest(9022, 10));
    BOOST_TEST(!watch.came_to_rest(9022, 10));
    BOOST_TEST(!watch.came_to_rest(9023, 0)); // what is little is said each time
    BOOST_TEST(watch.came_to_rest(9023, 0));
}

BOOST_AUTO_TEST_CASE(what_was_freed_goes_back_to_the_system,
                     *boost::unit_test::precondition([](auto) { return !own_allocator; })) {
    daemon::bound_heaps();
    const auto before = resident();
    const auto in_use = load();
    const auto kept = resident() - before;
    BOOST_TEST_REQUIRE(kept > 20 << 20); // or there is nothing to be seen here
    daemon::give_memory_back();
    const auto rest = resident() - before;
    BOOST_TEST(rest < kept / 4, rest << " of " << kept << " octets are still there");
    for (const auto& one : in_use)
        BOOST_TEST(one[0] == 1);
}

BOOST_AUTO_TEST_CASE(a_large_buffer_goes_back_when_it_is_freed,
                     *boost::unit_test::precondition([](auto) { return !own_allocator; })) {
    daemon::bound_heaps();
    constexpr std::size_t octets = 20 << 20;
    const auto before = resident();
    for (int i = 0; i < 3; ++i) { // glibc by itself takes the second one from a heap
        auto large = std::make_unique_for_overwrite<char[]>(octets);
        std::memset(large.get(), 1, octets);
        const auto above = std::make_unique<char[]>(1000); // keeps it from being the top of a heap
        BOOST_TEST(resident() - before > static_cast<std::int64_t>(octets / 2));
        large.reset();
        BOOST_TEST(resident() - before < static_cast<std::int64_t>(octets / 4));
    }
}

BOOST_AUTO_TEST_CASE(a_process_without_memory_ends_and_says_so,
                     *boost::unit_test::precondition([](auto) { return !own_allocator; })) {
    const auto [status, said] = postsluice::test::end_of([] {
        daemon::end_without_memory();
        const volatile std::size_t octets = std::size_t{1} << 62U;
        try {
            ::operator delete(::operator new(octets));
        } catch (const std::exception&) { // whom a daemon would have gone on for
        }
    });
    BOOST_TEST(WIFEXITED(status));
    BOOST_TEST(WEXITSTATUS(status) == daemon::exit_failed);
    BOOST_TEST(said == "error the daemon cannot go on why=\"no memory\"\n");
}

BOOST_AUTO_TEST_SUITE_END()
