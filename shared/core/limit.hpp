// SPDX-License-Identifier: Apache-2.0
// A limit as configured: "<N|unlimited> <unit> per [K] <minute|hour|day>". Pure data; config/limit_language reads it,
// core/sliding_window counts it, state/accounting charges it. Two limits of the same unit and period are the same limit
// (an inherited one is replaced).
#pragma once

#include "shared/core/clock.hpp"

#include <cstdint>
#include <iosfwd>
#include <limits>
#include <string>
#include <string_view>

namespace postsluice {

enum class limit_unit : std::uint8_t {
    messages,   ///< transactions that were accepted
    recipients, ///< accepted RCPT TO
};
[[nodiscard]] std::string_view to_string(limit_unit unit) noexcept;
std::ostream& operator<<(std::ostream& out, limit_unit unit);

struct limit {
    static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t count = unlimited;
    limit_unit unit = limit_unit::recipients;
    seconds period{3600};

    [[nodiscard]] bool same_subject(const limit& other) const noexcept {
        return unit == other.unit && period == other.period;
    }
    bool operator==(const limit&) const = default;
};

/// "recipients per hour", "messages per 5 minutes": what a limit is called everywhere, without its number.
[[nodiscard]] std::string subject(const limit& l);
/// "300 recipients per hour", "unlimited messages per day".
[[nodiscard]] std::string to_string(const limit& l);
std::ostream& operator<<(std::ostream& out, const limit& l);

/// One limit with what is used of it. `frees`: when one more unit fits (now, where it fits already).
struct limit_use {
    limit what;
    std::uint64_t used = 0;
    instant frees{};
};

} // namespace postsluice
