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
//            "held": true where it is held for review, "release_at": TIME | null: when it is released by itself,
//            "releasing": true while a release is under way}
//   KEY     {"domain", "selector", "algorithm": "rsa-sha256"|"ed25519-sha256"}
//   DKIM    KEY, and {"role": "current"|"next"|"retired", "bits", "file", "source": "directory"|"KeyTable:LINE",
//            "signs_for": [""] (patterns of authors), "since": TIME (retired), "needed_until": TIME (retired: its
//            record), "name": of the record (empty for a wildcard's), "published":
//            "unknown"|"good"|"testing"|"absent"|"revoked"| "different"|"unreadable", "usable": receivers can verify,
//            "asked": TIME, "answered": TIME, "differences": [""], "trouble": of the last question or ""}
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
//                                            capabilities: [""], reached: TIME | null, error: last one or ""},
//                                            next_hops [the same of all endpoints, the default one first] keys [KEY],
//                                            key_errors [""] quarantine {entries, octets, limit, max_entries} stuck,
//                                            learned: as "learn status" says, where anything can be learned
//                                            state {healthy, filter_fill: 0..1, state_fill: 0..1}
// why                 ref                    kind "message": event: EVENT, quarantined: ENTRY | null
// quarantine list     [account] [sender] [recipient] (names or globs; "@domain"), [subject] (a part of it), [symbol],
//                     [reason], [held: true|false], [since: TIME], [until: TIME], [after: a page's next],
//                     [most=100, at most 1000]
//                                            entries [ENTRY] newest first; next: where the next page begins, "" after
//                                            the last one (a page may hold few entries, or none, and have a next one);
//                                            total: how many there are in quarantine
// quarantine show     id                     entry: ENTRY, header (its first 16 KiB, made printable), file (path of the
//                                            message as received)
// quarantine release  id, [recipients: [""], of the entry's; all], [redirect: an address in their place],
//                     [keep=false: leaves the entry as it is], [learn="ham"; bayes.learn_released where it is missing
//                     and no redirect is there], [force=false: also what is kept for a virus]
//                                            learned: the lesson's outcome, "" where there was none, "failed"; id,
//                                            delivered [""], remaining [{recipient, reply}], kept: recipients that are
//                                            still in quarantine, complete: true|false, false where somebody did not
//                                            get it who should. Signed and handed to the next hop, not scanned again.
//                                            Nothing delivered at all: {"ok": false}. What is kept for a virus:
//                                            denied without force, and never learned as ham
// quarantine delete   id, [learn="spam"]     id, learned. What cannot be learned is not deleted.
// quarantine keep     id                     id. Takes its timer off: it is released only by hand.
// whois               token                  account, from: TIME, until: TIME | null: when the account had this
//                                            pseudonym; events [EVENT], its last ones
// message test        content (base64, at most 16 MiB), [account="-"], [sender], [recipients: [""]], [client: address]
//                                            account, profile, settings [{name, only_stricter: true|false}] that
//                                            matched, the one of the highest priority first, verdict, reason, score,
//                                            observed, findings [FINDING] highest first, thresholds {tag, hold,
//                                            reject}, keys [KEY] that would sign, sign "signed"|why not, sign_sentence,
//                                            size. Nothing is delivered, counted or recorded.
// fingerprint add     content (as above), [why]
//                                            id, fingerprints ["text", "layout part 1.2", "file 1.3 (list.pdf)"]. None:
//                                            unsupported; fingerprints.max_known there: too-large
// fingerprint list    -                      messages [{id, added: TIME, actor, why, subject, fingerprints [""]}], the
//                                            newest first
// fingerprint delete  id                     id
// learn               as "spam"|"ham"|"nothing" (what it taught is taken back), messages [base64], at most 1000
//                                            outcomes ["learned"|"moved": it was the other class|"known": learned
//                                            before|"forgotten"|"unknown": never learned|"empty": no words], one a
//                                            message, in their order
// learn status        -                      spam, ham: messages, as they count now; tokens, remembered: messages;
//                                            min_spam, min_ham, speaks: true where the check says something,
//                                            max_tokens, max_learned, half_life (seconds; 0: nothing fades)
// dkim list           [domain]               keys [DKIM], key_errors [""]. Files are looked at first. A domain: the
// keys
//                                            that concern its mail; none: not-found
// dkim record         domain, [selector]     records [KEY, role, name, value, zone: for BIND]
// dkim verify         [domain], [selector]   asks the DNS, 20 s at most: keys [DKIM, expected, published_record].
// Without
//                                            a domain all keys, those of wildcards as far as they were used
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
