// SPDX-License-Identifier: Apache-2.0
// The turn, and the verbs of a mail transaction. Queries: accounting_queries.cpp; refusals and sweeping:
// accounting_sweep.cpp.
#include "shared/state/accounting_lmdb.hpp"

#include "shared/log/log.hpp"
#include "shared/state/accounting_turn.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace postsluice::state {
namespace {

// What would break the records' bounds is refused before anything is written.
result<void> check_bounds(const std::vector<counted_limits>& limits, const transaction_record* known) {
    std::size_t lines = known != nullptr ? known->lines.size() : 0;
    for (auto at = limits.begin(); at != limits.end(); ++at) {
        lines += at->limits.size();
        if (at->limits.size() > max_limits) return failure{errc::too_large, "too many limits of " + at->key};
        if (std::any_of(limits.begin(), at, [&](const auto& other) { return other.key == at->key; })) {
            return failure{errc::malformed, "limits of " + at->key + " are given twice"};
        }
    }
    if (lines > max_charge_lines || (known != nullptr && known->accounts.size() + limits.size() > max_charge_lines))
        return failure{errc::too_large, "too many limits of one transaction"};
    if (known != nullptr && known->hashes.size() / 8 >= max_recipients) {
        return failure{errc::too_large, "too many recipients of one transaction"};
    }
    return {};
}

// What was charged so far stays charged; what comes now is counted anew. smtpd goes on counting recipients.
void begin_generation(transaction_record& t) {
    transaction_record fresh;
    fresh.account = std::move(t.account);
    fresh.generation = t.generation + 1;
    fresh.earlier_count = t.data_count != 0 ? t.data_count : t.earlier_count + t.charged();
    t = std::move(fresh);
}

} // namespace

accounting_lmdb::accounting_lmdb(store& where, asio::any_io_executor loop, std::string hash_secret, const clock& time,
                                 accounting_options options)
    : store_{where}
    , loop_{std::move(loop)}
    , secret_{std::move(hash_secret)}
    , clock_{time}
    , options_{options} {}

accounting_lmdb::~accounting_lmdb() {
    turn_.reset();
    alive_.reset();
    const auto unanswered = std::exchange(waiters_, {}); // their coroutines may call back while they end
}

result<void> accounting_lmdb::begin_turn() {
    if (turn_) return {};
    auto txn = store_.write();
    if (!txn) return txn.error();
    turn_.emplace(std::move(*txn));
    asio::post(loop_, [this, alive = std::weak_ptr{alive_}] {
        if (!alive.expired()) commit_turn();
    });
    return {};
}

void accounting_lmdb::commit_turn() {
    if (!turn_) return; // it broke, and nothing came after it
    const auto outcome = turn_->commit();
    turn_.reset();
    auto waiters = std::exchange(waiters_, {}); // those who go on now may begin the next turn
    say_remarks();
    for (auto& w : waiters)
        w.dispatch(outcome);
}

void accounting_lmdb::break_turn(const failure& why) {
    turn_.reset();
    for (auto& w : std::exchange(waiters_, {}))
        w.post(why);
}

void accounting_lmdb::say_remarks() {
    for (const auto& r : std::exchange(remarks_, {}))
        log::warning(r.event).kv("subject", r.subject);
}

asio::awaitable<result<void>> accounting_lmdb::committed() {
    auto start = [this](auto handler) { waiters_.emplace_back(std::move(handler), loop_); };
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(result<void>)>(start,
                                                                                               asio::use_awaitable);
}

ledger accounting_lmdb::open_ledger() {
    return {*turn_, secret_, clock_.now(), options_.lease, remarks_};
}

asio::awaitable<result<admit_answer>> accounting_lmdb::admit(admit_request request) {
    const auto answer = in_turn<admit_answer>([&](ledger& books) { return apply(books, request); });
    if (!answer) co_return answer.error();
    const auto safe = co_await committed();
    if (!safe) co_return safe.error();
    co_return answer;
}

asio::awaitable<result<data_answer>> accounting_lmdb::data(data_request request) {
    const auto answer = in_turn<data_answer>([&](ledger& books) { return apply(books, request); });
    if (!answer) co_return answer.error();
    const auto safe = co_await committed();
    if (!safe) co_return safe.error();
    co_return answer;
}

asio::awaitable<result<void>> accounting_lmdb::settle(transaction_id id, std::uint64_t connection, std::string queue_id,
                                                      std::uint64_t) {
    const auto done = in_turn<void>([&](ledger& books) { return apply_settle(books, id, connection, queue_id); });
    if (!done) co_return done.error();
    co_return co_await committed();
}

asio::awaitable<result<void>> accounting_lmdb::abort(transaction_id id, std::uint64_t connection, bool after_data_too) {
    const auto done = in_turn<void>([&](ledger& books) { return apply_abort(books, id, connection, after_data_too); });
    if (!done) co_return done.error();
    co_return co_await committed();
}

asio::awaitable<result<void>> accounting_lmdb::reset(std::string account) {
    const auto key = account_key(secret_, std::string{account_prefix} + account);
    const auto done = in_turn<void>([&](ledger& books) { return books.txn().erase(key); });
    if (!done) co_return done.error();
    co_return co_await committed();
}

result<admit_answer> accounting_lmdb::apply(ledger& books, const admit_request& request) {
    const auto key = books.transaction_key(request.id);
    auto known = books.load(key);
    if (auto fits = check_bounds(request.limits, known ? &*known : nullptr); !fits) return fits.error();
    const bool fresh = !known;
    auto& t = fresh ? known.emplace() : *known;
    if (t.settled) begin_generation(t);
    t.account = request.account;
    t.connection = request.connection;
    t.final_charge = request.final_at_once;
    t.data_seen = false; // the client goes on before END-OF-MESSAGE; DATA comes again
    admit_answer answer;
    const auto hash = hashed_key('-', secret_, {request.recipient}).substr(1, 8);
    if (t.knows(hash)) {
        answer.repeated = true;
        ++t.repeats;
        if (auto saved = books.save(key, t, fresh); !saved) return saved.error();
        return answer;
    }
    auto accounts = books.open(request.limits);
    const units cost{1, t.message_charged ? 0U : 1U};
    answer.breach = books.check(accounts, request.limits, cost);
    if (answer.breach && !request.observe) {
        if (!fresh) { // who speaks last owns it, also where he is refused
            if (auto saved = books.save(key, t, false); !saved) return saved.error();
        }
        return answer;
    }
    if (auto charged = books.charge_to(accounts, t, cost); !charged) return charged.error();
    t.hashes += hash;
    if (auto saved = books.save(key, t, fresh); !saved) return saved.error();
    return answer;
}

result<data_answer> accounting_lmdb::apply(ledger& books, const data_request& request) {
    const auto key = books.transaction_key(request.id);
    auto known = books.load(key);
    if (auto fits = check_bounds(request.limits, known ? &*known : nullptr); !fits) return fits.error();
    const bool fresh = !known;
    auto& t = fresh ? known.emplace() : *known;
    const bool repeated = t.data_seen && t.queue_id == request.queue_id && t.data_count == request.recipient_count &&
                          (!t.settled || t.settled_by_data);
    if (t.settled && !repeated) begin_generation(t);
    t.account = request.account;
    t.connection = request.connection;
    t.final_charge = request.final_at_once;
    data_answer answer{t.charged(), repeated ? t.refunded : 0, {}};
    if (repeated) {
        if (auto saved = books.save(key, t, false); !saved) return saved.error();
        return answer;
    }
    const auto reported = request.recipient_count;
    const auto here = reported > t.earlier_count ? reported - t.earlier_count : reported;
    const auto explained = answer.charged + t.repeats;
    const auto missing = here > explained ? here - explained : 0;
    // A count of nothing is a count that the client did not send.
    answer.refunded = here != 0 && here < answer.charged && !request.final_at_once ? answer.charged - here : 0;

    auto accounts = books.open(request.limits);
    const units cost{missing, t.message_charged ? 0U : 1U};
    answer.breach = books.check(accounts, request.limits, cost);
    if (answer.breach && !request.observe) {
        answer.refunded = 0;
        if (!fresh) {
            if (auto saved = books.save(key, t, false); !saved) return saved.error();
        }
        return answer;
    }
    if (cost.recipients != 0 || cost.messages != 0) {
        if (auto charged = books.charge_to(accounts, t, cost); !charged) return charged.error();
    }
    if (answer.refunded != 0) {
        if (auto back = books.refund(t, answer.refunded); !back) return back.error();
        // Which ones were refused by others is unknown: if one of them comes again, it is charged again.
        t.hashes.clear();
        t.repeats = 0;
    }
    t.data_seen = true;
    t.queue_id = request.queue_id;
    t.data_count = reported;
    t.refunded = answer.refunded;
    t.settled = t.settled_by_data = request.settles;
    answer.charged = t.charged();
    if (auto saved = books.save(key, t, fresh); !saved) return saved.error();
    return answer;
}

result<void> accounting_lmdb::apply_settle(ledger& books, const transaction_id& id, std::uint64_t connection,
                                           const std::string& queue_id) {
    const auto key = books.transaction_key(id);
    auto t = books.load(key);
    if (!t) return {};
    t->connection = connection;
    t->queue_id = queue_id;
    t->settled = true;
    t->settled_by_data = false;
    return books.save(key, *t, false);
}

result<void> accounting_lmdb::apply_abort(ledger& books, const transaction_id& id, std::uint64_t connection,
                                          bool after_data_too) {
    const auto key = books.transaction_key(id);
    auto t = books.load(key);
    if (!t || t->connection != connection || t->settled || t->final_charge) return {};
    if (t->data_seen && !after_data_too) return {};
    if (auto back = books.refund(*t, t->charged()); !back) return back;
    return books.txn().erase(key);
}

} // namespace postsluice::state
