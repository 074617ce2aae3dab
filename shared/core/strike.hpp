// SPDX-License-Identifier: Apache-2.0
// A strike: one proof of abuse by an account. Strikes of one message (same digest within the hour) count once, so that
// an honest user who resends one refused mail is not locked.
#pragma once

#include "shared/core/clock.hpp"

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

namespace postsluice {

enum class strike_kind : std::uint8_t {
    spam,
    phish,
    virus,
    limit, ///< refused by a limit
    manual,
    invalid_recipients, ///< a recipient that cannot exist, or that another rule of the mail server refused
    stolen_password,    ///< the account was used as only a thief would: from too many networks
    complaint,          ///< somebody told abuse_address, or an operator said so
};
[[nodiscard]] std::string_view to_string(strike_kind kind) noexcept;
[[nodiscard]] std::optional<strike_kind> parse_strike_kind(std::string_view text) noexcept;
std::ostream& operator<<(std::ostream& out, strike_kind kind);

struct strike {
    strike_kind kind = strike_kind::spam;
    instant at{};
    std::uint32_t weight = 1;
    std::string digest;    ///< what makes it the same proof again (message digest; limit subject); empty: always new
    std::string reference; ///< its evidence
    bool operator==(const strike&) const = default;
};

/// Strikes of one message within this time are one proof.
inline constexpr seconds same_proof_window{3600};
/// Do `a` and `b` prove the same thing: same kind, same digest (not empty), less than the window apart?
[[nodiscard]] bool same_proof(const strike& a, const strike& b) noexcept;

} // namespace postsluice
