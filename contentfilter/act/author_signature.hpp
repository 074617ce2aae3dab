// SPDX-License-Identifier: Apache-2.0
// Is there a signature of the author's domain on the message already, and does it leave as whole as it came? Then it
// leaves alone; otherwise ours is needed. What it covers is compared as it came and as it leaves (RFC 6376 section
// 5.4.2), and a relaxed body hash with that of the body as it leaves. Whether the signature itself is true is not
// asked: a sender who forges one only keeps ours off his own mail. Pure.
#pragma once

#include "contentfilter/intake/message.hpp"
#include "shared/core/clock.hpp"

#include <span>

namespace postsluice::contentfilter::act {

/// A body as it leaves.
struct hashed_body {
    std::string hash; ///< relaxed (RFC 6376 section 3.4.4), SHA-256; 32 octets
    std::uint64_t size = 0;
    bool changed = false; ///< it is not octet by octet what came
};

/// So many of a message's signatures are looked at, from the top.
inline constexpr std::size_t most_author_signatures = 10;

/// `before`, `after`: the fields as they came and as they leave. `domain`: the author's, in lower case; a signature of
/// an aligned one counts (RFC 7489 section 3.1.1).
[[nodiscard]] bool leaves_signed(std::span<const header_field> before, std::span<const std::string> after,
                                 const hashed_body& body, std::string_view domain, instant now);

} // namespace postsluice::contentfilter::act
