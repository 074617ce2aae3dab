// SPDX-License-Identifier: Apache-2.0
// What passes with time in the account store, and the outboxes of notices and hook calls.
#include "shared/state/account_records.hpp"

#include <memory>

namespace postsluice::state {

namespace asio = boost::asio;

namespace {

constexpr std::size_t max_expired = 200; // of a call: the writer mutex is not held long
constexpr std::size_t hashed_size = 17;

struct expiry {
    std::vector<std::string> timed_out;     ///< lock keys
    std::vector<std::string> stale_strikes; ///< strike keys
    std::vector<std::string> old_history;   ///< keys of the order of forgetting
    std::vector<std::string> old_letters;   ///< keys of notices and hook calls
};

bool wants_advance(const lock_state& lock, instant now) {
    const bool over = times_out(lock) && lock.until <= now;
    return over || lock.since > now || lock.counted_from > now; // or the clock went back
}

// Read first: most of the time there is nothing to write.
result<expiry> find_expired(store& where, instant now, seconds retention) {
    const auto txn = where.read();
    if (!txn) return txn.error();
    expiry e;
    txn->scan("K", {}, [&](std::string_view key, std::string_view value) {
        const auto record = decode_lock(value);
        if (record && wants_advance(record->lock, now)) e.timed_out.emplace_back(key);
        return e.timed_out.size() < max_expired;
    });
    txn->scan("S", {}, [&](std::string_view key, std::string_view value) {
        auto strikes = decode_strikes(value);
        const auto before = strikes ? strikes->size() : 0;
        if (strikes) forget_old(*strikes, now);
        if (!strikes || strikes->size() != before) e.stale_strikes.emplace_back(key);
        return e.stale_strikes.size() < max_expired;
    });
    txn->scan("D", {}, [&](std::string_view key, std::string_view) {
        if (key.size() < 9 || from_ascending(key.substr(1)) > now - retention) return false;
        e.old_history.emplace_back(key);
        return e.old_history.size() < max_expired;
    });
    txn->scan("N", {}, [&](std::string_view key, std::string_view value) {
        const auto n = decode_notice(from_big_endian(key.substr(1)), value);
        if (n && n->event.at > now - retention) return false;
        e.old_letters.emplace_back(key);
        return e.old_letters.size() < max_expired;
    });
    txn->scan("P", {}, [&](std::string_view key, std::string_view value) {
        const auto c = decode_hook_call(from_big_endian(key.substr(1)), value);
        if (c && c->event.at > now - retention) return false;
        e.old_letters.emplace_back(key);
        return e.old_letters.size() < 2 * max_expired;
    });
    return e;
}

result<void> expire_locks(write_txn& txn, const expiry& e, instant now, std::vector<locked_account>& opened) {
    opened.clear();
    for (const auto& key : e.timed_out) {
        const auto value = txn.get(key);
        auto record = value ? decode_lock(*value) : std::nullopt;
        if (!record) continue;
        auto step = advance(record->lock, now);
        if (step.events.empty() && step.state == record->lock) continue;
        if (auto put = store_transition(txn, key, record->account, step.state, step.events); !put) return put;
        if (!step.events.empty()) opened.push_back({std::move(record->account), std::move(step.state)});
    }
    return {};
}

result<void> forget_records(write_txn& txn, const expiry& e, instant now) {
    for (const auto& key : e.stale_strikes) {
        const auto value = txn.get(key);
        auto strikes = value ? decode_strikes(*value) : std::nullopt;
        if (strikes) forget_old(*strikes, now);
        const bool empty = !strikes || strikes->empty();
        auto done = empty ? txn.erase(key) : txn.put(key, encode_strikes(*strikes));
        if (!done) return done;
    }
    for (const auto& key : e.old_history) {
        if (auto gone = txn.erase(key); !gone) return gone;
        if (key.size() <= 9 + hashed_size) continue;
        if (auto gone = txn.erase(key.substr(9)); !gone) return gone;
    }
    for (const auto& key : e.old_letters) {
        if (auto gone = txn.erase(key); !gone) return gone;
    }
    return {};
}

} // namespace

asio::awaitable<result<std::vector<locked_account>>> account_store::expire(seconds retention) {
    const instant now = clock_.now();
    auto due = find_expired(store_, now, retention);
    if (!due) co_return due.error();
    auto opened = std::make_shared<std::vector<locked_account>>();
    if (due->timed_out.empty() && due->stale_strikes.empty() && due->old_history.empty() && due->old_letters.empty()) {
        co_return *opened;
    }
    writer::operation op = [opened, now, e = std::move(*due)](write_txn& txn) -> result<void> {
        txn.use_reserve();
        if (auto done = expire_locks(txn, e, now, *opened); !done) return done;
        return forget_records(txn, e, now);
    };
    const auto done = co_await writer_.run(std::move(op));
    if (!done) co_return done.error();
    co_return *opened;
}

result<std::vector<notice>> account_store::notices(std::size_t most) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    std::vector<notice> out;
    if (most == 0) return out;
    txn->scan("N", {}, [&](std::string_view key, std::string_view value) {
        if (auto n = decode_notice(from_big_endian(key.substr(1)), value)) out.push_back(std::move(*n));
        return out.size() < most;
    });
    if (txn->damaged()) return damaged("notice");
    return out;
}

asio::awaitable<result<void>> account_store::notice_sent(std::uint64_t id) {
    writer::operation op = [id](write_txn& txn) { return txn.erase("N" + big_endian(id)); };
    co_return co_await writer_.run(std::move(op));
}

asio::awaitable<result<void>> account_store::notice_failed(std::uint64_t id) {
    writer::operation op = [id](write_txn& txn) -> result<void> {
        const auto key = "N" + big_endian(id);
        const auto value = txn.get(key);
        auto n = value ? decode_notice(id, *value) : std::nullopt;
        if (!n) return {};
        ++n->attempts;
        return txn.put(key, encode_notice(*n));
    };
    co_return co_await writer_.run(std::move(op));
}

result<std::vector<hook_call>> account_store::hook_calls(std::size_t most) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    std::vector<hook_call> out;
    if (most == 0) return out;
    txn->scan("P", {}, [&](std::string_view key, std::string_view value) {
        if (auto c = decode_hook_call(from_big_endian(key.substr(1)), value)) out.push_back(std::move(*c));
        return out.size() < most;
    });
    if (txn->damaged()) return damaged("hook call");
    return out;
}

asio::awaitable<result<void>> account_store::hook_call_now(hook_call what) {
    writer::operation op = [what = std::move(what)](write_txn& txn) -> result<void> {
        const auto key = "P" + big_endian(what.id);
        return txn.get(key) ? txn.put(key, encode_hook_call(what)) : result<void>{};
    };
    co_return co_await writer_.run(std::move(op));
}

asio::awaitable<result<void>> account_store::hook_calls_over(std::vector<std::uint64_t> ids) {
    writer::operation op = [ids = std::move(ids)](write_txn& txn) -> result<void> {
        txn.use_reserve();
        for (const auto id : ids) {
            if (auto gone = txn.erase("P" + big_endian(id)); !gone) return gone;
        }
        return {};
    };
    co_return co_await writer_.run(std::move(op));
}

asio::awaitable<result<void>> account_store::hook_failed(std::string account, std::string words,
                                                         std::string reference) {
    writer::operation op = [lock_key = key('K', account), account, words = std::move(words),
                            reference = std::move(reference), now = clock_.now()](write_txn& txn) -> result<void> {
        const auto value = txn.get(lock_key);
        auto record = value ? decode_lock(*value) : std::nullopt;
        lock_event event{lock_event_kind::hook_failed, now, words, "postsluice", reference, {}};
        if (record) event.after = std::move(record->lock);
        const auto stored = store_event(txn, lock_key, account, event);
        return stored ? result<void>{} : result<void>{stored.error()};
    };
    co_return co_await writer_.run(std::move(op));
}

} // namespace postsluice::state
