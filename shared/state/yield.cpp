// SPDX-License-Identifier: Apache-2.0
#include "shared/state/yield.hpp"

#include <sys/resource.h>
#include <unistd.h>

namespace postsluice::state {

void yield_to_answers() noexcept {
    constexpr int less = 10;
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), less);
}

} // namespace postsluice::state
