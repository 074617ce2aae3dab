// SPDX-License-Identifier: Apache-2.0
// clang-format off
// The verbs of policyd's control socket (control.directory/policyd.sock). The operator's command formats them;
// this table is the contract. Requests are {"verb": "...", ...arguments}; every answer has "ok". Times are ISO 8601 in
// UTC, durations and periods are whole seconds, a missing time is null. An argument that is missing or of a wrong type:
// code "malformed"; an unknown reference: "not-found"; state that cannot be used: "unavailable", "timed-out", ...
//
// Objects that occur in several answers:
//   USE     {"limit": "300 recipients per hour", "subject": "recipients per hour", "unit": "recipients","period": 3600,
//            "count": 300 | null (unlimited), "used": 12, "frees": TIME, "frees_in": 0 (seconds until one more fits)}
//   SUBJECT what can be locked: an account, or "domain:example.org", "customer:acme", "client:192.0.2.7",
//            "network:192.0.2.0/24", "sender:alice@example.org", "sender-domain:example.org"
//   LOCK    {"account": SUBJECT, "locked": true|false (now), "kind": "timed"|"permanent"|"manual"|"open",
//            "since": TIME, "until": TIME | null, "cause", "actor", "reference", "automatic_unlocks_used": 0}
//   EVENT   {"kind": "locked"|..., "at": TIME, "cause", "actor", "reference", "until": TIME | null}   (lock_event)
//   STRIKE  {"kind": "spam"|..., "at": TIME, "weight": 1, "reference", "note": who dealt it and why, or empty}
//   REFUSAL {"reference", "reason": "limit"|..., "sentence": what the reason means, "rule", "account",
//            "subject": which limit, sender, lock; "detail": the reply's text,
//            "client", "sender", "recipient", "queue_id" (all of the latest refusal),
//            "observed": true where none was refused, "count": refusals of the incident, "first": TIME, "last": TIME}
//   LIMIT   {"limit", "subject", "unit", "period", "count": number | null}
//   OVERRIDE as LIMIT, and {"set": TIME, "until": TIME | null, "actor", "why"}
//   FROM    {"rule": "own-address"|"own-domain"|"list"|"map"|"any", "entries": [of list, map], "allowed": in words, of an account}
//
// verb            arguments       answer
// status          [accounts=100]  program "postsluice-policyd", version, pid, started: TIME, uptime,
//                                 mode "enforce"|"observe", accounting "end-of-message"|"data"|"recipient",
//                                 on_error "defer"|"dunno", connections {now, total, refused, limit},
//                                 requests {total, rcpt, data, end_of_message, other, violations,
//                                 with_login (of those at RCPT)},
//                                 decisions {"accepted": n, "none": n (none asked for), REASON: n, ...} since start,
//                                 observed {REASON: n, ...} what observe mode would have refused,
//                                 trouble: times on_error was applied, bounced: recipients of delivery feedback,
//                                 tickets {issued, failed},
//                                 hooks [{server_port, policy_context, data, end_of_message}] requests at each stage,
//                                 accounts [{account, profile, last_seen: TIME, locked, use: [USE]}] latest first,
//                                 locks [LOCK] (locked now), notices_waiting,
//                                 state {healthy, counters_fill: 0..1, state_fill: 0..1}
// traffic         -               requests, tickets: as status has them, and at once. The filter asks for these
//                                 (contentfilter/misplacement.hpp)
// why             ref             kind "refusal": refusal: REFUSAL, lock: LOCK | null (where it is locked now);
//                                 kind "lock": lock: LOCK (the reference of a lock in force). Otherwise "not-found":
//                                 then ask contentfilter.sock, which knows the references of messages.
// account list    [most=1000]     accounts [{account, profile, last_seen, locked, use: [USE]}]; locked ones that sent
//                                 nothing lately are listed too, with last_seen null and an empty use
// account show    account         account, entry: name of the [[account]] | null, login | null, profile,
//                                 chosen_by "assign 2 (...)"|"default", from: FROM, observe, observe_rules: [RULE],
//                                 locked, lock: LOCK | null (the account's; or its domain's or customer's, then with
//                                 scope: "the domain example.org"),
//                                 totals: null | {since: TIME, recipients, messages, refused, observed} what it asked
//                                 for since the daemon's start: accepted, refused, would have been refused,
//                                 use: [USE], refusals: [REFUSAL] (20 latest), events: [EVENT] (50 latest first),
//                                 strikes: [STRIKE], overrides: [OVERRIDE], counted_elsewhere: [{limit, subject, unit,
//                                 period, count, under: "client address"|...}] limits whose use depends on the client
//                                 or the sender address
// account history account (SUBJECT), [most=50 of at most 1000]
//                                 account, locked, lock: LOCK | null, events: [EVENT] (latest first),
//                                 strikes: [STRIKE] (latest first)
// account strike  account (SUBJECT), [kind="manual"], [why], [weight=1]
//                                 account, strike: STRIKE, lock: LOCK, events: [EVENT] what it brought about
// account lock    account (SUBJECT), [why], [for: "2 hours"]
//                                 account, lock: LOCK; `why` is the operator's words
// account unlock  account (SUBJECT), [why]
//                                 account, lock: LOCK (kind "open"), was_locked
// account reset   account (SUBJECT)
//                                 account; forgets use, strikes and unlocks, and opens the account; repairs a
//                                 damaged record of its lock
// limit list      [account]       without: profiles [{profile, limits: [LIMIT], from: FROM, observe, observe_rules,
//                                 lock {after: ["5 spam in 10 minutes"], for: seconds, automatic_unlocks}}],
//                                 assigns [{profile, login: [], account: []}];
//                                 with: account, profile, chosen_by, use: [USE], overrides: [OVERRIDE]
// limit set       account, limit: "2000 recipients per day", [for: "3 days"], [why]
//                                 account, overrides: [OVERRIDE]; it takes the place of the profile's limit of the same
//                                 unit, period and scope, for this account, until it ends or is cleared
// limit clear     account, [limit: "recipients per day"; all]   account, cleared: how many, overrides: [OVERRIDE]
// spf check       domain,         domain, results [{address, result "pass"|"fail"|"softfail"|"neutral"|"none"|"temperror"|
//                 [ip], [sender]  "permerror", explanation}] of each of outbound_addresses (of a network: its first and its
//                                 last address), or of `ip` alone; evaluated now, what was remembered is renewed
// refund          ticket          account, refunded: true|false (there is nothing to give: given back before, unknown, or
//                                 older than policyd.lease); the account's trend forgets the message, too. The content
//                                 filter's, before the queue, with a ticket's sealed text: it told the client to come
//                                 again. "denied", "not-found", "malformed": the seal is broken, its key unknown, or it
//                                 is no ticket of a message before the queue
// bounced         queue_id,       counted: how many. Delivery feedback, the content filter's: `account`'s mail, which left as
//                 account,        queue_id, came back from these recipients, who do not exist. They count as invalid
//                 recipients,     recipients, once
//                 [login], [client], [sender]
// reload          -               reloaded: true|false, errors [{file, line, key, text, message}]
// ping            -               program, version, pid
// clang-format on
#pragma once

#include "policyd/control_arguments.hpp"

namespace postsluice::policyd {

class service;

/// One verb: what it answers to `given`, which outlives it; `by` is who asks.
using verb = answer (*)(service& s, control::request_context by, arguments given);
void add_verb(control::server& to, service& what, std::string name, verb run);

answer spf_check(service& s, control::request_context by, arguments given); ///< control_spf.cpp
answer bounced(service& s, control::request_context by, arguments given);   ///< control_bounced.cpp
answer refund(service& s, control::request_context by, arguments given);    ///< control_refund.cpp
void add_account_verbs(control::server& to, service& what);                 ///< control_accounts.cpp
void add_limit_verbs(control::server& to, service& what);                   ///< control_limits.cpp

/// Registers all verbs. `what` outlives the server; handlers run on its event loop.
void add_control_verbs(control::server& to, service& what);

} // namespace postsluice::policyd
