// SPDX-License-Identifier: Apache-2.0
// Sizes and durations as people write them: "256 KiB", "30 minutes". Parsing is strict: a number, optional blanks, a
// unit; anything else is errc::malformed with the reason in the detail. Formatting picks the largest unit that divides.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace postsluice {

/// A number of octets; a type of its own so that no bare integer says "size".
struct byte_count {
    std::uint64_t value = 0;
    auto operator<=>(const byte_count&) const = default;
};
std::ostream& operator<<(std::ostream& out, byte_count b);

/// "10 KB" and "10 KiB" are alike 10 x 1024; units B, KB, KiB, MB, MiB, GB, GiB in any case; no unit: bytes.
[[nodiscard]] result<byte_count> parse_bytes(std::string_view text);
[[nodiscard]] std::string to_string(byte_count size);

/// "90 seconds", "5 minutes", "1 hour", "3 days", "1 week", "1 month" (30 days); singular, plural and s/m/h/d alike.
[[nodiscard]] result<seconds> parse_duration(std::string_view text);
/// "5 minutes", "1 hour"; "0 seconds".
[[nodiscard]] std::string to_string(seconds duration);

} // namespace postsluice
