// SPDX-License-Identifier: Apache-2.0
#include "shared/state/ledger.hpp"

#include "shared/core/random.hpp"

#include <algorithm>
#include <charconv>
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

template <class T>
std::uint8_t index_in(std::vector<T>& list, const T& wanted) {
    const auto at = std::find(list.begin(), list.end(), wanted);
    const auto index = static_cast<std::uint8_t>(at - list.begin());
    if (at == list.end()) list.push_back(wanted);
    return index;
}

// Second and microsecond of pid.sec.usec.seq, in hex; 0 where it reads otherwise.
std::uint64_t time_of(std::string_view instance) noexcept {
    const char* const end = instance.data() + instance.size();
    std::uint64_t time = 0;
    for (int field = 0; field < 2; ++field) {
        const auto dot = instance.find('.');
        if (dot == std::string_view::npos) return 0;
        instance.remove_prefix(dot + 1);
        std::uint32_t part = 0;
        const auto [stop, code] = std::from_chars(instance.data(), end, part, 16);
        if (code != std::errc{} || stop == end || *stop != '.') return 0;
        time = time << 32 | part;
    }
    return time;
}

instant frees_at(const sliding_window& window, const limit& what, instant now, std::uint64_t cost) {
    // Where the limit is smaller than the cost it never does; one period is what can be said.
    return window.fits_at(now, what.period, what.count, cost).value_or(now + what.period);
}

// Two limits of one subject are one window; the smaller number holds.
void name_window(open_account& a, const limit& l) {
    auto* w = a.record.find(l.unit, l.period);
    if (w == nullptr) w = &a.record.windows.emplace_back(counted_window{l, {}});
    const auto index = static_cast<std::size_t>(w - a.record.windows.data());
    if (std::find(a.named.begin(), a.named.end(), index) != a.named.end()) {
        w->what.count = std::min(w->what.count, l.count);
        return;
    }
    w->what.count = l.count;
    a.named.push_back(index);
}

} // namespace

std::string account_key(std::string_view secret, std::string_view key) {
    return hashed_key('A', secret, {key});
}

limit_use use_of(const counted_window& w, instant now) {
    return {w.what, w.window.used(now, w.what.period), frees_at(w.window, w.what, now, 1)};
}

std::string ledger::transaction_key(const transaction_id& id) const {
    const auto hash = hashed_key('T', secret_, {id.server, id.instance});
    return "T" + big_endian(time_of(id.instance)) + hash.substr(1);
}

std::optional<transaction_record> ledger::load(const std::string& key) {
    const auto value = txn_.get(key);
    if (!value) return std::nullopt;
    auto t = transaction_record::decode(*value);
    if (!t) {
        remarks_.push_back({"damaged transaction record dropped", {}});
        return std::nullopt;
    }
    if (t->lease_until > now_ + lease_) {
        remarks_.push_back({"lease from the future clamped", t->account});
        t->lease_until = now_ + lease_;
    }
    return t;
}

result<void> ledger::save(const std::string& key, transaction_record& t, bool fresh) {
    t.lease_until = now_ + lease_;
    if (auto put = txn_.put(key, t.encode()); !put) return put;
    if (!fresh) return {};
    return txn_.put("L" + ascending(t.lease_until) + key.substr(1), "\1");
}

// Stored at once: while the account is refused nothing else is, and counts that move along with the clock never end.
void ledger::clamp(const std::string& db_key, account_record& record) {
    bool moved = false;
    for (auto& w : record.windows) {
        if (!w.window.from_future(now_, w.what.period)) continue;
        (void)w.window.charge(now_, w.what.period, 0);
        moved = true;
    }
    if (!moved) return;
    remarks_.push_back({"counts from the future clamped", record.key});
    if (auto put = txn_.put(db_key, record.encode()); !put) remarks_.push_back({put.error().message(), record.key});
}

account_record ledger::load_account(const std::string& db_key, std::string_view key) {
    if (const auto value = txn_.get(db_key)) {
        if (auto record = account_record::decode(*value)) {
            clamp(db_key, *record);
            return std::move(*record);
        }
        remarks_.push_back({"damaged account record starts empty", std::string{key}});
    }
    account_record fresh;
    fresh.born = new_birth();
    fresh.key = key;
    return fresh;
}

std::vector<open_account> ledger::open(const std::vector<counted_limits>& limits) {
    std::vector<open_account> accounts;
    accounts.reserve(limits.size());
    for (const auto& wanted : limits) {
        open_account a;
        a.db_key = account_key(secret_, wanted.key);
        a.record = load_account(a.db_key, wanted.key);
        auto& windows = a.record.windows;
        // A limit that left the configuration stays until its time has passed: it may come back, and refunds may be
        // due.
        const bool crowded = windows.size() + wanted.limits.size() > max_windows;
        std::erase_if(windows, [&](const counted_window& w) {
            const bool named = std::any_of(wanted.limits.begin(), wanted.limits.end(),
                                           [&](const limit& l) { return l.same_subject(w.what); });
            return !named && (crowded || w.window.used(now_, w.what.period) == 0);
        });
        for (const auto& l : wanted.limits)
            name_window(a, l);
        accounts.push_back(std::move(a));
    }
    return accounts;
}

std::optional<limit_breach> ledger::check(std::vector<open_account>& accounts,
                                          const std::vector<counted_limits>& limits, const units& cost) const {
    std::optional<limit_breach> worst;
    for (std::size_t i = 0; i < accounts.size(); ++i) {
        for (const std::size_t index : accounts[i].named) {
            const auto& w = accounts[i].record.windows[index];
            const std::uint64_t units_here = cost.of(w.what.unit);
            if (units_here == 0 || w.what.count == limit::unlimited) continue;
            const auto used = w.window.used(now_, w.what.period);
            if (units_here <= w.what.count && used <= w.what.count - units_here) continue;
            const auto frees = frees_at(w.window, w.what, now_, units_here);
            if (!worst || frees > worst->frees) worst = limit_breach{limits[i].key, w.what, used, frees};
        }
    }
    return worst;
}

result<void> ledger::charge_to(std::vector<open_account>& accounts, transaction_record& t, const units& cost) {
    charge recipients{cost.recipients, {}}, message{cost.messages, {}};
    for (auto& a : accounts) {
        const auto account = index_in(t.accounts, {a.db_key, a.record.born});
        for (const std::size_t index : a.named) {
            auto& w = a.record.windows[index];
            const auto units_here = cost.of(w.what.unit);
            if (units_here == 0) continue;
            const auto slot = w.window.charge(now_, w.what.period, units_here);
            const auto line = index_in(t.lines, {account, w.what.unit, w.what.period});
            auto& where = w.what.unit == limit_unit::messages ? message : recipients;
            where.slots.push_back({line, slot});
        }
        a.record.last_seen = now_;
        if (auto put = txn_.put(a.db_key, a.record.encode()); !put) return put;
    }
    if (cost.messages != 0) {
        t.message = std::move(message);
        t.message_charged = true;
    }
    if (cost.recipients == 0) return {};
    if (!t.recipients.empty() && t.recipients.back().slots == recipients.slots) {
        t.recipients.back().count += cost.recipients;
    } else {
        t.recipients.push_back(std::move(recipients));
    }
    return {};
}

result<void> ledger::refund(transaction_record& t, std::uint32_t count) {
    std::vector<charge> back;
    while (count > 0 && !t.recipients.empty()) {
        auto& oldest = t.recipients.front();
        const auto part = std::min(count, oldest.count);
        back.push_back({part, oldest.slots});
        count -= part;
        oldest.count -= part;
        if (oldest.count == 0) t.recipients.erase(t.recipients.begin());
    }
    if (t.recipients.empty() && t.message_charged) {
        back.push_back(std::move(t.message));
        t.message = {};
        t.message_charged = false;
    }
    return give_back(t, back);
}

result<void> ledger::give_back(const transaction_record& t, const std::vector<charge>& charges) {
    for (std::size_t account = 0; account < t.accounts.size(); ++account) {
        const auto& [key, born] = t.accounts[account];
        const auto value = txn_.get(key);
        auto record = value ? account_record::decode(*value) : std::nullopt;
        if (!record || record->born != born) continue; // reset since: what was charged is forgotten already
        bool changed = false;
        for (const auto& c : charges) {
            for (const auto& s : c.slots) {
                const auto& line = t.lines[s.line];
                auto* w = line.account == account ? record->find(line.unit, line.period) : nullptr;
                if (w == nullptr) continue;
                w->window.refund(s.slot, c.count);
                changed = true;
            }
        }
        if (!changed) continue;
        if (auto put = txn_.put(key, record->encode()); !put) return put;
    }
    return {};
}

} // namespace postsluice::state
