// SPDX-License-Identifier: Apache-2.0
// clamd's protocol (clamd(8), COMMANDS) as texts: what is sent, and what an answer means. A session (IDSESSION) takes
// many commands on one connection and numbers its answers; commands and answers end in NUL ("z" before the command). A
// stream is sent in chunks, each after its length, and ends with a length of nought. Pure.
#pragma once

#include "shared/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postsluice::contentfilter::clamd {

using namespace std::string_view_literals;

inline constexpr std::string_view begin_session = "zIDSESSION\0"sv;
inline constexpr std::string_view ask_version = "zVERSION\0"sv;
inline constexpr std::string_view begin_stream = "zINSTREAM\0"sv;
inline constexpr std::size_t max_reply = 4096;

/// The length before a chunk, in network byte order.
[[nodiscard]] std::string chunk_head(std::uint32_t size);

struct answer {
    enum class kind : std::uint8_t { clean, found, too_large } what = kind::clean;
    std::string signature; ///< "Win.Test.EICAR_HDB-1"
    bool operator==(const answer&) const = default;
};
/// `reply` without its NUL: "1: stream: Eicar FOUND". errc::protocol where it is anything else, "... ERROR" too.
[[nodiscard]] result<answer> parse_scan(std::string_view reply);
/// "COMMAND READ TIMED OUT": no answer, but the end of a session in which nothing was asked for long.
[[nodiscard]] bool ends_session(std::string_view reply);
/// "2: ClamAV 1.0.9/27500/..." without its number; errc::protocol where it is empty.
[[nodiscard]] result<std::string> parse_version(std::string_view reply);

} // namespace postsluice::contentfilter::clamd
