// SPDX-License-Identifier: Apache-2.0
// A strike: one proof of abuse by an account. Strikes of one message (same digest within the hour) count once, so that
// an honest user who resends one refused mail is not locked. Strikes without a digest are always new; many of them
// (invalid recipients) are kept as few: compact_strikes().
#pragma once

#include "shared/core/clock.hpp"

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
inline constexpr strike_kind last_strike_kind = strike_kind::complaint;
[[nodiscard]] std::string_view to_string(strike_kind kind) noexcept;
[[nodiscard]] std::optional<strike_kind> parse_strike_kind(std::string_view text) noexcept;
std::ostream& operator<<(std::ostream& out, strike_kind kind);

struct strike {
    strike_kind kind = strike_kind::spam;
    instant at{};
    std::uint32_t weight = 1;
    std::string digest;    ///< what makes it the same proof again (message digest; limit subject); empty: always new
    std::string reference; ///< its evidence
    std::string note = {}; ///< who dealt it and why, where a person did
    bool operator==(const strike&) const = default;
};

/// Strikes of one message within this time are one proof.
inline constexpr seconds same_proof_window{3600};
/// Do `a` and `b` prove the same thing: same kind, same digest (not empty), less than the window apart?
[[nodiscard]] bool same_proof(const strike& a, const strike& b) noexcept;

/// Adds up strikes of one kind without digest or note that lie near each other, the less exactly the older they are: an
/// age is divided into grains of the largest power of two seconds that is no more than 1/16 of it, and each grain keeps
/// one strike, with the latest one's time and reference and the sum of their weights. So a window counts such a strike
/// at most 1/16 of its age too long, never too short, and a week of one kind takes at most 300 strikes, however many
/// there were. Those from before `counted_from` are never added to later ones. `strikes` are oldest first and stay so;
/// those from the future (the clock went back) are from now.
void compact_strikes(std::vector<strike>& strikes, instant now, instant counted_from = {});

} // namespace postsluice
