// SPDX-License-Identifier: Apache-2.0
// What the daemon and its SPF helper say to each other over descriptor 3, a stream socket pair. A frame is a length (32
// bits, the machine's byte order: both ends are of one build) and that many octets; texts in it end with a NUL.
//
//   helper -> daemon  ready_word                         once, when it is confined
//   daemon -> helper  'E' terms voids TEXT ip, helo, sender     one evaluation at a time; terms and voids: one octet
//   helper -> daemon  'Q' type(16 bits) TEXT name        a DNS question of the evaluation
//   daemon -> helper  'A' status ttl(32) [len(16) rdata]...
//   helper -> daemon  'R' result TEXT explanation        its end
//
// A frame over max_frame, a question too many or anything else than this is garbage: the daemon kills the helper.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postsluice::auth::spf_helper {

inline constexpr int channel = 3;
inline constexpr std::uint32_t max_frame = 70'000; ///< an answer of the DNS has at most 65,535 octets
inline constexpr int max_questions = 300;          ///< 10 terms of MX or PTR with 10 names each, and their own
inline constexpr std::string_view ready_word = "postsluice-spf-helper 1";

enum class frame : char { evaluate = 'E', question = 'Q', answer = 'A', result = 'R' };
enum class status : std::uint8_t { records, no_such_name, no_such_type, trouble };

} // namespace postsluice::auth::spf_helper
