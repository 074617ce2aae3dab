// SPDX-License-Identifier: Apache-2.0
// The accounting verbs of the policy daemon: one per protocol event, each atomic and idempotent, taking limits by
// value. Abstract: today an LMDB environment inside the event loop (accounting_lmdb), later a store for several hosts,
// which will answer from shares of the limits that it holds; therefore a transaction's id is {server, instance}, and no
// caller may assume LMDB.
//
// Life of a transaction: admit() reserves one recipient (and, with the first, one message) at
// RCPT; data() reconciles with recipient_count; settle() makes the charge final at END-OF-MESSAGE; abort() releases it.
// Before the queue, where there is no queue ID, END-OF-MESSAGE comes before the filter's answer: such a transaction can
// be taken back, once, until its lease ends.
// A lease (renewed by every verb) that ends before DATA releases, after DATA charges; sweep() does that.
//  - Idempotent: key (id, recipient); an accepted recipient repeated is admitted again and charged once; a refused one
//  is decided anew.
//  - An admit() or data() after settle() under the same id begins a new generation.
//  - data() for an unknown id reserves recipient_count and may refuse; what was admitted and recipient_count lacks was
//  refused by others: refunded, and counted as invalid recipients; what recipient_count has beyond admissions and
//  repeats (RCPT TO:<postmaster> never asks) is reserved then, as recipients of our own that are known already. Which
//  recipients others refused is unknown: of each limit as much is refunded as is certain.
//  - All limits of all scopes are checked and charged in one write transaction: N is never exceeded, at any
//  concurrency.
// What is counted with the recipient: recipients, distinct, new, external. With the message, that is with its first
// recipient: messages, bytes as announced, null-sender messages, client and sender addresses, networks, domains. By
// itself: invalid recipients; and bytes at settle(). These two may pass their limit; then the next request is refused.
//  - distinct counts are exact: a set of the limit's size of (hash, last time seen) per key and limit. A refund gives
//  the time before back, where nobody has renewed it since; otherwise it errs to the safe side, for a period at most.
//  - new recipients: an account remembers whom it wrote to (known_recipients.hpp); two transactions to the same new
//  address at a time count it twice. The limit is silent until the account has history enough.
//  - per message: nothing is kept beyond the transaction.
// All verbs that are ready in one turn of the event loop share one commit.
#pragma once

#include "shared/core/limit.hpp"
#include "shared/core/reason.hpp"
#include "shared/core/result.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::state {

namespace asio = boost::asio;

struct transaction_id {
    std::string server; ///< server_address:server_port as the request says
    std::string instance;
    bool operator==(const transaction_id&) const = default;
};

/// Limits, shared by all requests that are made under them: made once, copied by pointer.
class limit_list {
public:
    limit_list()
        : limit_list{std::vector<limit>{}} {}
    limit_list(std::vector<limit> all); // NOLINT(google-explicit-constructor): a list of limits is one
    limit_list(std::initializer_list<limit> all)
        : limit_list{std::vector<limit>{all}} {}
    [[nodiscard]] auto begin() const noexcept { return all_->begin(); }
    [[nodiscard]] auto end() const noexcept { return all_->end(); }
    [[nodiscard]] std::size_t size() const noexcept { return all_->size(); }
    [[nodiscard]] const limit& operator[](std::size_t i) const noexcept { return (*all_)[i]; }
    /// Is there one that counts `unit`?
    [[nodiscard]] bool counts(limit_unit unit) const noexcept {
        return (units_ >> static_cast<unsigned>(unit) & 1U) != 0;
    }

private:
    std::shared_ptr<const std::vector<limit>> all_;
    std::uint32_t units_ = 0;
};

/// The limits that are counted under one key. A parent's limits (domain, customer, ...) are a further element.
struct counted_limits {
    std::string key; ///< "account:alice@example.org", "domain:example.org"
    limit_list limits;
};

/// What a request brings that limits count. A text is needed only where a limit counts it (limit_list::counts); an
/// empty one is not counted, but for `sender`: that is the null sender.
struct counted_facts {
    std::string sender; ///< reverse-path in key form
    std::string client_address, client_network;
    std::string recipient_domain; ///< lower case; for `except to`
    std::uint64_t size = 0;       ///< as announced with SIZE=; 0: not announced
    bool external = false;        ///< the recipient is outside local_domains
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
    counted_facts facts = {};
};
struct admit_answer {
    bool repeated = false;
    /// The limit that does not let it through: of several the one whose action is gravest, then the one that frees
    /// last. Refused and not charged where refuses(what.then) and nobody observes; otherwise charged.
    std::optional<limit_breach> breach;
};
/// Does a breach of a limit with this action refuse the request?
[[nodiscard]] constexpr bool refuses(limit_action action) noexcept {
    return action != limit_action::hold && action != limit_action::warn;
}

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
    counted_facts facts = {};
};

/// A recipient that cannot exist, refused by one of our rules: counted for good, once per (id, recipient).
struct invalid_request {
    transaction_id id;
    std::uint64_t connection = 0;
    std::string recipient; ///< key form
    std::vector<counted_limits> limits;
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

    /// What commits: does what it is given once everything that is ready in this turn of the event loop has run
    /// (net::ready_set::end_of_turn()). Until it is set commits are posted to the loop, which costs a turn more.
    using end_of_turn = std::function<void(std::function<void()>)>;
    virtual void commit_by(end_of_turn) {}

    // ---- The verbs of a mail transaction. Each applies its change at once, without giving way to the event loop, and
    // its answer may be given to anybody only after committed(): most requests pass, and one wait is all they need.
    virtual result<admit_answer> admit_at_once(const admit_request& request) = 0;
    virtual result<data_answer> data_at_once(const data_request& request) = 0;
    /// END-OF-MESSAGE, with the size of the message: bytes that were not announced become a debt, which refuses the
    /// next transaction; what was announced too high is given back. No error for an unknown id.
    virtual result<void> settle_at_once(const transaction_id& id, std::uint64_t connection, std::string_view queue_id,
                                        std::uint64_t size) = 0;
    /// A different instance on the connection, or Postfix closed it: releases what `connection` last spoke for and
    /// nothing else. `after_data_too`: an END-OF-MESSAGE hook is in place, so a DATA without it was aborted.
    virtual result<void> abort_at_once(const transaction_id& id, std::uint64_t connection, bool after_data_too) = 0;
    /// Completes after the commit of what was applied since the event loop last went on, with its outcome. To be
    /// awaited before the caller gives way; what was applied is gone where it fails.
    virtual asio::awaitable<result<void>> committed() = 0;

    /// Counts an invalid recipient under those of `limits` that count them; there is nothing to write where none does.
    virtual asio::awaitable<result<void>> count_invalid(invalid_request request) = 0;
    /// The filter told the client to come again: gives back all that the transaction was charged with, and forgets it.
    /// False where there is nothing to give: it is unknown, was given back, was queued (it has a queue ID), had no
    /// DATA, or was charged for good at RCPT.
    virtual asio::awaitable<result<bool>> take_back(transaction_id id) = 0;
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
