// SPDX-License-Identifier: Apache-2.0
// Refusals with their incidents, and the sweep: leases that ended, refusals and accounts whose time is over.
#include "shared/core/random.hpp"
#include "shared/state/accounting_turn.hpp"

namespace postsluice::state {
namespace {

constexpr seconds clock_slack{3600}; // a record is from the future when it is later than this
constexpr std::size_t reference_size = 8;

std::string incident_key(std::string_view secret, const refusal& r) {
    return hashed_key('I', secret, {r.account, to_string(r.why), r.subject});
}

std::vector<std::string> keys_of(const refusal_event& e, std::string_view secret) {
    return {"E" + e.reference, hashed_key('R', secret, {e.what.account}) + descending(e.first) + e.reference,
            "Z" + descending(e.first) + e.reference};
}

result<void> put_refusal(write_txn& txn, const refusal_event& e, std::string_view secret) {
    const auto keys = keys_of(e, secret);
    if (auto put = txn.put(keys[0], encode(e)); !put) return put;
    if (auto put = txn.put(keys[1], "\1"); !put) return put;
    return txn.put(keys[2], "\1");
}

result<void> erase_refusal(write_txn& txn, const refusal_event& e, std::string_view secret) {
    for (const auto& key : keys_of(e, secret)) {
        if (auto gone = txn.erase(key); !gone) return gone;
    }
    const auto incident = incident_key(secret, e.what);
    if (txn.get(incident) == "\1" + e.reference) return txn.erase(incident);
    return {};
}

// Keys with `prefix` from `from` on, as long as `wanted` says so, at most `most`.
std::vector<std::string> collect(const read_txn& txn, std::string_view prefix, std::string_view from, std::size_t most,
                                 const std::function<bool(std::string_view)>& wanted) {
    std::vector<std::string> keys;
    if (most == 0) return keys;
    txn.scan(prefix, from, [&](std::string_view key, std::string_view) {
        if (!wanted(key)) return false;
        keys.emplace_back(key);
        return keys.size() < most;
    });
    return keys;
}

} // namespace

asio::awaitable<result<std::string>> accounting_lmdb::record(refusal what, seconds incident) {
    const auto reference = in_turn<std::string>([&](ledger& books) { return apply_record(books, what, incident); });
    if (!reference) co_return reference.error();
    const auto safe = co_await committed();
    if (!safe) co_return safe.error();
    co_return reference;
}

result<std::string> accounting_lmdb::apply_record(ledger& books, const refusal& what, seconds incident) {
    auto& txn = books.txn();
    const auto key = incident_key(secret_, what);
    if (const auto known = txn.get(key); known && known->size() > 1) {
        const auto value = txn.get("E" + std::string{known->substr(1, reference_size)});
        auto event = value ? decode_refusal(*value) : std::nullopt;
        if (event && event->first <= books.now() && books.now() - event->first < incident) {
            event->what = what;
            event->last = books.now();
            ++event->count;
            if (auto put = txn.put("E" + event->reference, encode(*event)); !put) return put.error();
            return event->reference;
        }
    }
    refusal_event fresh{what, new_reference(), books.now(), books.now(), 1};
    while (txn.get("E" + fresh.reference))
        fresh.reference = new_reference();
    if (auto put = put_refusal(txn, fresh, secret_); !put) return put.error();
    if (auto put = txn.put(key, "\1" + fresh.reference); !put) return put.error();
    return fresh.reference;
}

asio::awaitable<result<std::size_t>> accounting_lmdb::sweep(std::size_t most) {
    const auto swept = in_turn<std::size_t>([&](ledger& books) -> result<std::size_t> {
        books.txn().use_reserve(); // what frees room must go on when there is none
        std::size_t sum = 0;
        for (const auto step :
             {&accounting_lmdb::sweep_leases, &accounting_lmdb::sweep_refusals, &accounting_lmdb::sweep_accounts}) {
            const auto n = (this->*step)(books, most - sum);
            if (!n) return n.error();
            sum += *n;
        }
        return sum;
    });
    if (!swept) co_return swept.error();
    const auto safe = co_await committed();
    if (!safe) co_return safe.error();
    co_return swept;
}

result<std::size_t> accounting_lmdb::sweep_leases(ledger& books, std::size_t most) {
    auto& txn = books.txn();
    const auto latest = "L" + ascending(books.now());
    auto due =
        collect(txn, "L", {}, most, [&](std::string_view key) { return key.substr(0, latest.size()) <= latest; });
    // Places that no lease of today can have come from a clock that was wrong.
    const auto beyond = "L" + ascending(books.now() + options_.lease + milliseconds{1});
    for (auto& key : collect(txn, "L", beyond, most - due.size(), [](std::string_view) { return true; })) {
        due.push_back(std::move(key));
    }
    for (const auto& place : due) {
        if (auto gone = txn.erase(place); !gone) return gone.error();
        const auto key = "T" + place.substr(latest.size());
        auto t = books.load(key);
        if (!t) continue;
        if (t->lease_until > books.now()) { // renewed since, or clamped
            if (auto put = txn.put("L" + ascending(t->lease_until) + key.substr(1), "\1"); !put) return put.error();
            continue;
        }
        if (!t->settled && !t->data_seen && !t->final_charge) {
            if (auto back = books.refund(*t, t->charged()); !back) return back.error();
        }
        if (auto gone = txn.erase(key); !gone) return gone.error();
    }
    return due.size();
}

result<std::size_t> accounting_lmdb::sweep_refusals(ledger& books, std::size_t most) {
    auto& txn = books.txn();
    const auto future = "Z" + descending(books.now() + clock_slack);
    auto keys = collect(txn, "Z", {}, most, [&](std::string_view key) { return key < future; });
    const std::size_t ahead = keys.size();
    const auto old = "Z" + descending(books.now() - options_.refusal_retention);
    for (auto& key : collect(txn, "Z", old, most - ahead, [](std::string_view) { return true; })) {
        keys.push_back(std::move(key));
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto value = txn.get("E" + keys[i].substr(future.size()));
        auto event = value ? decode_refusal(*value) : std::nullopt;
        if (auto gone = txn.erase(keys[i]); !gone) return gone.error();
        if (!event) continue;
        if (auto gone = erase_refusal(txn, *event, secret_); !gone) return gone.error();
        if (i >= ahead) continue;
        remarks_.push_back({"refusal from the future clamped", event->reference});
        event->first = event->last = books.now();
        if (auto put = put_refusal(txn, *event, secret_); !put) return put.error();
    }
    return keys.size();
}

result<std::size_t> accounting_lmdb::sweep_accounts(ledger& books, std::size_t most) {
    auto& txn = books.txn();
    std::vector<std::string> over, ahead;
    std::size_t visited = 0;
    std::string next;
    if (most == 0) return std::size_t{0};
    txn.scan("A", sweep_from_, [&](std::string_view key, std::string_view value) {
        if (visited++ == most) {
            next = key;
            return false;
        }
        const auto record = account_record::decode(value);
        bool used = false, future = false;
        for (const auto& w : record ? record->windows : std::vector<counted_window>{}) {
            used = used || w.window.used(books.now(), w.what.period) != 0;
            future = future || w.window.from_future(books.now(), w.what.period);
        }
        if (!used) over.emplace_back(key);
        if (used && future) ahead.emplace_back(key);
        return true;
    });
    sweep_from_ = std::move(next); // empty: the round begins again
    for (const auto& key : ahead)
        (void)books.load_account(key, {});
    for (const auto& key : over) {
        if (auto gone = txn.erase(key); !gone) return gone.error();
    }
    return over.size();
}

} // namespace postsluice::state
