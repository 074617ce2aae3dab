// SPDX-License-Identifier: Apache-2.0
// Accounts and their windows.
#include "shared/state/ledger.hpp"

#include "shared/core/random.hpp"
#include "shared/state/known_recipients.hpp"

#include <algorithm>
#include <cstring>

namespace postsluice::state {
namespace {

// Never the same twice on a machine, nor zero.
std::uint64_t new_birth() {
    static std::uint64_t next = [] {
        std::uint64_t seed = 0;
        const auto octets = random_bytes(sizeof seed);
        std::memcpy(&seed, octets.data(), sizeof seed);
        return seed;
    }();
    return ++next == 0 ? ++next : next;
}

std::uint8_t index_of(transaction_record& t, const charged_key& wanted) {
    const auto at = std::find(t.keys.begin(), t.keys.end(), wanted);
    const auto index = static_cast<std::uint8_t>(at - t.keys.begin());
    if (at == t.keys.end()) t.keys.push_back(wanted);
    return index;
}

// What is charged to one slot is one line; the oldest goes where there are too many: it is not refunded then.
void note(transaction_record& t, const charge_line& line) {
    for (auto at = t.lines.rbegin(); at != t.lines.rend(); ++at) {
        if (!at->same_window(line)) continue;
        if (at->slot == line.slot) {
            at->count += line.count;
            return;
        }
        break;
    }
    if (t.lines.size() >= max_lines) t.lines.erase(t.lines.begin());
    t.lines.push_back(line);
}

bool unused(const read_txn& txn, const record_key& key, const stored_window& w, instant now) {
    const limit what{w.count, w.unit, w.length()};
    return counts_distinct(w.unit) ? read_use(txn, key, nullptr, what, now).used == 0
                                   : w.window.used(now, w.length()) == 0;
}

} // namespace

record_key account_key(std::string_view secret, std::string_view key) {
    return hash_key('A', secret, {key});
}

limit_use use_of(const limit& what, const stored_window* w, const distinct_set* set, instant now) {
    if (what.period.count() == 0) return {what, 0, now};
    if (set != nullptr) {
        const auto used = set->used(now, what.period);
        return {what, used, used < what.count ? now : set->fits_at(now, what.period, what.count)};
    }
    if (w == nullptr) return {what, 0, what.count == 0 ? now + what.period : now};
    return {what, w->window.used(now, what.period),
            w->window.fits_at(now, what.period, what.count, 1).value_or(now + what.period)};
}

limit_use read_use(const read_txn& txn, const record_key& key, const account_record* record, const limit& what,
                   instant now) {
    if (counts_distinct(what.unit)) {
        const auto value = txn.get(distinct_key(key, what.unit, what.period));
        const auto set = value ? distinct_set::decode(*value) : std::nullopt;
        const bool ours = set && (record == nullptr || set->born == record->born);
        return use_of(what, nullptr, ours ? &*set : nullptr, now);
    }
    const stored_window* w = nullptr;
    if (record != nullptr)
        for (const auto& one : record->windows)
            if (one.unit == what.unit && one.length() == what.period) w = &one;
    return use_of(what, w, nullptr, now);
}

std::uint64_t ledger::hash_of(std::string_view text) const {
    std::uint64_t out = 0;
    std::memcpy(&out, hash_key('-', secret_, {text}).data() + 1, sizeof out);
    return out;
}

result<void> ledger::put_account(const record_key& db_key, const account_record& record, std::string_view name) {
    record.encode(name, scratch_);
    return txn_.put(view(db_key), scratch_);
}

// Stored at once: while the account is refused nothing else is, and counts that move along with the clock never end.
void ledger::clamp(const record_key& db_key, account_record& record, std::string_view name) {
    bool moved = false;
    for (auto& stored : record.windows) {
        if (!stored.window.from_future(now_, stored.length())) continue;
        (void)stored.window.charge(now_, stored.length(), 0);
        moved = true;
    }
    if (record.learns_since > now_) {
        record.learns_since = now_;
        moved = true;
    }
    if (!moved) return;
    remarks_.push_back({"counts from the future clamped", std::string{name}});
    if (auto put = put_account(db_key, record, name); !put)
        remarks_.push_back({put.error().message(), std::string{name}});
}

account_record ledger::load_account(const record_key& db_key, std::string_view name) {
    account_record record;
    if (const auto value = txn_.get(view(db_key))) {
        if (account_record::decode(*value, record)) {
            clamp(db_key, record, name);
            return record;
        }
        remarks_.push_back({"damaged account record starts empty", std::string{name}});
        record = {};
    }
    record.born = new_birth();
    return record;
}

distinct_set ledger::load_set(const record_key& account, std::uint64_t born, limit_unit unit, seconds period) const {
    if (const auto value = txn_.get(distinct_key(account, unit, period))) {
        auto set = distinct_set::decode(*value);
        if (set && set->born == born) return std::move(*set);
        if (!set) remarks_.push_back({"damaged set of distinct things starts empty", std::string{to_string(unit)}});
    }
    distinct_set fresh;
    fresh.born = born;
    return fresh;
}

// Two limits of one unit and period are one window. Windows lie in the order of the limits, unless those were changed.
void ledger::name_windows(open_account& a) {
    auto& windows = a.record.windows;
    const auto& limits = a.under->limits;
    std::size_t expected = 0;
    for (const auto& l : limits) {
        if (l.period.count() == 0) {
            a.named.push_back(open_account::no_window);
            continue;
        }
        auto index = expected++;
        if (index >= windows.size() || windows[index].unit != l.unit || windows[index].length() != l.period) {
            const auto* known = a.record.find(l.unit, l.period);
            index = known != nullptr ? static_cast<std::size_t>(known - windows.data()) : windows.size();
            if (known == nullptr) {
                windows.push_back({});
                windows.back().unit = l.unit;
                windows.back().period = static_cast<std::uint32_t>(l.period.count());
            }
        }
        windows[index].count = l.count;
        a.named.push_back(static_cast<std::uint8_t>(index));
    }
}

open_accounts ledger::open(const std::vector<counted_limits>& limits) {
    open_accounts accounts;
    accounts.reserve(limits.size());
    for (const auto& wanted : limits) {
        auto& a = accounts.emplace_back();
        a.key = account_key(secret_, wanted.key);
        a.under = &wanted;
        a.record = load_account(a.key, wanted.key);
        auto& windows = a.record.windows;
        // A limit that left the configuration stays until its time has passed: it may come back, and refunds may be
        // due.
        const bool crowded = windows.size() + wanted.limits.size() > max_windows;
        if (windows.size() > 0)
            windows.erase(std::remove_if(windows.begin(), windows.end(),
                                         [&](const stored_window& w) {
                                             const bool named = std::any_of(
                                                 wanted.limits.begin(), wanted.limits.end(), [&](const limit& l) {
                                                     return l.unit == w.unit && l.period == w.length();
                                                 });
                                             return !named && (crowded || unused(txn_, a.key, w, now_));
                                         }),
                          windows.end());
        name_windows(a);
    }
    return accounts;
}

result<void> ledger::charge_account(open_account& a, transaction_record& t, const units& cost) {
    const auto key = index_of(t, {a.key, a.record.born});
    for (std::size_t i = 0; i < a.under->limits.size(); ++i) {
        const auto& l = a.under->limits[i];
        const auto period = static_cast<std::uint32_t>(l.period.count());
        if (counts_distinct(l.unit)) {
            if (auto seen = see(a, key, l, t, cost); !seen) return seen;
            continue;
        }
        const auto more = cost.under(l);
        const bool later = l.unit == limit_unit::bytes && cost.messages != 0; // settle() must find the line
        if (more == 0 && !later) continue;
        if (period == 0) {
            if (l.unit != limit_unit::bytes) note(t, {key, l.unit, 0, 0, 0, more});
            continue;
        }
        auto& stored = a.record.windows[a.named[i]];
        const auto slot = stored.window.charge(now_, l.period, more);
        if (l.unit != limit_unit::invalid_recipients) note(t, {key, l.unit, 0, period, slot, more});
    }
    a.record.last_seen = now_;
    return put_account(a.key, a.record, a.under->key);
}

result<void> ledger::charge_to(open_accounts& accounts, transaction_record& t, const units& cost) {
    if (!accounts.empty() && t.learns && accounts.front().record.learns_since == instant{})
        accounts.front().record.learns_since = now_;
    for (auto& a : accounts)
        if (auto charged = charge_account(a, t, cost); !charged) return charged;
    t.message_charged = t.message_charged || cost.messages != 0;
    t.charged += cost.recipients + cost.unasked;
    return {};
}

result<void> ledger::forget(const record_key& db_key) {
    std::vector<std::string> sets;
    const std::string prefix = std::string{"D"}.append(db_key.data() + 1, db_key.size() - 1);
    txn_.scan(prefix, {}, [&](std::string_view key, std::string_view) {
        sets.emplace_back(key);
        return true;
    });
    for (const auto& key : sets)
        if (auto gone = txn_.erase(key); !gone) return gone;
    if (auto gone = forget_recipients(txn_, db_key); !gone) return gone;
    return txn_.erase(view(db_key));
}

} // namespace postsluice::state
