// SPDX-License-Identifier: Apache-2.0
// Does an account send far more today than it usually does? Pure: what was seen goes into `trend_memory`, a judgement
// comes out; constant space (trend_memory_octets when stored).
//
// What is learned of each account, from its messages at DATA:
// - its usual day: the largest 24 hours it sent, in messages and in recipients, forgotten by half every 28 days. The
//   largest and not the mean: whoever sends a newsletter every week or every month is then usual on that day too.
// - the hours of the day (UTC) at which it sends, its client networks and how many of its recipients are new to it,
//   with weights that fade by 1/28 a day.
// A day is learned when it is over, and one far beyond the usual only in part: what a thief does does not become usual
// while he does it.
// How it is judged: today's volume is what was sent within the last 24 hours. Each message counts 1, and twice as much
// for each of three things unusual for the account: the hour, the network, mostly new recipients; so up to 8. It is a
// trend where this weighted volume exceeds `factor` times the usual day and the plain volume exceeds `floor`. So a
// stolen account that is used from elsewhere, at night, for strangers, is found at an eighth of what a good customer's
// busy day may have; and nothing below `floor` is ever a trend.
//
// What it assumes, and where it is wrong:
// - An account has a past. In its first 7 days it is not judged: limits are for those.
// - The past was good. An account that is stolen from the start is usual to itself. A thief who raises his volume by
//   less than `factor` each day is not found: one day teaches at most 4 times the usual one and 20, so that from 30 to
//   30,000 a day takes him 5 days; limits are for that, too.
// - Volume tells. A thief who sends less than `floor` a day is not found here at all.
// - A floor in messages does not see few messages to many recipients: state it in recipients where these are cheap.
// - Honest bursts happen. Invitations to everybody, a shop's first sale, an account that gets a new purpose are trends.
//   Therefore the default action is `hold`: a person looks, nothing is lost.
// - Which recipients are new is asked of a Bloom filter of the last 350 to 700 (false "known": under 7 %); to whoever
//   writes to more than that the question soon means little, and then nothing new is unusual for him.
// - What the filter puts off before the queue was not sent, and comes again as often as the client likes: it is taken
//   back. (Each shop would be a trend after an afternoon's outage, and the outage its usual day.) That is not exact:
//   its recipients stay known, the largest 24 hours may miss what was put off at one time, and a day that ended
//   meanwhile stays as it was learned.
// - Networks are told by /24 and /64; eight are remembered. One who roams over more has no usual network, and none is
//   then unusual.
// tests/unit/core/trend_test.cpp simulates accounts and thefts, and states the rates of false alarms and the times to
// detection.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/limit.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace postsluice {

struct trend_hour {
    std::uint32_t messages = 0, recipients = 0;
    float weighted_messages = 0, weighted_recipients = 0;
    bool operator==(const trend_hour&) const = default;
};
struct trend_network {
    std::uint64_t hash = 0;
    float weight = 0, today = 0; ///< messages: fading sum, and what came since `day` began
    bool operator==(const trend_network&) const = default;
};

struct trend_memory {
    instant born{};                                 ///< the first message
    std::int64_t hour = 0;                          ///< of `hours`: hours since 1970 of the newest
    std::int64_t day = 0;                           ///< since 1970, up to which things were forgotten
    std::int64_t filter_day = 0;                    ///< when `known[0]` was begun
    float day_messages = 0, day_recipients = 0;     ///< the most within 24 hours, since `day` began
    float usual_messages = 0, usual_recipients = 0; ///< the usual day
    float today_recipients = 0, today_new = 0;      ///< since `day` began
    float seen_recipients = 0, seen_new = 0;        ///< fading sums
    float seen_messages = 0;                        ///< fading sum, of `by_hour` and of all networks
    std::array<float, 24> by_hour{};                ///< of messages; UTC
    std::array<trend_hour, 24> hours{};             ///< the last 24, at (hour % 24)
    std::array<trend_network, 8> networks{};
    std::array<std::array<std::uint64_t, 32>, 2> known{}; ///< Bloom filters of recipients: filling, full
    bool operator==(const trend_memory&) const = default;
};
/// What a store needs for it, at most.
inline constexpr std::size_t trend_memory_octets = 1200;

inline constexpr seconds trend_learning{7 * 86400};

/// A message, or one under way.
struct trend_message {
    instant at{};
    std::uint32_t recipients = 0;
    std::uint32_t new_recipients = 0; ///< those of them that knows() did not know
    std::uint64_t network = 0;        ///< keyed hash; 0: not known
};
/// Not before `memory.born`; what lies before the newest message counts as if it came with that one.
void observe(trend_memory& memory, const trend_message& message, std::span<const std::uint64_t> recipients);
/// Of a message that was observed a short time ago and is to come again: it did not happen. Whom it went to stays
/// known, and of a day that was over since, what was learned stays.
void take_back(trend_memory& memory, const trend_message& message);
/// By keyed hash.
[[nodiscard]] bool knows(const trend_memory& memory, std::uint64_t recipient) noexcept;

struct trend_bounds {
    double factor = 0;
    std::uint64_t floor = 0;
    bool by_recipients = false; ///< what is counted: messages, or recipients
};
struct trend_judgement {
    bool exceeded = false;
    bool learning = false;   ///< too young to be judged
    std::uint64_t today = 0; ///< in 24 hours, with the message under way
    double weighted = 0, usual = 0;
    bool unusual_hour = false, unusual_network = false, unusual_recipients = false; ///< of the message under way
};
/// With the message that is under way, which was not observed yet.
[[nodiscard]] trend_judgement judge(const trend_memory& memory, const trend_bounds& bounds,
                                    const trend_message& under_way);

} // namespace postsluice
