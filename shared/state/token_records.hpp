// SPDX-License-Identifier: Apache-2.0
// The records of token_statistics in the `filter` environment:
//   T <token, big-endian>       token_record
//   L <hash of its tokens>      lesson_record: a message that was learned
//   O <time, ascending> <hash>  the same, the earliest first
//   S                           summary_record
// A damaged record reads as none.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/state/token_statistics.hpp"

#include <optional>

namespace postsluice::state {

inline constexpr char token_tag = 'T', lesson_tag = 'L', order_tag = 'O';
inline constexpr std::string_view summary_key = "S";

/// Days since 1970: as exactly as anything fades.
using day = std::uint16_t;
[[nodiscard]] day day_of(instant t) noexcept;
/// What is left of a count between two days; 1 where the half-life is 0 or the clock went back.
[[nodiscard]] double fading(day from, day to, seconds half_life) noexcept;

struct token_record {
    class_counts counts;
    day written = 0;
    [[nodiscard]] std::string encode() const;
    [[nodiscard]] static std::optional<token_record> decode(std::string_view value);
    /// The counts as of `today`.
    [[nodiscard]] class_counts at(day today, seconds half_life) const noexcept;
};

struct lesson_record {
    mail_class as = mail_class::ham;
    instant at{};
    [[nodiscard]] std::string encode() const;
    [[nodiscard]] static std::optional<lesson_record> decode(std::string_view value);
};

struct summary_record {
    class_counts messages;
    day written = 0;
    std::uint64_t tokens = 0, remembered = 0;
    std::uint64_t hand = 0; ///< the token at which the next search for weak ones begins
    [[nodiscard]] std::string encode() const;
    [[nodiscard]] static summary_record decode(std::optional<std::string_view> value);
    void fade_to(day today, seconds half_life) noexcept;
};

[[nodiscard]] std::string token_key(std::uint64_t token);

} // namespace postsluice::state
