// SPDX-License-Identifier: Apache-2.0
// The accounting verbs of the policy daemon: one per protocol event, each atomic and idempotent, taking limits by
// value. Abstract: today an LMDB environment inside the event loop (accounting_lmdb), later a networked store for
// several hosts; therefore the verbs are awaitable, a transaction's id is {server, instance}, and no caller may assume
// LMDB.
//
// Life of a transaction (policyd.md section 3): admit() reserves one recipient (and, with the first, one message) at
// RCPT; data() reconciles with recipient_count; settle() makes the charge final at END-OF-MESSAGE; abort() releases it.
// A lease (renewed by every verb) that ends before DATA releases, after DATA charges; sweep() does that.
//  - Idempotent: key (id, recipient); an accepted recipient repeated is admitted again and charged once; a refused one
//  is decided anew.
//  - An admit() or data() after settle() under the same id begins a new generation.
//  - data() for an unknown id reserves recipient_count and may refuse; what was admitted and recipient_count lacks was
//  refused by
//    others: refunded; what recipient_count has beyond admissions and repeats (RCPT TO:<postmaster> never asks) is
//    reserved then.
//  - All limits of all scopes are checked and charged in one write transaction: N is never exceeded, at any
//  concurrency.
// All verbs that are ready in one turn of the event loop share one commit; each completes after that commit.
#pragma once

#include "shared/core/limit.hpp"
#include "shared/core/reason.hpp"
#include "shared/core/result.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::state {

namespace asio = boost::asio;

struct transaction_id {
    std::string server; ///< server_address:server_port as the request says
    std::string instance;
    bool operator==(const transaction_id&) const = default;
};

/// The limits that are counted under one key. A parent's limit (later: domain, customer) is a further element.
struct counted_limits {
    std::string key; ///< "account:alice@example.org"
    std::vector<limit> limits;
};

struct limit_breach {
    std::string key;
    limit what;
    std::uint64_t used = 0;
    instant frees{};
};

struct admit_request {
    transaction_id id;
    std::uint64_t connection = 0; ///< number of the policy connection; who speaks last owns the transaction
    std::string account;
    std::string recipient; ///< key form
    std::vector<counted_limits> limits;
    bool observe = false;       ///< charge although a limit is reached (the breach is still reported)
    bool final_at_once = false; ///< accounting = "recipient": charged for good
};
struct admit_answer {
    bool repeated = false;
    std::optional<limit_breach> breach; ///< set: refused (or would have been, when observing)
};

struct data_request {
    transaction_id id;
    std::uint64_t connection = 0;
    std::string account;
    std::string queue_id;
    std::uint32_t recipient_count = 0;
    std::vector<counted_limits> limits;
    bool observe = false;
    bool settles = false; ///< no END-OF-MESSAGE hook: final at once
    bool final_at_once = false;
};
struct data_answer {
    std::uint32_t charged = 0;  ///< recipients this transaction is charged with now
    std::uint32_t refunded = 0; ///< refused by others after we admitted them
    std::optional<limit_breach> breach;
};

/// A refusal to be explained later; refusals of one account, reason and subject within `incident` share a reference.
struct refusal {
    std::string account;
    reason why = reason::limit;
    std::string rule;                                ///< of policyd's rules, which one
    std::string subject;                             ///< limit subject, sender address, ...
    std::string detail;                              ///< the reply's text
    std::string client, sender, recipient, queue_id; ///< of the latest
    bool observed = false;                           ///< observe mode: it was not refused
};
struct refusal_event {
    refusal what;
    std::string reference;
    instant first{}, last{};
    std::uint64_t count = 0;
};

struct account_summary {
    std::string account;
    instant last_seen{};
    std::vector<limit_use> use; ///< of the limits it was last charged under
};

class accounting {
public:
    virtual ~accounting() = default;
    virtual asio::awaitable<result<admit_answer>> admit(admit_request request) = 0;
    virtual asio::awaitable<result<data_answer>> data(data_request request) = 0;
    /// END-OF-MESSAGE. No error for an unknown id.
    virtual asio::awaitable<result<void>> settle(transaction_id id, std::uint64_t connection, std::string queue_id,
                                                 std::uint64_t size) = 0;
    /// A different instance on the connection, or Postfix closed it: releases what `connection` last spoke for and
    /// nothing else. `after_data_too`: an END-OF-MESSAGE hook is in place, so a DATA without it was aborted.
    virtual asio::awaitable<result<void>> abort(transaction_id id, std::uint64_t connection, bool after_data_too) = 0;
    /// Counts and stores; the reference is new where the incident is.
    virtual asio::awaitable<result<std::string>> record(refusal what, seconds incident) = 0;
    /// Leases that ended, windows and events past their time; at most `most` records a call.
    virtual asio::awaitable<result<std::size_t>> sweep(std::size_t most) = 0;

    virtual result<std::vector<limit_use>> usage(const counted_limits& limits) = 0;
    virtual result<std::optional<refusal_event>> explain(std::string_view reference) = 0;
    virtual result<std::vector<account_summary>> accounts(std::size_t most) = 0;
    virtual result<std::vector<refusal_event>> refusals(std::string_view account, std::size_t most) = 0;
    /// Forgets an account's use (an operator's reset).
    virtual asio::awaitable<result<void>> reset(std::string account) = 0;
};

} // namespace postsluice::state
