// SPDX-License-Identifier: Apache-2.0
// How a daemon's process ends; 0 where it was asked to.
#pragma once

namespace postsluice::daemon {

inline constexpr int exit_failed = 1, exit_usage = 2, exit_config = 78; // 78: EX_CONFIG of sysexits.h

} // namespace postsluice::daemon
