// SPDX-License-Identifier: Apache-2.0
// The bookkeeping of accounting_lmdb inside one write transaction: accounts are loaded, checked, charged and refunded
// here; the order of events of a transaction is the verbs' matter. A ledger lives for one verb. Remarks for the log are
// collected, since nobody writes to a log while he holds the writer mutex. ledger.cpp: accounts and windows;
// ledger_units.cpp: what a request costs under a limit; ledger_transaction.cpp: transactions, refunds, settlement.
#pragma once

#include "shared/state/accounting_records.hpp"
#include "shared/state/store.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postsluice::state {

/// What the log is to say once the transaction has ended.
struct remark {
    std::string event, subject;
};

struct ledger_options {
    seconds lease{600};
    seconds new_recipients_after{14 * 86400};
    std::size_t known_recipients = 50'000;
};

/// Key of a transaction_record.
struct transaction_key {
    std::array<char, 25> octets{};
    operator std::string_view() const noexcept { // NOLINT(google-explicit-constructor): a key is octets
        return {octets.data(), octets.size()};
    }
};

/// An account record with those of its windows that the request's limits name.
struct open_account {
    static constexpr std::uint8_t no_window = 0xff; ///< per message
    record_key key{};
    const counted_limits* under = nullptr;
    account_record record;
    boost::container::small_vector<std::uint8_t, 8> named; ///< index into record.windows, for each limit
};
/// The first one is the account itself; the others its parents.
using open_accounts = boost::container::small_vector<open_account, 2>;

/// What a request would be charged with.
struct units {
    std::uint32_t recipients = 0; ///< asked about: 0 or 1
    std::uint32_t unasked = 0;    ///< recipients that DATA counts and RCPT never asked about
    std::uint32_t messages = 0;
    std::uint32_t invalid = 0;
    const counted_facts* facts = nullptr;
    std::uint64_t recipient = 0; ///< its hash
    bool fresh = false;          ///< the account never wrote to it
    [[nodiscard]] std::uint64_t under(const limit& l) const noexcept;
    [[nodiscard]] bool asks() const noexcept { return recipients + unasked + messages != 0; }
};

class ledger {
public:
    ledger(write_txn& txn, std::string_view secret, instant now, const ledger_options& options,
           std::vector<remark>& remarks, std::string& scratch)
        : txn_{txn}
        , secret_{secret}
        , now_{now}
        , options_{options}
        , remarks_{remarks}
        , scratch_{scratch} {}

    [[nodiscard]] instant now() const noexcept { return now_; }
    [[nodiscard]] write_txn& txn() const noexcept { return txn_; }
    [[nodiscard]] std::uint64_t hash_of(std::string_view text) const;

    [[nodiscard]] transaction_key key_of(const transaction_id& id) const;
    [[nodiscard]] std::optional<transaction_record> load(std::string_view key);
    /// With a new lease.
    [[nodiscard]] result<void> save(std::string_view key, transaction_record& t);

    [[nodiscard]] open_accounts open(const std::vector<counted_limits>& limits);
    /// Does a limit ask whether a recipient is new?
    [[nodiscard]] static bool asks_for_new(const std::vector<counted_limits>& limits) noexcept;
    [[nodiscard]] bool is_new(const open_accounts& accounts, std::uint64_t recipient) const;
    /// The limit that `cost` would break; of several the gravest (limit_breach).
    [[nodiscard]] std::optional<limit_breach> check(const open_accounts& accounts, const transaction_record& t,
                                                    const units& cost) const;
    /// A limit whose action is hold and that is used up: the answer to a repeated request of a held message.
    [[nodiscard]] std::optional<limit_breach> held_by(const open_accounts& accounts, const transaction_record& t) const;
    /// Charges and stores the accounts, and notes in `t` where the charge went.
    [[nodiscard]] result<void> charge_to(open_accounts& accounts, transaction_record& t, const units& cost);
    /// Takes back `count` recipients: of each window what is certain, whichever they were, the oldest first (what stays
    /// longer in the window errs to the safe side); everything with the last one.
    [[nodiscard]] result<void> refund(transaction_record& t, std::uint32_t count);
    /// Bytes as they were; recipients are remembered; what a settled transaction needs no more goes. Before the queue
    /// what take_back() needs stays: keys and lines, and of the recipients those that were new.
    [[nodiscard]] result<void> settle(transaction_record& t, std::optional<std::uint64_t> size);
    /// All that a transaction was charged with, settled or not; of its recipients those that it made known are new
    /// again.
    [[nodiscard]] result<void> take_back(transaction_record& t);

    /// Counts from the future are pulled back to now, and stored so.
    [[nodiscard]] account_record load_account(const record_key& db_key, std::string_view name);
    /// Forgets the account, its sets and its known recipients.
    [[nodiscard]] result<void> forget(const record_key& db_key);

private:
    void clamp(const record_key& db_key, account_record& record, std::string_view name);
    [[nodiscard]] result<void> put_account(const record_key& db_key, const account_record& record,
                                           std::string_view name);
    void name_windows(open_account& a);
    [[nodiscard]] distinct_set load_set(const record_key& account, std::uint64_t born, limit_unit unit,
                                        seconds period) const;
    [[nodiscard]] bool value_of(limit_unit unit, const units& cost, std::uint64_t& hash) const;
    [[nodiscard]] bool silent(const limit& l, const open_accounts& accounts) const noexcept;
    [[nodiscard]] std::optional<limit_breach> check_window(const open_account& a, std::size_t i,
                                                           const units& cost) const;
    [[nodiscard]] std::optional<limit_breach> check_distinct(const open_account& a, const limit& l,
                                                             const units& cost) const;
    [[nodiscard]] result<void> charge_account(open_account& a, transaction_record& t, const units& cost);
    [[nodiscard]] result<void> see(const open_account& a, std::uint8_t key, const limit& l, transaction_record& t,
                                   const units& cost);
    [[nodiscard]] result<void> give_back(const transaction_record& t, std::span<const charge_line> lines);
    [[nodiscard]] result<void> unsee(const transaction_record& t);
    [[nodiscard]] result<void> settle_bytes(transaction_record& t, std::uint64_t size);
    [[nodiscard]] result<void> learn_recipients(transaction_record& t);

    write_txn& txn_;
    std::string_view secret_;
    instant now_;
    const ledger_options& options_;
    std::vector<remark>& remarks_;
    std::string& scratch_; // for what is encoded; its memory lasts from verb to verb
};

/// Whose action is graver, and of equal ones that which frees later.
void keep_graver(std::optional<limit_breach>& worst, std::optional<limit_breach> other);
[[nodiscard]] record_key account_key(std::string_view secret, std::string_view key);
[[nodiscard]] inline std::string_view view(const record_key& key) noexcept {
    return {key.data(), key.size()};
}
/// One limit's use in a record; `set`: of a distinct count.
[[nodiscard]] limit_use use_of(const limit& what, const stored_window* w, const distinct_set* set, instant now);
/// The same, read from the environment.
[[nodiscard]] limit_use read_use(const read_txn& txn, const record_key& key, const account_record* record,
                                 const limit& what, instant now);

} // namespace postsluice::state
