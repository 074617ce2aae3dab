// SPDX-License-Identifier: Apache-2.0
// Records of the `counters` environment, and how they are written down. The hot ones are made of pieces of a fixed
// layout in the host's byte order (as LMDB's own pages have); of windows, only what they hold is written.
//
//   A <hash of key>                     account_record: all windows that are counted under one key
//   D <hash of key> <unit> <period>     distinct_set: of one limit on a distinct count
//   K <hash of key> <bucket>            some of the recipients an account wrote to (known_recipients.hpp)
//   T <time of the instance> <hash of server, instance>   transaction_record; by time, so that those of one turn lie in
//                                       few pages and the sweep finds the old ones first (Postfix's instance is
//                                       pid.sec.usec.seq; 0 where it reads otherwise)
//   E <reference>                       refusal_event
//   I <hash of account, reason, subject>   reference of the incident that is counted now
//   R <hash of account> <first, descending> <reference>   an account's refusals, newest first
//   Z <first, descending> <reference>  all refusals, newest first
#pragma once

#include "shared/core/sliding_window.hpp"
#include "shared/state/accounting.hpp"
#include "shared/state/codec.hpp"
#include "shared/state/store.hpp"

#include <boost/container/small_vector.hpp>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::state {

inline constexpr std::size_t max_limits = 50;          ///< of one key
inline constexpr std::size_t max_windows = 200;        ///< of one key, with those that left the configuration
inline constexpr std::size_t max_keys = 100;           ///< that one transaction is charged to
inline constexpr std::size_t max_lines = 2000;         ///< different slots that one transaction is charged to
inline constexpr std::size_t max_recipients = 100'000; ///< of one transaction
inline constexpr std::string_view account_prefix = "account:";

/// Tag and hash of a key.
using record_key = key_octets;

/// One window of an account. For a distinct count `window` is unused: its distinct_set counts.
struct stored_window {
    std::uint64_t count = 0; ///< the limit's number when it was last charged
    std::uint32_t period = 0;
    limit_unit unit{};
    sliding_window window;

    [[nodiscard]] seconds length() const noexcept { return seconds{period}; }
};

struct account_record {
    std::uint64_t born = 0; ///< tells a record from one before a reset: refunds for that one are not for this one
    instant last_seen{};
    instant learns_since{}; ///< since when its recipients are remembered; the epoch: they are not
    boost::container::small_vector<stored_window, 8> windows;

    [[nodiscard]] stored_window* find(limit_unit unit, seconds period) noexcept;
    /// `key`: in plain, for listings.
    void encode(std::string_view key, std::string& out) const;
    /// The key in plain is given to `key`, where it is wanted; it lives as long as `value`.
    [[nodiscard]] static bool decode(std::string_view value, account_record& out, std::string_view* key = nullptr);
};

/// One limit on a distinct count: what was seen, and when last; at most as many as the limit's number.
struct distinct_set {
    struct entry {
        std::uint64_t hash = 0;
        std::int64_t seen = 0; ///< milliseconds
    };
    std::uint64_t born = 0; ///< of the account record; another one: this set is forgotten
    std::vector<entry> entries;

    [[nodiscard]] entry* find(std::uint64_t hash) noexcept;
    [[nodiscard]] std::uint64_t used(instant now, seconds period) const noexcept;
    /// When one more fits under `limit`.
    [[nodiscard]] instant fits_at(instant now, seconds period, std::uint64_t limit) const;
    /// Sees `hash` now; those past their time go, and over `most` the oldest one. Returns when it was seen last, 0:
    /// never.
    std::int64_t see(std::uint64_t hash, instant now, seconds period, std::uint64_t most);
    [[nodiscard]] std::string encode() const;
    [[nodiscard]] static std::optional<distinct_set> decode(std::string_view value);
};
[[nodiscard]] std::string distinct_key(const record_key& account, limit_unit unit, seconds period);

/// An account record that a transaction was charged to.
struct charged_key {
    record_key key{};
    std::uint64_t born = 0;
    bool operator==(const charged_key&) const = default;
};
/// What was charged to one slot of one window. `period` 0: counted in this transaction only (limits per message).
struct charge_line {
    std::uint8_t key = 0; ///< index of the charged_key
    limit_unit unit{};
    std::uint16_t unused = 0;
    std::uint32_t period = 0;
    std::int64_t slot = 0;
    std::uint64_t count = 0;
    [[nodiscard]] bool same_window(const charge_line& o) const noexcept {
        return key == o.key && unit == o.unit && period == o.period;
    }
};
/// A thing of a distinct_set that this transaction has seen.
struct seen_line {
    std::uint8_t key = 0;
    limit_unit unit{};
    std::uint16_t unused = 0;
    std::uint32_t period = 0;
    std::uint64_t hash = 0;
    std::int64_t before = 0, at = 0; ///< when it was seen before, and by us
};

struct transaction_record {
    std::uint64_t connection = 0;
    instant lease_until{};
    std::uint32_t generation = 0;
    bool message_charged = false;
    bool data_seen = false;
    bool settled = false;
    bool settled_by_data = false;
    bool final_charge = false;       ///< accounting = "recipient": nothing is released
    bool held = false;               ///< a limit whose action is hold was passed
    bool learns = false;             ///< its recipients are remembered when it is settled, under the first key
    std::uint32_t charged = 0;       ///< recipients
    std::uint32_t repeats = 0;       ///< accepted recipients that came again
    std::uint32_t data_count = 0;    ///< recipient_count of the last DATA
    std::uint32_t refunded = 0;      ///< what that DATA refunded
    std::uint32_t earlier_count = 0; ///< recipient_count that earlier generations account for (smtpd goes on counting)
    boost::container::small_vector<charged_key, 4> keys;
    boost::container::small_vector<charge_line, 12> lines; ///< oldest first
    std::vector<seen_line> seen;
    boost::container::small_vector<std::uint64_t, 8> hashes; ///< of the admitted recipients
    std::vector<std::uint64_t> invalid;                      ///< of those that count_invalid() counted
    std::string queue_id;

    void encode(std::string& out) const;
    [[nodiscard]] static bool decode(std::string_view value, transaction_record& out);
    /// What a sweep asks first; the epoch where it is damaged.
    [[nodiscard]] static instant lease_of(std::string_view value) noexcept;
};

[[nodiscard]] std::string encode(const refusal_event& event);
[[nodiscard]] std::optional<refusal_event> decode_refusal(std::string_view value);

} // namespace postsluice::state
