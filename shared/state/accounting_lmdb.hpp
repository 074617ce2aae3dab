// SPDX-License-Identifier: Apache-2.0
// The accounting verbs on the `counters` environment, inside one event loop of one thread.
//
// Group commit without locks: the first verb of a turn of the loop begins the write transaction and has its commit done
// at the end of the turn; each verb applies its change at once, and whoever asked waits (committed()); the commit
// handler runs after everything that was ready in this turn and tells all of them its outcome. If a write fails half
// way, the whole turn is rolled back and everybody in it gets the failure. Nothing else may write this environment from
// this thread: it would wait for itself. The store, the clock and the executor's context must outlive it. Record
// layouts: accounting_records.hpp.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/state/accounting.hpp"
#include "shared/state/completion.hpp"
#include "shared/state/ledger.hpp"
#include "shared/state/store.hpp"
#include "shared/state/turn.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>

namespace postsluice::state {

struct accounting_options {
    ledger_options books; ///< lease, known recipients
    seconds refusal_retention{90 * 86400};
};

class accounting_lmdb final : public accounting, public turn {
public:
    accounting_lmdb(store& where, asio::any_io_executor loop, std::string hash_secret, const clock& time,
                    accounting_options options = {});
    /// Rolls back a turn that was not committed (nobody was told that it was).
    ~accounting_lmdb() override;
    accounting_lmdb(const accounting_lmdb&) = delete;
    accounting_lmdb& operator=(const accounting_lmdb&) = delete;

    void commit_by(end_of_turn how) override { end_of_turn_ = std::move(how); }

    result<admit_answer> admit_at_once(const admit_request& request) override;
    result<data_answer> data_at_once(const data_request& request) override;
    result<void> settle_at_once(const transaction_id& id, std::uint64_t connection, std::string_view queue_id,
                                std::uint64_t size) override;
    result<void> abort_at_once(const transaction_id& id, std::uint64_t connection, bool after_data_too) override;
    asio::awaitable<result<void>> committed() override;
    asio::awaitable<result<void>> count_invalid(invalid_request request) override;
    asio::awaitable<result<bool>> take_back(transaction_id id) override;
    asio::awaitable<result<std::string>> record(refusal what, seconds incident) override;
    asio::awaitable<result<std::size_t>> sweep(std::size_t most) override;

    result<std::vector<limit_use>> usage(const counted_limits& limits) override;
    result<std::optional<refusal_event>> explain(std::string_view reference) override;
    /// Those seen last first.
    result<std::vector<account_summary>> accounts(std::size_t most) override;
    /// Newest first; an empty account: all.
    result<std::vector<refusal_event>> refusals(std::string_view account, std::size_t most) override;
    asio::awaitable<result<void>> reset(std::string account) override;

    asio::awaitable<result<void>> write_in_turn(std::function<result<void>(write_txn&)> change) override;
    result<void> read_in_turn(const std::function<void(const read_txn&)>& look) override;

private:
    template <class Answer, class Verb>
    result<Answer> in_turn(Verb&& verb);
    template <class Read>
    auto reading(Read&& read) -> decltype(read(std::declval<const read_txn&>()));
    [[nodiscard]] result<void> begin_turn();
    void commit_turn();
    void break_turn(const failure& why);
    void say_remarks();
    [[nodiscard]] ledger open_ledger();

    result<admit_answer> apply(ledger& books, const admit_request& request);
    result<data_answer> apply(ledger& books, const data_request& request);
    result<void> apply(ledger& books, const invalid_request& request);
    result<void> count_refused(ledger& books, const std::vector<counted_limits>& limits, transaction_record& t,
                               std::uint32_t count);
    result<void> apply_settle(ledger& books, const transaction_id& id, std::uint64_t connection,
                              std::string_view queue_id, std::uint64_t size);
    result<void> apply_abort(ledger& books, const transaction_id& id, std::uint64_t connection, bool after_data_too);
    result<bool> apply_take_back(ledger& books, const transaction_id& id);
    result<std::string> apply_record(ledger& books, const refusal& what, seconds incident);
    result<std::size_t> sweep_leases(ledger& books, std::size_t most);
    result<void> end_lease(ledger& books, const std::string& key);
    result<std::size_t> sweep_refusals(ledger& books, std::size_t most);
    result<std::size_t> sweep_accounts(ledger& books, std::size_t most);

    store& store_;
    asio::any_io_executor loop_;
    end_of_turn end_of_turn_;
    std::string secret_;
    const clock& clock_;
    accounting_options options_;

    std::optional<write_txn> turn_;
    std::vector<completion> waiters_, spare_; // spare_: empty
    std::string scratch_;
    std::vector<remark> remarks_;
    std::string sweep_from_;                                ///< where the round over the accounts goes on
    std::string lease_from_;                                ///< where the round over the transactions goes on
    std::shared_ptr<int> alive_ = std::make_shared<int>(0); ///< a posted commit may come after our end
};

} // namespace postsluice::state
