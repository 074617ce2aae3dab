// SPDX-License-Identifier: Apache-2.0
// What the content filter and its scan worker say to each other over descriptor 3, a stream socket pair. Each message
// is a length (32 bits, the machine's byte order: both ends are of one build) and that many octets. The filter sends
// a request_head and a file, or its beginning; the worker answers a byte of flags and a report: for request_kind::type
// the MIME type, a NUL, and libmagic's description, for the others what archive_report.hpp and document_report.hpp say.
// The first message is the worker's: ready_word, sent when it is confined. A length over its bound, or a report that
// cannot be read, is garbage: the filter kills the worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postsluice::contentfilter::worker {

inline constexpr int channel = 3;
inline constexpr std::uint32_t max_answer = 4U << 20U;
inline constexpr std::string_view ready_word = "postsluice-scan-worker 2";
/// The worker has used up its share of CPU time and ends after this answer.
inline constexpr char flag_last = 1;

enum class request_kind : std::uint64_t { type = 1, archive = 2, document = 3 };

/// How far a file is unpacked: the options of [archives] and [macros].
struct unpack_bounds {
    std::uint64_t levels = 3;                            ///< containers inside each other, the file itself the first
    std::uint64_t files = 10'000;                        ///< entries of all containers together
    std::uint64_t unpacked = std::uint64_t{512} << 20U;  ///< octets of all entries together
    std::uint64_t member = std::uint64_t{64} << 20U;     ///< octets of one entry that is itself looked into
    std::uint64_t ratio = 200;                           ///< octets unpacked for each octet of the file ...
    std::uint64_t ratio_from = std::uint64_t{32} << 20U; ///< ... where it is more than this
    std::uint64_t code = std::uint64_t{8} << 20U;        ///< octets of macro source
    std::uint64_t cpu_milliseconds = 5000;
};

/// As it goes over the channel.
struct request_head {
    request_kind kind = request_kind::type;
    unpack_bounds bounds;
};

/// Why a file was not looked at as a whole; a set of these.
enum report_flag : std::uint64_t {
    encrypted = 1,       ///< some content cannot be read without a password
    names_encrypted = 2, ///< nor some names
    too_deep = 4,        ///< unpack_bounds::levels
    too_many = 8,        ///< unpack_bounds::files, or more names than an answer holds
    too_large = 16,      ///< unpack_bounds::unpacked, member or code
    bomb = 32,           ///< unpack_bounds::ratio
    too_slow = 64,       ///< unpack_bounds::cpu_milliseconds
    no_memory = 128,     ///< it needs more than the worker may have
    damaged = 256,       ///< it ends early, or contradicts itself
};

} // namespace postsluice::contentfilter::worker
