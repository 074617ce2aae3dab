// SPDX-License-Identifier: Apache-2.0
#include "shared/state/account_store.hpp"

#include "shared/log/log.hpp"
#include "shared/state/account_records.hpp"

#include <algorithm>
#include <memory>

namespace postsluice::state {
namespace {

namespace asio = boost::asio;

result<lock_state> load_lock(const read_txn& txn, const std::string& key) {
    const auto value = txn.get(key);
    if (!value) return lock_state{};
    auto record = decode_lock(*value);
    if (!record) return damaged("lock");
    return std::move(record->lock);
}

result<std::vector<strike>> load_strikes(const read_txn& txn, const std::string& key) {
    const auto value = txn.get(key);
    if (!value) return std::vector<strike>{};
    auto strikes = decode_strikes(*value);
    if (!strikes) return damaged("strikes");
    return std::move(*strikes);
}

// Runs inside the writer's transaction.
result<void> strike_account(write_txn& txn, const std::string& lock_key, const std::string& account, const strike& what,
                            const lock_policy& policy, instant now, strike_outcome& outcome) {
    const auto strikes_key = "S" + lock_key.substr(1);
    auto lock = load_lock(txn, lock_key);
    if (!lock) return lock.error();
    auto strikes = load_strikes(txn, strikes_key);
    outcome.forgot = !strikes;
    if (!strikes) strikes = std::vector<strike>{};
    compact_strikes(*strikes, now, lock->counted_from);
    forget_old(*strikes, now);
    outcome.counted = !policy.at_once.empty() || std::none_of(strikes->begin(), strikes->end(),
                                                              [&](const auto& s) { return same_proof(s, what); });
    const lock_state before = *lock;
    lock_step step;
    if (outcome.counted) {
        const auto later = std::upper_bound(strikes->begin(), strikes->end(), what,
                                            [](const strike& a, const strike& b) { return a.at < b.at; });
        strikes->insert(later, what);
        compact_strikes(*strikes, now, lock->counted_from);
        forget_old(*strikes, now);
        if (auto put = txn.put(strikes_key, encode_strikes(*strikes)); !put) return put;
        step = apply_strike(std::move(*lock), policy, *strikes, what, now);
    } else {
        step = advance(std::move(*lock), now);
    }
    outcome.state = step.state;
    outcome.events = step.events;
    if (step.events.empty() && step.state == before) return {};
    return store_transition(txn, lock_key, account, step.state, step.events);
}

} // namespace

account_store::account_store(store& where, writer& through, std::string hash_secret, const clock& time)
    : store_{where}
    , writer_{through}
    , secret_{std::move(hash_secret)}
    , clock_{time} {}

std::string account_store::key(char tag, std::string_view account) const {
    return hashed_key(tag, secret_, {account});
}

result<std::optional<lock_state>> account_store::read_lock(std::string_view account) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const auto value = txn->get(key('K', account));
    if (txn->damaged()) return damaged("lock");
    if (!value) return std::optional<lock_state>{};
    auto record = decode_lock(*value);
    if (!record) return damaged("lock");
    return std::optional{std::move(record->lock)};
}

result<std::vector<locked_account>> account_store::locked(std::size_t most) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    std::vector<locked_account> out;
    if (most == 0) return out;
    const instant now = clock_.now();
    txn->scan("K", {}, [&](std::string_view, std::string_view value) {
        auto record = decode_lock(value);
        if (record && is_locked(record->lock, now))
            out.push_back({std::move(record->account), std::move(record->lock)});
        return out.size() < most;
    });
    if (txn->damaged()) return damaged("lock");
    return out;
}

result<std::shared_ptr<const lock_set>> account_store::load_locks(const read_txn& txn) const {
    std::vector<locked_account> all;
    std::set<std::string, std::less<>> unreadable;
    txn.scan("K", {}, [&](std::string_view place, std::string_view value) {
        auto record = decode_lock(value);
        if (!record)
            unreadable.emplace(place);
        else if (record->lock.kind != lock_kind::open)
            all.push_back({std::move(record->account), std::move(record->lock)});
        return true;
    });
    if (txn.damaged()) return damaged("lock");
    if (!unreadable.empty()) {
        log::error("lock records are damaged: on_error decides for their accounts; postsluice account reset repairs")
            .kv("records", unreadable.size());
    }
    auto place_of = [secret = secret_](std::string_view account) { return hashed_key('K', secret, {account}); };
    return std::make_shared<const lock_set>(std::move(all), std::move(unreadable), std::move(place_of));
}

// Most commits to the environment are not about locks (quarantine, strikes): the record L tells.
result<std::shared_ptr<const lock_set>> account_store::locks() {
    const auto version = store_.version();
    if (!version) return version.error();
    const std::lock_guard hold{mutex_};
    if (locks_ && seen_ == *version) return locks_;
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const auto changes = read_changes(*txn);
    if (txn->damaged()) return damaged("lock");
    if (!locks_ || seen_.opening != version->opening || changes != changes_seen_) {
        auto loaded = load_locks(*txn);
        if (!loaded) return loaded.error();
        locks_ = std::move(*loaded);
        changes_seen_ = changes;
    }
    seen_ = *version;
    return locks_;
}

result<account_history> account_store::history(std::string_view account, std::size_t most) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    account_history out;
    if (most == 0) return out;
    auto strikes = load_strikes(*txn, key('S', account));
    if (!strikes) return strikes.error();
    forget_old(*strikes, clock_.now());
    out.strikes.assign(strikes->rbegin(), strikes->rend());
    if (out.strikes.size() > most) out.strikes.resize(most);
    bool whole = true;
    txn->scan(key('H', account), {}, [&](std::string_view, std::string_view value) {
        auto event = decode_event(value);
        whole = whole && event.has_value();
        if (event) out.events.push_back(std::move(*event));
        return out.events.size() < most;
    });
    if (!whole || txn->damaged()) return damaged("history");
    return out;
}

asio::awaitable<result<strike_outcome>> account_store::add_strike(std::string account, strike what,
                                                                  lock_policy policy) {
    // Shared: the operation may run after a caller whose wait timed out has gone. The same holds in change().
    auto outcome = std::make_shared<strike_outcome>();
    const instant now = clock_.now();
    what.at = std::min(what.at, now);
    writer::operation op = [outcome, now, what = std::move(what), policy = std::move(policy), k = key('K', account),
                            account](write_txn& txn) {
        return strike_account(txn, k, account, what, policy, now, *outcome);
    };
    const auto done = co_await writer_.run(std::move(op));
    if (!done) co_return done.error();
    if (outcome->forgot) log::error("strikes damaged: they count anew").kv("account", account);
    co_return *outcome;
}

// What a person does: needs nothing of what was before, so it also repairs a record that cannot be read.
asio::awaitable<result<lock_state>> account_store::change(std::string account, step_function step) {
    struct outcome {
        lock_state after;
        bool repaired = false;
    };
    auto made = std::make_shared<outcome>();
    writer::operation op = [made, step = std::move(step), k = key('K', account),
                            account](write_txn& txn) -> result<void> {
        auto lock = load_lock(txn, k);
        made->repaired = !lock;
        const lock_state before = lock ? *lock : lock_state{};
        made->after = before;
        const auto events = step(txn, made->after);
        if (!events) return events.error();
        if (events->empty() && made->after == before && !made->repaired) return {};
        return store_transition(txn, k, account, made->after, *events);
    };
    const auto done = co_await writer_.run(std::move(op));
    if (!done) co_return done.error();
    if (made->repaired) log::warning("a damaged lock record was replaced").kv("account", account);
    co_return made->after;
}

asio::awaitable<result<lock_state>> account_store::lock(std::string account, std::string actor, std::string why,
                                                        std::string reference, seconds duration) {
    step_function step = [=, now = clock_.now()](write_txn&, lock_state& lock) -> result<std::vector<lock_event>> {
        auto done = lock_by_person(std::move(lock), actor, why, reference, now, duration);
        lock = std::move(done.state);
        return std::move(done.events);
    };
    co_return co_await change(std::move(account), std::move(step));
}

asio::awaitable<result<lock_state>> account_store::unlock(std::string account, std::string actor, std::string why) {
    step_function step = [=, now = clock_.now()](write_txn&, lock_state& lock) -> result<std::vector<lock_event>> {
        auto done = unlock_by_person(std::move(lock), actor, why, now);
        lock = std::move(done.state);
        return std::move(done.events);
    };
    co_return co_await change(std::move(account), std::move(step));
}

asio::awaitable<result<void>> account_store::reset(std::string account, std::string actor) {
    step_function step = [actor, strikes = key('S', account),
                          now = clock_.now()](write_txn& txn, lock_state& lock) -> result<std::vector<lock_event>> {
        if (auto gone = txn.erase(strikes); !gone) return gone.error();
        auto done = reset_by_person(std::move(lock), actor, now);
        lock = std::move(done.state);
        return std::move(done.events);
    };
    const auto done = co_await change(std::move(account), std::move(step));
    if (!done) co_return done.error();
    co_return result<void>{};
}

} // namespace postsluice::state
