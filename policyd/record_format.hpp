// SPDX-License-Identifier: Apache-2.0
// The lines of policyd.record: what recorder writes and a simulation reads. Pure. One request a line:
//
//     2026-11-21T10:15:30.123Z RCPT connection=17 server_address=192.0.2.1 server_port=587 instance=1f.2a.0 ...
//
// a time in UTC, the protocol_state (or CLOSE: Postfix closed the connection), then NAME=VALUE in Postfix's own names,
// without those that are empty; `answer` is the action's first word. In values, octets up to blank, '%' and DEL are
// written %XX; all others are as Postfix sent them. Names that are not known are skipped: a later version may add some.
#pragma once

#include "policyd/decision.hpp"
#include "policyd/request.hpp"
#include "shared/core/clock.hpp"

#include <string>

namespace postsluice::policyd {

/// A request that owns its text.
struct recorded {
    instant at{};
    bool close = false; ///< Postfix closed the connection: nothing else but `connection` counts
    std::uint64_t connection = 0;
    stage protocol_state = stage::other;
    std::string client_address, server_address, server_port, sender, recipient, queue_id, instance, sasl_username,
        policy_context, ccert_fingerprint, ccert_pubkey_fingerprint;
    std::uint32_t recipient_count = 0;
    std::uint64_t size = 0;
    std::string answer; ///< the action's first word: "DUNNO", "450", "PREPEND", ...

    /// Did we refuse it then?
    [[nodiscard]] bool refused() const noexcept { return answer.starts_with('4') || answer.starts_with('5'); }
    /// Views into this.
    [[nodiscard]] request view() const noexcept;
};

void append_answered(std::string& to, const request& what, std::uint64_t connection, instant at, const decision& said);
void append_closed(std::string& to, std::uint64_t connection, instant at);
/// A line without its end. errc::malformed: no line of ours (one that was cut by a crash, say).
[[nodiscard]] result<recorded> read_record_line(std::string_view line);

} // namespace postsluice::policyd
