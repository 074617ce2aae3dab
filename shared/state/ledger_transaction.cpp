// SPDX-License-Identifier: Apache-2.0
// Transactions: how they are found, refunded and settled.
#include "shared/state/known_recipients.hpp"
#include "shared/state/ledger.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

namespace postsluice::state {
namespace {

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

bool goes_with_recipients(limit_unit unit) noexcept {
    return unit == limit_unit::recipients || unit == limit_unit::new_recipients ||
           unit == limit_unit::external_recipients;
}

// A message that Postfix has not queued has no queue ID, and its client hears what the filter says.
bool can_be_taken_back(const transaction_record& t) noexcept {
    return t.data_seen && t.queue_id.empty() && !t.final_charge;
}

// Of each window that recipients were charged to, what is certain to be among `count` of them, whichever they were.
std::vector<charge_line> certain_part(transaction_record& t, std::uint32_t count) {
    std::vector<charge_line> back;
    for (std::size_t i = 0; i < t.lines.size(); ++i) {
        const auto first = t.lines[i];
        const auto same = [&first](const charge_line& o) { return o.same_window(first); };
        const auto here = t.lines.begin() + static_cast<std::ptrdiff_t>(i);
        if (!goes_with_recipients(first.unit) || std::any_of(t.lines.begin(), here, same)) continue;
        std::uint64_t total = 0;
        for (const auto& line : t.lines)
            if (same(line)) total += line.count;
        const auto others = t.charged - std::min<std::uint64_t>(t.charged, total);
        auto certain = count - std::min<std::uint64_t>(count, others);
        for (auto& line : t.lines) {
            if (!same(line)) continue;
            const auto part = std::min(certain, line.count);
            if (part == 0) continue;
            auto piece = line;
            piece.count = part;
            line.count -= part;
            certain -= part;
            back.push_back(piece);
        }
    }
    return back;
}

} // namespace

transaction_key ledger::key_of(const transaction_id& id) const {
    const auto hash = hash_key('T', secret_, {id.server, id.instance});
    auto time = time_of(id.instance);
    if (std::endian::native == std::endian::little) time = __builtin_bswap64(time);
    transaction_key out;
    out.octets[0] = hash[0];
    std::memcpy(out.octets.data() + 1, &time, sizeof time);
    std::copy(hash.begin() + 1, hash.end(), out.octets.begin() + 9);
    return out;
}

std::optional<transaction_record> ledger::load(std::string_view key) {
    const auto value = txn_.get(key);
    if (!value) return std::nullopt;
    std::optional<transaction_record> t{std::in_place};
    if (!transaction_record::decode(*value, *t)) {
        remarks_.push_back({"damaged transaction record dropped", {}});
        return std::nullopt;
    }
    if (t->lease_until > now_ + options_.lease) {
        remarks_.push_back({"lease from the future clamped", {}});
        t->lease_until = now_ + options_.lease;
    }
    return t;
}

result<void> ledger::save(std::string_view key, transaction_record& t) {
    t.lease_until = now_ + options_.lease;
    t.encode(scratch_);
    return txn_.put(key, scratch_);
}

result<void> ledger::refund(transaction_record& t, std::uint32_t count) {
    if (count < t.charged) {
        const auto back = certain_part(t, count);
        t.charged -= count;
        return give_back(t, back);
    }
    const auto lines = std::exchange(t.lines, {});
    if (auto gone = unsee(t); !gone) return gone;
    t.seen.clear();
    t.charged = 0;
    t.message_charged = false;
    return give_back(t, lines);
}

result<void> ledger::give_back(const transaction_record& t, std::span<const charge_line> lines) {
    for (std::size_t k = 0; k < t.keys.size(); ++k) {
        const auto ours = [&](const charge_line& l) { return l.key == k && l.period != 0 && l.count != 0; };
        if (std::none_of(lines.begin(), lines.end(), ours)) continue;
        const auto value = txn_.get(view(t.keys[k].key));
        account_record record;
        std::string_view name;
        if (!value || !account_record::decode(*value, record, &name)) continue;
        if (record.born != t.keys[k].born) continue; // reset since: what was charged is forgotten already
        const std::string kept{name};
        for (const auto& line : lines) {
            auto* stored = ours(line) ? record.find(line.unit, seconds{line.period}) : nullptr;
            if (stored == nullptr) continue;
            stored->window.refund(line.slot, line.count);
        }
        if (auto put = put_account(t.keys[k].key, record, kept); !put) return put;
    }
    return {};
}

// What nobody has seen since is forgotten, or was last seen when it was before us.
result<void> ledger::unsee(const transaction_record& t) {
    for (auto at = t.seen.rbegin(); at != t.seen.rend(); ++at) {
        const auto& key = t.keys[at->key];
        const seconds period{at->period};
        auto set = load_set(key.key, key.born, at->unit, period);
        auto* known = set.find(at->hash);
        if (known == nullptr || known->seen != at->at) continue;
        if (at->before != 0)
            known->seen = at->before;
        else
            set.entries.erase(set.entries.begin() + (known - set.entries.data()));
        if (auto put = txn_.put(distinct_key(key.key, at->unit, period), set.encode()); !put) return put;
    }
    return {};
}

// The lines say afterwards what is charged.
result<void> ledger::settle_bytes(transaction_record& t, std::uint64_t size) {
    boost::container::small_vector<charge_line, 2> more;
    for (auto& line : t.lines) {
        if (line.unit != limit_unit::bytes || line.period == 0 || line.count == size) continue;
        const auto& [db_key, born] = t.keys[line.key];
        const auto value = txn_.get(view(db_key));
        account_record record;
        std::string_view name;
        if (!value || !account_record::decode(*value, record, &name) || record.born != born) continue;
        const std::string kept{name};
        auto* stored = record.find(line.unit, seconds{line.period});
        if (stored == nullptr) continue;
        if (size > line.count) {
            auto debt = line;
            debt.count = size - line.count;
            debt.slot = stored->window.charge(now_, stored->length(), debt.count);
            more.push_back(debt);
        } else {
            stored->window.refund(line.slot, line.count - size);
            line.count = size;
        }
        if (auto put = put_account(db_key, record, kept); !put) return put;
    }
    t.lines.insert(t.lines.end(), more.begin(), more.end());
    return {};
}

// Leaves in `hashes` those that were new.
result<void> ledger::learn_recipients(transaction_record& t) {
    decltype(t.hashes) fresh;
    if (t.learns && !t.keys.empty()) {
        const auto& account = t.keys.front().key;
        for (const auto hash : t.hashes) {
            if (can_be_taken_back(t) && !knows_recipient(txn_, account, hash)) fresh.push_back(hash);
            if (auto known = learn_recipient(txn_, account, hash, options_.known_recipients); !known) return known;
        }
    }
    t.hashes = std::move(fresh);
    return {};
}

result<void> ledger::settle(transaction_record& t, std::optional<std::uint64_t> size) {
    if (size)
        if (auto done = settle_bytes(t, *size); !done) return done;
    if (auto done = learn_recipients(t); !done) return done;
    t.invalid.clear();
    if (can_be_taken_back(t)) return {};
    t.keys.clear();
    t.lines.clear();
    t.seen.clear();
    return {};
}

result<void> ledger::take_back(transaction_record& t) {
    if (t.settled && t.learns && !t.keys.empty()) {
        for (const auto hash : t.hashes)
            if (auto gone = unlearn_recipient(txn_, t.keys.front().key, hash); !gone) return gone;
    }
    return refund(t, t.charged);
}

} // namespace postsluice::state
