// SPDX-License-Identifier: Apache-2.0
// What the content filter and its scan worker say to each other over descriptor 3, a stream socket pair. Each message
// is a length (32 bits, the machine's byte order: both ends are of one build) and that many octets. The filter sends
// the beginning of a file; the worker answers a byte of flags, the MIME type, a NUL, and libmagic's description. The
// first message is the worker's: ready_word, sent when it is confined. A length over its bound, or an answer without
// NUL, is garbage: the filter kills the worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postsluice::contentfilter::worker {

inline constexpr int channel = 3;
inline constexpr std::uint32_t max_request = 65536;
inline constexpr std::uint32_t max_answer = 4096;
inline constexpr std::string_view ready_word = "postsluice-scan-worker 1";
/// The worker has used up its share of CPU time and ends after this answer.
inline constexpr char flag_last = 1;

} // namespace postsluice::contentfilter::worker
