// SPDX-License-Identifier: Apache-2.0
// The line of a process that has no memory left, and ends.
#pragma once

namespace postsluice::log {

/// An error line to where log::open() said, written without any allocation of ours and without our locks, which whoever
/// found no memory may hold. `text`: as it is to stand there, without control characters.
void last_line(const char* text) noexcept;

} // namespace postsluice::log
