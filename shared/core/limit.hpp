// SPDX-License-Identifier: Apache-2.0
// A limit as configured:
//   "<N|unlimited> <unit> per <message|[K] minute|hour|day|week|month> [per <scope>]
//    [then <defer|reject|hold|warn|lock>] [except to <domains>]"
// Pure data; config/limit_language reads it, core/sliding_window counts it, state/accounting charges it. Two limits of
// the same unit, period and scope are the same limit (an inherited one is replaced).
#pragma once

#include "shared/core/clock.hpp"

#include <cstdint>
#include <iosfwd>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice {

enum class limit_unit : std::uint8_t {
    messages,             ///< transactions that were accepted
    recipients,           ///< accepted RCPT TO
    distinct_recipients,  ///< different addresses in the period
    new_recipients,       ///< addresses the account never wrote to before
    external_recipients,  ///< recipients outside local_domains
    invalid_recipients,   ///< addresses refused at RCPT, by us or by others, and hard bounces where these are known
    bytes,                ///< size of the message, once
    null_sender_messages, ///< MAIL FROM:<>
    client_addresses,     ///< different client addresses in the period
    client_networks,      ///< different client networks (/24, /64)
    sender_addresses,     ///< different reverse-paths
    sender_domains,       ///< different domains of reverse-paths
};
inline constexpr limit_unit last_limit_unit = limit_unit::sender_domains;
[[nodiscard]] std::string_view to_string(limit_unit unit) noexcept;
std::ostream& operator<<(std::ostream& out, limit_unit unit);
/// Is it the number of different things seen in the period?
[[nodiscard]] constexpr bool counts_distinct(limit_unit unit) noexcept {
    return unit == limit_unit::distinct_recipients || unit >= limit_unit::client_addresses;
}

/// Under whose key a limit counts: a parent's limit counts the sum of its children.
enum class limit_scope : std::uint8_t {
    account,
    domain,   ///< the login's domain
    customer, ///< [[customer]]
    client_address,
    client_network, ///< /24, /64
    sender_address,
    sender_domain,
    server,
};
inline constexpr limit_scope last_limit_scope = limit_scope::server;
[[nodiscard]] std::string_view to_string(limit_scope scope) noexcept;
std::ostream& operator<<(std::ostream& out, limit_scope scope);

/// What happens to a request that a limit does not let through.
enum class limit_action : std::uint8_t {
    defer,  ///< 450: the client comes back
    reject, ///< 550
    hold,   ///< accepted, and held in Postfix's hold queue
    warn,   ///< accepted, and logged
    lock,   ///< 450, and the account is locked
};
inline constexpr limit_action last_limit_action = limit_action::lock;
[[nodiscard]] std::string_view to_string(limit_action action) noexcept;
std::ostream& operator<<(std::ostream& out, limit_action action);

struct limit {
    static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t count = unlimited;
    limit_unit unit = limit_unit::recipients;
    seconds period{3600}; ///< 0: per message
    limit_scope scope = limit_scope::account;
    limit_action then = limit_action::defer;
    std::vector<std::string> except_to = {}; ///< recipients' domains that are not counted; lower case, "*.x": below x

    [[nodiscard]] bool same_subject(const limit& other) const noexcept {
        return unit == other.unit && period == other.period && scope == other.scope;
    }
    bool operator==(const limit&) const = default;
};

/// "recipients per hour", "messages per 5 minutes": what a limit is called everywhere, without its number.
[[nodiscard]] std::string subject(const limit& l);
/// "300", "1 GB", "734 MB" (rounded down): an amount of a unit, for people.
[[nodiscard]] std::string say_amount(limit_unit unit, std::uint64_t amount);
/// "300 recipients per hour", "1 GB per day", "unlimited messages per day".
[[nodiscard]] std::string to_string(const limit& l);
std::ostream& operator<<(std::ostream& out, const limit& l);

/// One limit with what is used of it. `frees`: when one more unit fits (now, where it fits already).
struct limit_use {
    limit what;
    std::uint64_t used = 0;
    instant frees{};
};

} // namespace postsluice
