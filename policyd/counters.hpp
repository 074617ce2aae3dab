// SPDX-License-Identifier: Apache-2.0
// What the policy daemon counts since its start; `status` shows it. Touched by the event loop's thread alone.
#pragma once

#include "shared/core/reason.hpp"

#include <array>
#include <cstdint>

namespace postsluice::policyd {

struct counters {
    using by_reason = std::array<std::uint64_t, 64>; // indexed by reason

    std::uint64_t rcpt = 0, data = 0, end_of_message = 0, other = 0;
    std::uint64_t with_login = 0;  ///< RCPT with a SASL login
    std::uint64_t violations = 0;  ///< requests that broke the protocol: closed without a reply
    std::uint64_t connections = 0; ///< accepted since the start
    std::uint64_t turned_away = 0; ///< over policyd.max_connections
    std::uint64_t accepted = 0;    ///< asked to decide, nothing against it
    std::uint64_t not_asked = 0;   ///< stages that decide nothing
    std::uint64_t trouble = 0;     ///< state could not be used; on_error was applied
    std::uint64_t bounced = 0;     ///< recipients that delivery feedback told of
    std::uint64_t tickets = 0, tickets_failed = 0;
    by_reason decided{};  ///< refusals, and reason::not_ours
    by_reason observed{}; ///< what observe mode would have refused

    [[nodiscard]] static std::uint64_t& of(by_reason& table, reason why) noexcept {
        return table[static_cast<std::size_t>(why)];
    }
};
static_assert(static_cast<std::size_t>(reason::released) < counters::by_reason{}.size());

} // namespace postsluice::policyd
