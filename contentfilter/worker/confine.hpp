// SPDX-License-Identifier: Apache-2.0
// Gives up everything that a scan worker does not need: limits on memory, CPU time and files, then a seccomp filter
// under which any system call but reading and writing the channel, memory and exit kills the process; opening a file
// merely fails, since a library may look for a table of characters in the middle of its work. There is no way back.
// Throws std::runtime_error where the kernel refuses: a worker that is not confined must not run.
#pragma once

#include <chrono>
#include <cstdint>

namespace postsluice::contentfilter::worker {

/// `cpu` is for the whole life of the process: the kernel kills it then. `memory`: octets of address space; allocations
/// beyond it fail.
void confine(std::chrono::seconds cpu, std::uint64_t memory);

} // namespace postsluice::contentfilter::worker
