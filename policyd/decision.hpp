// SPDX-License-Identifier: Apache-2.0
// What Postfix is told, as a plain struct, and its form on the wire (SMTPD_POLICY_README, access(5)). to_wire() is pure
// and total. Only these forms ever leave, whatever the fields hold:
//
//     action=DUNNO            action=CODE X.Y.Z TEXT          action=PREPEND NAME: VALUE
//     action=HOLD TEXT        action=WARN TEXT
//
// CODE X.Y.Z come from a closed list; TEXT and VALUE are printable UTF-8 and never empty, TEXT under 400 octets with
// the reference always in it. Postfix would permit on an empty action or one of digits alone; a test shows that no
// input makes one. What cannot be put in its form (a header name that is none) becomes DUNNO.
#pragma once

#include "shared/core/reason.hpp"

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

namespace postsluice::policyd {

enum class decision_kind : std::uint8_t { dunno, reject, prepend, hold, warn };
[[nodiscard]] std::string_view to_string(decision_kind kind) noexcept;
std::ostream& operator<<(std::ostream& out, decision_kind kind);

/// The closed list of reply codes.
enum class refusal_code : std::uint8_t {
    defer_policy,      ///< 450 4.7.1: the client comes back
    reject_policy,     ///< 550 5.7.1: for good
    defer_trouble,     ///< 451 4.3.0: trouble of our own
    recipient_domain,  ///< 550 5.1.2: no such destination
    recipient_syntax,  ///< 550 5.1.3: no address at all
    recipient_null_mx, ///< 556 5.1.10: the destination takes no mail (RFC 7505 section 4.1)
    sender_domain,     ///< 550 5.1.8: the reverse-path's domain does not exist or takes no mail
    sender_null_mx,    ///< 550 5.7.27: it says itself that it takes none (RFC 7505 section 4.2)
    sender_spf,        ///< 550 5.7.23: its SPF record does not permit us (RFC 7372 section 3.2)
};

struct decision {
    decision_kind kind = decision_kind::dunno;
    refusal_code code = refusal_code::defer_policy;
    reason why = reason::none;
    std::string text;      ///< public: what the client sees; of prepend: the header's value
    std::string header;    ///< of prepend: the header's name
    std::string subject;   ///< private: which limit, which sender; what an incident is about
    std::string contact;   ///< where refused senders find help; empty: not said
    std::string reference; ///< empty: not said
    std::string_view rule; ///< private: which rule it comes from (a name of rules.def); the pipeline says it

    [[nodiscard]] bool refuses() const noexcept { return kind == decision_kind::reject; }
    bool operator==(const decision&) const = default;
};
std::ostream& operator<<(std::ostream& out, const decision& d);

[[nodiscard]] decision refuse(refusal_code code, reason why, std::string subject, std::string text);

/// The public sentence: text, contact and reference, under 400 octets, never empty.
[[nodiscard]] std::string public_text(const decision& d);
/// The whole reply with its empty line.
[[nodiscard]] std::string to_wire(const decision& d);
inline constexpr std::string_view dunno_on_wire = "action=DUNNO\n\n";

/// A header value longer than this cannot be prepended: Postfix would break the line.
inline constexpr std::size_t max_prepended = 980;

} // namespace postsluice::policyd
