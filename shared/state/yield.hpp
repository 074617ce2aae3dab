// SPDX-License-Identifier: Apache-2.0
// Threads whose work can wait.
#pragma once

namespace postsluice::state {

/// Where processors are scarce, requests come before what the calling thread does from now on (setpriority(2), Linux:
/// of a thread). Some service managers forbid it: then it is as good as the others.
void yield_to_answers() noexcept;

} // namespace postsluice::state
