// SPDX-License-Identifier: Apache-2.0
// Records of the `counters` environment, and how they are written down.
//
//   A <hash of key>                    account_record: all windows that are counted under one key
//   T <time of the instance> <hash of server, instance>   transaction_record; by time, so that those of one turn lie in
//   few
//                                      pages (Postfix's instance is pid.sec.usec.seq; 0 where it reads otherwise)
//   L <lease, ascending> <rest of T>   when to look at a transaction; may be early, never late: it moves on when it
//   comes up E <reference>                      refusal_event I <hash of account, reason, subject>   reference of the
//   incident that is counted now R <hash of account> <first, descending> <reference>   an account's refusals, newest
//   first Z <first, descending> <reference>  all refusals, newest first
#pragma once

#include "shared/core/sliding_window.hpp"
#include "shared/state/accounting.hpp"
#include "shared/state/codec.hpp"

#include <optional>
#include <string>
#include <vector>

namespace postsluice::state {

inline constexpr std::size_t max_limits = 50;          ///< of one key
inline constexpr std::size_t max_windows = 200;        ///< of one key, with those that left the configuration
inline constexpr std::size_t max_charge_lines = 250;   ///< different windows that one transaction is charged to
inline constexpr std::size_t max_recipients = 100'000; ///< of one transaction
inline constexpr std::string_view account_prefix = "account:";

struct counted_window {
    limit what; ///< with the number it had when it was last charged
    sliding_window window;
};
struct account_record {
    std::uint64_t born = 0; ///< tells a record from one before a reset: refunds for that one are not for this one
    instant last_seen{};
    std::string key;
    std::vector<counted_window> windows;

    [[nodiscard]] counted_window* find(limit_unit unit, seconds period) noexcept;
    [[nodiscard]] std::string encode() const;
    [[nodiscard]] static std::optional<account_record> decode(std::string_view value);
};

/// An account record that a transaction was charged to.
struct charged_account {
    std::string key; ///< in the database
    std::uint64_t born = 0;
    bool operator==(const charged_account&) const = default;
};
/// A window of it.
struct charge_line {
    std::uint8_t account = 0; ///< index of the charged_account
    limit_unit unit{};
    seconds period{};
    bool operator==(const charge_line&) const = default;
};
struct line_slot {
    std::uint8_t line = 0; ///< index of the charge_line
    std::int64_t slot = 0;
    bool operator==(const line_slot&) const = default;
};
/// Units that were charged to the same slots, so that a refund is exact.
struct charge {
    std::uint32_t count = 0;
    std::vector<line_slot> slots;
};

struct transaction_record {
    std::string account, queue_id;
    std::uint64_t connection = 0;
    instant lease_until{};
    std::uint32_t generation = 0;
    bool message_charged = false;
    bool data_seen = false;
    bool settled = false;
    bool settled_by_data = false;
    bool final_charge = false;       ///< accounting = "recipient": nothing is released
    std::uint32_t repeats = 0;       ///< accepted recipients that came again
    std::uint32_t data_count = 0;    ///< recipient_count of the last DATA
    std::uint32_t refunded = 0;      ///< what that DATA refunded
    std::uint32_t earlier_count = 0; ///< recipient_count that earlier generations account for (smtpd goes on counting)
    std::vector<charged_account> accounts;
    std::vector<charge_line> lines;
    charge message;
    std::vector<charge> recipients; ///< oldest first
    std::string hashes;             ///< eight octets for each admitted recipient

    [[nodiscard]] std::uint32_t charged() const noexcept;
    [[nodiscard]] bool knows(std::string_view recipient_hash) const noexcept;
    [[nodiscard]] std::string encode() const;
    [[nodiscard]] static std::optional<transaction_record> decode(std::string_view value);
};

[[nodiscard]] std::string encode(const refusal_event& event);
[[nodiscard]] std::optional<refusal_event> decode_refusal(std::string_view value);

} // namespace postsluice::state
