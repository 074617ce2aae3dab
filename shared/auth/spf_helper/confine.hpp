// SPDX-License-Identifier: Apache-2.0
// Gives up everything that the SPF helper does not need: limits on memory, CPU time and files, then a seccomp filter
// under which any system call but reading and writing the channel, memory and exit kills the process. There is no way
// back. Throws std::runtime_error where the kernel refuses: a helper that is not confined must not run.
#pragma once

#include <chrono>

namespace postsluice::auth::spf_helper {

/// `cpu` is for the whole life of the process: the kernel kills it then.
void confine(std::chrono::seconds cpu);

} // namespace postsluice::auth::spf_helper
