// SPDX-License-Identifier: Apache-2.0
// Refusals with their incidents, and the sweep: leases that ended, refusals and accounts whose time is over.
#include "shared/core/random.hpp"
#include "shared/state/accounting_turn.hpp"

#include <algorithm>

namespace postsluice::state {
namespace {

constexpr seconds clock_slack{3600}; // a record is from the future when it is later than this
constexpr std::size_t reference_size = 8;
constexpr std::size_t visits_per_erasure = 20;  // of transactions, in one sweep
constexpr seconds known_retention{180 * 86400}; // an account that is silent for so long forgets whom it wrote to

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

std::string name_of(const read_txn& txn, const record_key& key) {
    const auto value = txn.get(view(key));
    account_record record;
    std::string_view name;
    return value && account_record::decode(*value, record, &name) ? std::string{name} : std::string{};
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

// Transactions lie in the order in which they began: those whose lease can have ended lie in front, beside a few long
// ones. What a clock that was wrong put behind all others, or gave a lease beyond every real one, is looked at too.
result<std::size_t> accounting_lmdb::sweep_leases(ledger& books, std::size_t most) {
    auto& txn = books.txn();
    const auto key_of = [](instant t) {
        const auto s = std::max<std::int64_t>(std::chrono::floor<seconds>(t).time_since_epoch().count(), 0);
        return "T" + big_endian(static_cast<std::uint64_t>(s) << 32U);
    };
    const auto latest = key_of(books.now() - options_.books.lease + seconds{1});
    const auto beyond = key_of(books.now() + options_.books.lease);
    std::vector<std::string> due;
    std::size_t visited = 0;
    std::string next;
    const auto visit = [&](std::string_view key, std::string_view value) {
        if (due.size() == most || visited++ == most * visits_per_erasure) {
            next = key;
            return false;
        }
        const auto lease = transaction_record::lease_of(value);
        if (lease <= books.now() || lease > books.now() + options_.books.lease) due.emplace_back(key);
        return true;
    };
    if (most == 0) return std::size_t{0};
    if (lease_from_ < latest) {
        txn.scan("T", lease_from_,
                 [&](std::string_view key, std::string_view value) { return key < latest && visit(key, value); });
    }
    if (next.empty()) txn.scan("T", std::max(beyond, lease_from_), visit);
    lease_from_ = std::move(next); // empty: the round begins again
    for (const auto& key : due)
        if (auto ended = end_lease(books, key); !ended) return ended.error();
    return due.size();
}

result<void> accounting_lmdb::end_lease(ledger& books, const std::string& key) {
    auto t = books.load(key);
    if (t && t->lease_until > books.now()) { // clamped
        return books.save(key, *t);
    }
    if (t && !t->settled && !t->data_seen && !t->final_charge) {
        if (auto back = books.refund(*t, t->charged); !back) return back;
    } else if (t && !t->settled) {
        if (auto done = books.settle(*t, std::nullopt); !done) return done;
    }
    return books.txn().erase(key);
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
    std::vector<record_key> over, ahead;
    std::size_t visited = 0;
    std::string next;
    if (most == 0) return std::size_t{0};
    txn.scan("A", sweep_from_, [&](std::string_view key, std::string_view value) {
        if (visited++ == most) {
            next = key;
            return false;
        }
        record_key found{};
        if (key.size() != found.size()) return true;
        std::copy(key.begin(), key.end(), found.begin());
        account_record record;
        const bool good = account_record::decode(value, record);
        bool used = good && record.learns_since != instant{} && books.now() - record.last_seen < known_retention;
        bool future = false;
        for (std::size_t i = 0; good && i < record.windows.size(); ++i) {
            const auto& w = record.windows[i];
            const limit what{w.count, w.unit, w.length()};
            used = used || read_use(txn, found, &record, what, books.now()).used != 0;
            future = future || w.window.from_future(books.now(), w.length());
        }
        if (!used) over.push_back(found);
        if (used && future) ahead.push_back(found);
        return true;
    });
    sweep_from_ = std::move(next); // empty: the round begins again
    for (const auto& key : ahead)
        (void)books.load_account(key, name_of(txn, key));
    for (const auto& key : over) {
        if (auto gone = books.forget(key); !gone) return gone.error();
    }
    return over.size();
}

} // namespace postsluice::state
