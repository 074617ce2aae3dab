// SPDX-License-Identifier: Apache-2.0
// The turn, and the verbs of a mail transaction. Queries: accounting_queries.cpp; refusals and sweeping:
// accounting_sweep.cpp.
#include "shared/state/accounting_lmdb.hpp"

#include "shared/log/log.hpp"
#include "shared/state/accounting_turn.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <span>

namespace postsluice::state {
namespace {

// What would break the records' bounds is refused before anything is written.
result<void> check_bounds(const std::vector<counted_limits>& limits, const transaction_record* known) {
    if (known != nullptr && known->settled) known = nullptr; // a new generation, or a repetition
    for (auto at = limits.begin(); at != limits.end(); ++at) {
        if (at->limits.size() > max_limits) return failure{errc::too_large, "too many limits of " + at->key};
        if (std::any_of(limits.begin(), at, [&](const auto& other) { return other.key == at->key; })) {
            return failure{errc::malformed, "limits of " + at->key + " are given twice"};
        }
    }
    if ((known != nullptr ? known->keys.size() : 0) + limits.size() > max_keys)
        return failure{errc::too_large, "too many keys of one transaction"};
    if (known != nullptr && std::max(known->hashes.size(), known->invalid.size()) >= max_recipients) {
        return failure{errc::too_large, "too many recipients of one transaction"};
    }
    return {};
}

// What was charged so far stays charged; what comes now is counted anew. smtpd goes on counting recipients.
void begin_generation(transaction_record& t) {
    transaction_record fresh;
    fresh.generation = t.generation + 1;
    fresh.earlier_count = t.data_count != 0 ? t.data_count : t.earlier_count + t.charged;
    t = std::move(fresh);
}

bool contains(std::span<const std::uint64_t> hashes, std::uint64_t hash) {
    return std::find(hashes.begin(), hashes.end(), hash) != hashes.end();
}

asio::awaitable<result<void>> nothing_to_commit() {
    co_return result<void>{};
}

bool refused(const std::optional<limit_breach>& breach, bool observe) {
    return breach && !observe && refuses(breach->what.then);
}

} // namespace

accounting_lmdb::accounting_lmdb(store& where, asio::any_io_executor loop, std::string hash_secret, const clock& time,
                                 accounting_options options)
    : store_{where}
    , loop_{std::move(loop)}
    , end_of_turn_{[this](std::function<void()> commit) { asio::post(loop_, std::move(commit)); }}
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
    end_of_turn_([this, alive = std::weak_ptr{alive_}] {
        if (!alive.expired()) commit_turn();
    });
    return {};
}

void accounting_lmdb::commit_turn() {
    if (!turn_) return; // it broke, and nothing came after it
    const auto outcome = turn_->commit();
    turn_.reset();
    auto waiters = std::exchange(waiters_, std::move(spare_)); // those who go on now may begin the next turn
    say_remarks();
    if (!outcome && waiters.empty())
        log::warning("what was released stays reserved until its lease ends").kv("why", outcome.error().message());
    if (outcome && !store_.commits_are_durable()) {
        // What is committed is seen by the next turn already; the answers wait for the disk.
        store_.when_durable([all = std::make_shared<std::vector<completion>>(std::move(waiters))](result<void> done) {
            for (auto& w : *all)
                w.post(done);
        });
        return;
    }
    for (auto& w : waiters)
        w.call(outcome);
    waiters.clear();
    spare_ = std::move(waiters); // for its memory
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
    if (!turn_) return nothing_to_commit();
    auto start = [this](auto handler) { waiters_.emplace_back(std::move(handler), loop_); };
    return asio::async_initiate<const asio::use_awaitable_t<>, void(result<void>)>(start, asio::use_awaitable);
}

ledger accounting_lmdb::open_ledger() {
    return {*turn_, secret_, clock_.now(), options_.books, remarks_, scratch_};
}

result<admit_answer> accounting_lmdb::admit_at_once(const admit_request& request) {
    return in_turn<admit_answer>([&](ledger& books) { return apply(books, request); });
}

result<data_answer> accounting_lmdb::data_at_once(const data_request& request) {
    return in_turn<data_answer>([&](ledger& books) { return apply(books, request); });
}

result<void> accounting_lmdb::settle_at_once(const transaction_id& id, std::uint64_t connection,
                                             std::string_view queue_id, std::uint64_t size) {
    return in_turn<void>([&](ledger& books) { return apply_settle(books, id, connection, queue_id, size); });
}

result<void> accounting_lmdb::abort_at_once(const transaction_id& id, std::uint64_t connection, bool after_data_too) {
    return in_turn<void>([&](ledger& books) { return apply_abort(books, id, connection, after_data_too); });
}

asio::awaitable<result<void>> accounting_lmdb::count_invalid(invalid_request request) {
    const bool counted = std::any_of(request.limits.begin(), request.limits.end(), [](const counted_limits& c) {
        return c.limits.counts(limit_unit::invalid_recipients);
    });
    if (!counted) co_return result<void>{};
    const auto done = in_turn<void>([&](ledger& books) { return apply(books, request); });
    if (!done) co_return done.error();
    co_return co_await committed();
}

asio::awaitable<result<bool>> accounting_lmdb::take_back(transaction_id id) {
    const auto given = in_turn<bool>([&](ledger& books) { return apply_take_back(books, id); });
    if (!given) co_return given.error();
    const auto safe = co_await committed();
    if (!safe) co_return safe.error();
    co_return *given; // a const result<bool> would be taken for its own "has a value"
}

asio::awaitable<result<void>> accounting_lmdb::reset(std::string account) {
    const auto key = account_key(secret_, std::string{account_prefix} + account);
    const auto done = in_turn<void>([&](ledger& books) { return books.forget(key); });
    if (!done) co_return done.error();
    co_return co_await committed();
}

result<admit_answer> accounting_lmdb::apply(ledger& books, const admit_request& request) {
    const auto key = books.key_of(request.id);
    auto known = books.load(key);
    if (auto fits = check_bounds(request.limits, known ? &*known : nullptr); !fits) return fits.error();
    const bool fresh = !known;
    auto& t = fresh ? known.emplace() : *known;
    if (t.settled) begin_generation(t);
    t.connection = request.connection;
    t.final_charge = request.final_at_once;
    t.data_seen = false; // the client goes on before END-OF-MESSAGE; DATA comes again
    admit_answer answer;
    const auto hash = books.hash_of(request.recipient);
    if (contains(t.hashes, hash)) {
        answer.repeated = true;
        ++t.repeats;
        if (t.held) answer.breach = books.held_by(books.open(request.limits), t);
        if (auto saved = books.save(key, t); !saved) return saved.error();
        return answer;
    }
    auto accounts = books.open(request.limits);
    units cost;
    cost.recipients = 1;
    cost.messages = t.message_charged ? 0U : 1U;
    cost.facts = &request.facts;
    cost.recipient = hash;
    const bool asked = ledger::asks_for_new(request.limits);
    t.learns = t.learns || asked;
    cost.fresh = asked && books.is_new(accounts, hash);
    answer.breach = books.check(accounts, t, cost);
    if (refused(answer.breach, request.observe)) {
        if (!fresh) { // who speaks last owns it, also where he is refused
            if (auto saved = books.save(key, t); !saved) return saved.error();
        }
        return answer;
    }
    t.held = t.held || (answer.breach && answer.breach->what.then == limit_action::hold);
    if (auto charged = books.charge_to(accounts, t, cost); !charged) return charged.error();
    t.hashes.push_back(hash);
    if (auto saved = books.save(key, t); !saved) return saved.error();
    return answer;
}

result<data_answer> accounting_lmdb::apply(ledger& books, const data_request& request) {
    const auto key = books.key_of(request.id);
    auto known = books.load(key);
    if (auto fits = check_bounds(request.limits, known ? &*known : nullptr); !fits) return fits.error();
    const bool fresh = !known;
    auto& t = fresh ? known.emplace() : *known;
    const bool repeated = t.data_seen && t.queue_id == request.queue_id && t.data_count == request.recipient_count &&
                          (!t.settled || t.settled_by_data);
    if (t.settled && !repeated) begin_generation(t);
    t.connection = request.connection;
    t.final_charge = request.final_at_once;
    data_answer answer{t.charged, repeated ? t.refunded : 0, {}};
    if (repeated) {
        if (auto saved = books.save(key, t); !saved) return saved.error();
        return answer;
    }
    const auto reported = request.recipient_count;
    const auto here = reported > t.earlier_count ? reported - t.earlier_count : reported;
    const auto explained = answer.charged + t.repeats;
    units cost;
    cost.unasked = here > explained ? here - explained : 0;
    cost.messages = t.message_charged ? 0U : 1U;
    cost.facts = &request.facts;
    if (cost.asks()) {
        t.learns = t.learns || ledger::asks_for_new(request.limits);
        auto accounts = books.open(request.limits);
        answer.breach = books.check(accounts, t, cost);
        if (refused(answer.breach, request.observe)) {
            if (!fresh) {
                if (auto saved = books.save(key, t); !saved) return saved.error();
            }
            return answer;
        }
        if (auto charged = books.charge_to(accounts, t, cost); !charged) return charged.error();
    }
    // A count of nothing is a count that the client did not send.
    answer.refunded = here != 0 && here < answer.charged && !request.final_at_once ? answer.charged - here : 0;
    if (answer.refunded != 0) {
        if (auto back = books.refund(t, answer.refunded); !back) return back.error();
        if (auto done = count_refused(books, request.limits, t, answer.refunded); !done) return done.error();
        // Which ones were refused by others is unknown: if one of them comes again, it is charged again.
        t.hashes.clear();
        t.repeats = 0;
    }
    t.data_seen = true;
    t.queue_id = request.queue_id;
    t.data_count = reported;
    t.refunded = answer.refunded;
    t.settled = t.settled_by_data = request.settles;
    answer.charged = t.charged;
    if (t.settled) {
        if (auto done = books.settle(t, std::nullopt); !done) return done.error();
    }
    if (auto saved = books.save(key, t); !saved) return saved.error();
    return answer;
}

// Recipients that we passed and others refused.
result<void> accounting_lmdb::count_refused(ledger& books, const std::vector<counted_limits>& limits,
                                            transaction_record& t, std::uint32_t count) {
    const bool counted = std::any_of(limits.begin(), limits.end(), [](const counted_limits& c) {
        return c.limits.counts(limit_unit::invalid_recipients);
    });
    if (!counted) return {};
    auto accounts = books.open(limits);
    units cost;
    cost.invalid = count;
    return books.charge_to(accounts, t, cost);
}

result<void> accounting_lmdb::apply(ledger& books, const invalid_request& request) {
    const auto key = books.key_of(request.id);
    auto known = books.load(key);
    if (auto fits = check_bounds(request.limits, known ? &*known : nullptr); !fits) return fits;
    auto& t = known ? *known : known.emplace();
    if (t.settled) begin_generation(t);
    t.connection = request.connection;
    const auto hash = books.hash_of(request.recipient);
    if (!contains(t.invalid, hash)) {
        if (auto done = count_refused(books, request.limits, t, 1); !done) return done;
        t.invalid.push_back(hash);
    }
    return books.save(key, t);
}

result<void> accounting_lmdb::apply_settle(ledger& books, const transaction_id& id, std::uint64_t connection,
                                           std::string_view queue_id, std::uint64_t size) {
    const auto key = books.key_of(id);
    auto t = books.load(key);
    if (!t) return {};
    if (!t->settled) {
        if (auto done = books.settle(*t, size); !done) return done;
    }
    t->connection = connection;
    t->queue_id = queue_id;
    t->settled = true;
    t->settled_by_data = false;
    return books.save(key, *t);
}

result<void> accounting_lmdb::apply_abort(ledger& books, const transaction_id& id, std::uint64_t connection,
                                          bool after_data_too) {
    const auto key = books.key_of(id);
    auto t = books.load(key);
    if (!t || t->connection != connection || t->settled || t->final_charge) return {};
    if (t->data_seen && !after_data_too) return {};
    if (auto back = books.refund(*t, t->charged); !back) return back;
    return books.txn().erase(key);
}

// Erased, so that nobody gets it twice.
result<bool> accounting_lmdb::apply_take_back(ledger& books, const transaction_id& id) {
    const auto key = books.key_of(id);
    auto t = books.load(key);
    if (!t || !t->data_seen || !t->queue_id.empty() || t->final_charge) return false;
    if (auto back = books.take_back(*t); !back) return back.error();
    if (auto gone = books.txn().erase(key); !gone) return gone.error();
    return true;
}

} // namespace postsluice::state
