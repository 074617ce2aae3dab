// SPDX-License-Identifier: Apache-2.0
#include "shared/daemon/memory.hpp"

#include "shared/daemon/exit_codes.hpp"
#include "shared/log/last_line.hpp"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <thread>
#include <utility>

namespace postsluice::daemon {

namespace {
// glibc's own bound is eight heaps a processor.
constexpr unsigned fewest_heaps = 2, most_heaps = 8;
// Set, it does not grow with what is freed (as it does by itself, up to 32 MiB). What the checks of an ordinary message
// need is below it.
constexpr int large_buffer = 256 * 1024;
// A heap whose free top is larger is cut. Lower, a busy daemon would fault the same pages in again and again.
constexpr int kept_on_top = 2 * 1024 * 1024;
} // namespace

void bound_heaps() noexcept {
    const auto heaps = std::clamp(std::thread::hardware_concurrency(), fewest_heaps, most_heaps);
    (void)::mallopt(M_ARENA_MAX, static_cast<int>(heaps));
    (void)::mallopt(M_MMAP_THRESHOLD, large_buffer);
    (void)::mallopt(M_TRIM_THRESHOLD, kept_on_top);
}

void end_without_memory() noexcept {
    std::set_new_handler([] {
        static std::atomic_flag told;
        thread_local bool telling = false;
        if (!told.test_and_set()) {
            telling = true;
            log::last_line("the daemon cannot go on why=\"no memory\"");
        } else if (!telling) { // another thread is at it
            ::sleep(1);
        }
        ::_exit(exit_failed); // no core either: it would hold mail and keys
    });
}

bool rest_watch::came_to_rest(std::uint64_t work, std::uint64_t nearly_nothing) noexcept {
    const bool quiet = work - std::exchange(seen_, work) <= nearly_nothing;
    if (!quiet || rested_at_ == work) return false;
    rested_at_ = work;
    return true;
}

void give_memory_back() noexcept {
    (void)::malloc_trim(0);
}

} // namespace postsluice::daemon
