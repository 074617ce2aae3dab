// SPDX-License-Identifier: Apache-2.0
// The verbs of contentfilter's control socket (control.directory/contentfilter.sock). The operator's command formats
// them for people; this table is the contract. Requests are {"verb": "...", ...arguments}, at most max_request_bytes
// long; every answer has "ok". Times are ISO 8601 in UTC, sizes octets, a missing time is null. An argument that is
// missing or of the wrong type: code "malformed"; an unknown reference or id: "not-found"; state that cannot be used:
// "unavailable", "timed-out", ...
//
// Objects that occur in several answers:
//   FINDING {"symbol", "score": 3.5, "group", "evidence", "action":
//   "none"|"tag"|"hold"|"quarantine"|"reject"|"discard",
//            "reason": "virus"|..., "temperror": false}
//   EVENT   {"reference", "at": TIME, "account", "sender", "recipients": [""], "queue_id", "message_id", "verdict":
//   "reject"|...,
//            "reason", "sentence": what the reason means, "findings": ["SYMBOL(score) evidence"], "observed": true
//            where nothing was done}
//   ENTRY   {"id": the reference in reply and log, "at": TIME, "account", "sender", "recipients": [""], "subject",
//   "reason",
//            "sentence", "findings": [""], "size", "queue_id", "digest": SHA-256 of the message as received,
//            "releasing": true while a release is under way}
//   KEY     {"domain", "selector", "algorithm": "rsa-sha256"|"ed25519-sha256"}
//
// verb                arguments              answer
// status              -                      program "postsluice-contentfilter", version, pid, started: TIME, uptime
// (seconds),
//                                            mode "enforce"|"observe", connections {now, total, refused, limit}
//                                            messages {total, octets, in_progress, aborted, no_ticket, tempfailed: own
//                                            trouble} verdicts {"pass": n, "tag", "tempfail", "hold", "quarantine",
//                                            "reject", "discard"} observed {same names} what observe mode would have
//                                            done reasons {REASON: n} of all verdicts but clean passes unsigned
//                                            {"no-key"|"already-signed"|...: n}, signed: n next_hop {address,
//                                            capabilities: [""], reached: TIME | null, error: last one or ""} keys
//                                            [KEY], key_errors [""] quarantine {entries, octets, limit} stuck, state
//                                            {healthy, filter_fill: 0..1, state_fill: 0..1}
// why                 ref                    kind "message": event: EVENT, quarantined: ENTRY | null
// quarantine list     [account] [most=100]   entries [ENTRY] newest first; total: how many there are over all accounts
// quarantine show     id                     entry: ENTRY, header (its first 16 KiB, made printable), file (path of the
// message as
//                                            received)
// quarantine release  id                     id, delivered [""], remaining [{recipient, reply}], complete: true|false.
// Signed and
//                                            handed to the next hop, not scanned again. The entry keeps what was not
//                                            delivered. Nothing delivered at all: {"ok": false}
// quarantine delete   id                     id
// message test        content (base64, at most 16 MiB), [account="-"], [sender], [recipients: [""]]
//                                            account, profile, verdict, reason, score, observed, findings [FINDING]
//                                            highest first, thresholds {tag, hold, reject}, keys [KEY] that would sign,
//                                            sign "signed"|why not, size. Nothing is delivered, counted or recorded.
// reload              -                      reloaded: true|false, errors [{file, line, key, text, message}],
//                                            key_errors [""] of DKIM keys that could not be loaded (the others are in
//                                            force)
// ping                -                      program, version, pid
#pragma once

#include "shared/control/control.hpp"

namespace postsluice::contentfilter {

class server;
class service;

/// 16 MiB of message in base64, and the rest of the request.
inline constexpr std::size_t max_request_bytes = (std::size_t{16} << 20U) / 3 * 4 + (std::size_t{64} << 10U);

/// Registers all verbs. `what` and `connections` outlive the control server.
void add_control_verbs(control::server& to, service& what, const server& connections);

} // namespace postsluice::contentfilter
