// SPDX-License-Identifier: Apache-2.0
// How long the calling thread has worked: what bounds work on hostile input, whatever else the machine does.
#pragma once

#include <chrono>
#include <ctime>

namespace postsluice::contentfilter::mime {

[[nodiscard]] inline std::chrono::nanoseconds thread_time() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

} // namespace postsluice::contentfilter::mime
