// SPDX-License-Identifier: Apache-2.0
// The bookkeeping of accounting_lmdb inside one write transaction: accounts are loaded, checked, charged and refunded
// here; the order of events of a transaction is the verbs' matter. A ledger lives for one verb. Remarks for the log are
// collected, since nobody writes to a log while he holds the writer mutex.
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

/// An account record with those of its windows that the request names, in the request's order.
struct open_account {
    std::string db_key;
    account_record record;
    std::vector<std::size_t> named; ///< indices into record.windows, one for each limit
};

struct units {
    std::uint32_t recipients = 0, messages = 0;
    [[nodiscard]] std::uint32_t of(limit_unit unit) const noexcept {
        return unit == limit_unit::messages ? messages : recipients;
    }
};

class ledger {
public:
    ledger(write_txn& txn, std::string_view secret, instant now, seconds lease, std::vector<remark>& remarks)
        : txn_{txn}
        , secret_{secret}
        , now_{now}
        , lease_{lease}
        , remarks_{remarks} {}

    [[nodiscard]] instant now() const noexcept { return now_; }
    [[nodiscard]] write_txn& txn() const noexcept { return txn_; }

    [[nodiscard]] std::string transaction_key(const transaction_id& id) const;
    [[nodiscard]] std::optional<transaction_record> load(const std::string& key);
    /// With a new lease; `fresh`: it was not stored before and needs its place in the order of leases.
    [[nodiscard]] result<void> save(const std::string& key, transaction_record& t, bool fresh);

    [[nodiscard]] std::vector<open_account> open(const std::vector<counted_limits>& limits);
    /// The limit that `cost` would break, of several the one that frees last.
    [[nodiscard]] std::optional<limit_breach> check(std::vector<open_account>& accounts,
                                                    const std::vector<counted_limits>& limits, const units& cost) const;
    /// Charges and stores the accounts, and notes in `t` where the charge went.
    [[nodiscard]] result<void> charge_to(std::vector<open_account>& accounts, transaction_record& t, const units& cost);
    /// Takes back `count` recipients, the oldest first (which ones were refused by others is unknown, and what stays
    /// longer in the window errs to the safe side), and the message with the last one.
    [[nodiscard]] result<void> refund(transaction_record& t, std::uint32_t count);

    /// Counts from the future are pulled back to now, and stored so.
    [[nodiscard]] account_record load_account(const std::string& db_key, std::string_view key);

private:
    void clamp(const std::string& db_key, account_record& record);
    [[nodiscard]] result<void> give_back(const transaction_record& t, const std::vector<charge>& charges);

    write_txn& txn_;
    std::string_view secret_;
    instant now_;
    seconds lease_;
    std::vector<remark>& remarks_;
};

[[nodiscard]] std::string account_key(std::string_view secret, std::string_view key);
[[nodiscard]] limit_use use_of(const counted_window& w, instant now);

} // namespace postsluice::state
