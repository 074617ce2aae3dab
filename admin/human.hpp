// SPDX-License-Identifier: Apache-2.0
// The daemons' answers in words: times, durations, sizes, and the objects USE and LOCK that several answers hold. Reads
// JSON leniently: a member that is missing or of another type reads as nothing, since the daemon may be of another
// version than this program. Times come as ISO 8601 in UTC and are shown so, with the distance from now.
#pragma once

#include "shared/control/times.hpp"
#include "shared/core/clock.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postsluice::admin {

/// Members of an object, leniently.
[[nodiscard]] std::string text_of(const nlohmann::json& object, std::string_view member,
                                  std::string_view otherwise = "");
[[nodiscard]] std::int64_t number_of(const nlohmann::json& object, std::string_view member, std::int64_t otherwise = 0);
[[nodiscard]] bool flag_of(const nlohmann::json& object, std::string_view member);
/// The member where it is an array or object, else an empty array.
[[nodiscard]] const nlohmann::json& part_of(const nlohmann::json& object, std::string_view member);
[[nodiscard]] std::optional<instant> time_of(const nlohmann::json& object, std::string_view member);

using control::parse_iso8601;
/// The two largest units: "6 min 52 s", "2 d 3 h", "0 s".
[[nodiscard]] std::string say_duration(seconds duration);
/// "in 6 min 52 s", "6 min 52 s ago", "now".
[[nodiscard]] std::string say_distance(instant t, instant now);
/// "2026-11-21 10:15:30Z (6 min 52 s ago)"; "-" for no time.
[[nodiscard]] std::string say_time(std::optional<instant> t, instant now);
/// "512 B", "1.5 KiB", "10.0 MiB"
[[nodiscard]] std::string say_size(std::uint64_t octets);
/// "1 message", "3 messages"
[[nodiscard]] std::string say_count(std::int64_t count, std::string_view noun);
/// "3.5", "15", "-1.25"
[[nodiscard]] std::string say_score(double score);

/// USE: "280 of 300 recipients per hour", with " (next in 6 min 52 s)" where it is used up.
[[nodiscard]] std::string say_use(const nlohmann::json& use);
/// All USEs of an array, the fullest first, joined by ", "; unlimited and unused ones are left out.
[[nodiscard]] std::string say_uses(const nlohmann::json& uses);
/// LOCK: "locked until 2026-... (in 6 min), 5 spam in 10 minutes, by postsluice, ref K7QM2P4X"; "open".
[[nodiscard]] std::string say_lock(const nlohmann::json& lock, instant now);
/// Strings of an array, joined.
[[nodiscard]] std::string join(const nlohmann::json& strings, std::string_view between = ", ", std::size_t most = 20);

} // namespace postsluice::admin
