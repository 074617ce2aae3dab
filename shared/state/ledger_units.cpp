// SPDX-License-Identifier: Apache-2.0
// What a request costs under a limit, and whether the limit lets it through.
#include "shared/core/text.hpp"
#include "shared/state/known_recipients.hpp"
#include "shared/state/ledger.hpp"

#include <algorithm>
#include <tuple>

namespace postsluice::state {
namespace {

bool below_or_same(std::string_view pattern, std::string_view domain) noexcept {
    if (!pattern.starts_with("*.")) return pattern == domain;
    const auto suffix = pattern.substr(1);
    return domain.size() > suffix.size() && domain.ends_with(suffix);
}

bool excepted(const limit& l, const counted_facts* facts) noexcept {
    return !l.except_to.empty() && facts != nullptr &&
           std::any_of(l.except_to.begin(), l.except_to.end(),
                       [&](const std::string& pattern) { return below_or_same(pattern, facts->recipient_domain); });
}

int gravity(limit_action action) noexcept {
    switch (action) {
    case limit_action::lock:
        return 4;
    case limit_action::reject:
        return 3;
    case limit_action::defer:
        return 2;
    case limit_action::hold:
        return 1;
    case limit_action::warn:
        break;
    }
    return 0;
}

// The units that may pass their limit: what is over it refuses the next one.
bool is_debt(const limit& l, const units& cost) noexcept {
    return (l.unit == limit_unit::invalid_recipients && cost.asks()) ||
           (l.unit == limit_unit::bytes && cost.messages != 0);
}

std::optional<limit_breach> check_in_message(const open_account& a, const limit& l, const transaction_record& t,
                                             const units& cost, instant now) {
    if (l.unit == limit_unit::bytes) {
        const auto size = cost.facts != nullptr ? cost.facts->size : 0;
        if (size <= l.count) return std::nullopt;
        return limit_breach{a.under->key, l, size, now};
    }
    const auto more = cost.under(l);
    std::uint64_t used = 0;
    for (const auto& line : t.lines)
        if (line.period == 0 && line.unit == l.unit) used += line.count;
    if (more == 0 || (more <= l.count && used <= l.count - more)) return std::nullopt;
    return limit_breach{a.under->key, l, used, now};
}

} // namespace

std::uint64_t units::under(const limit& l) const noexcept {
    switch (l.unit) {
    case limit_unit::messages:
        return messages;
    case limit_unit::recipients:
        return unasked + (recipients != 0 && !excepted(l, facts) ? recipients : 0);
    case limit_unit::external_recipients:
        return recipients != 0 && facts != nullptr && facts->external && !excepted(l, facts) ? recipients : 0;
    case limit_unit::new_recipients:
        return recipients != 0 && fresh && !excepted(l, facts) ? recipients : 0;
    case limit_unit::invalid_recipients:
        return invalid;
    case limit_unit::bytes:
        return messages != 0 && facts != nullptr ? facts->size : 0;
    case limit_unit::null_sender_messages:
        return messages != 0 && facts != nullptr && facts->sender.empty() ? messages : 0;
    default:
        return 0; // distinct counts are sets
    }
}

// The thing that a distinct count would see; false: nothing.
bool ledger::value_of(limit_unit unit, const units& cost, std::uint64_t& hash) const {
    const auto text = [&](std::string_view what) {
        if (what.empty()) return false;
        hash = hash_of(what);
        return true;
    };
    if (unit == limit_unit::distinct_recipients) {
        if (cost.recipients != 0) {
            hash = cost.recipient;
            return true;
        }
        return cost.unasked != 0 && text("postmaster");
    }
    if (cost.messages == 0 || cost.facts == nullptr) return false;
    const auto& facts = *cost.facts;
    switch (unit) {
    case limit_unit::client_addresses:
        return text(facts.client_address);
    case limit_unit::client_networks:
        return text(facts.client_network);
    case limit_unit::sender_addresses:
        return text(facts.sender);
    case limit_unit::sender_domains: {
        const auto at = facts.sender.rfind('@');
        return at != std::string::npos && text(std::string_view{facts.sender}.substr(at + 1));
    }
    default:
        return false;
    }
}

void keep_graver(std::optional<limit_breach>& worst, std::optional<limit_breach> other) {
    if (!other) return;
    const auto weight = [](const limit_breach& b) { return std::tuple{gravity(b.what.then), b.frees}; };
    if (!worst || weight(*other) > weight(*worst)) worst = std::move(other);
}

bool ledger::asks_for_new(const std::vector<counted_limits>& limits) noexcept {
    return std::any_of(limits.begin(), limits.end(),
                       [](const counted_limits& c) { return c.limits.counts(limit_unit::new_recipients); });
}

bool ledger::is_new(const open_accounts& accounts, std::uint64_t recipient) const {
    return !accounts.empty() && !knows_recipient(txn_, accounts.front().key, recipient);
}

// An account without history would be refused for whom it has always written to.
bool ledger::silent(const limit& l, const open_accounts& accounts) const noexcept {
    if (l.count == limit::unlimited) return true;
    if (l.unit != limit_unit::new_recipients || l.period.count() == 0) return false;
    const auto since = accounts.front().record.learns_since;
    return since == instant{} || now_ - since < options_.new_recipients_after;
}

std::optional<limit_breach> ledger::check_window(const open_account& a, std::size_t i, const units& cost) const {
    const auto& l = a.under->limits[i];
    const auto more = cost.under(l);
    const bool debt = is_debt(l, cost);
    if (more == 0 && !debt) return std::nullopt;
    const auto& window = a.record.windows[a.named[i]].window;
    const auto used = window.used(now_, l.period);
    const bool owes = debt && used > 0 && used >= l.count;
    if (!owes && more <= l.count && used <= l.count - more) return std::nullopt;
    // Where the limit is smaller than the cost it never fits; one period is what can be said.
    const auto frees = window.fits_at(now_, l.period, l.count, std::max<std::uint64_t>(more, 1));
    return limit_breach{a.under->key, l, used, frees.value_or(now_ + l.period)};
}

std::optional<limit_breach> ledger::check_distinct(const open_account& a, const limit& l, const units& cost) const {
    std::uint64_t hash = 0;
    if (!value_of(l.unit, cost, hash)) return std::nullopt;
    if (l.unit == limit_unit::distinct_recipients && cost.recipients != 0 && excepted(l, cost.facts))
        return std::nullopt;
    auto set = load_set(a.key, a.record.born, l.unit, l.period);
    const auto used = set.used(now_, l.period);
    const auto* known = set.find(hash);
    const bool there = known != nullptr && instant{milliseconds{known->seen}} > now_ - l.period;
    if (there || used < l.count) return std::nullopt;
    return limit_breach{a.under->key, l, used, set.fits_at(now_, l.period, l.count)};
}

std::optional<limit_breach> ledger::check(const open_accounts& accounts, const transaction_record& t,
                                          const units& cost) const {
    std::optional<limit_breach> worst;
    for (const auto& a : accounts) {
        for (std::size_t i = 0; i < a.under->limits.size(); ++i) {
            const auto& l = a.under->limits[i];
            if (silent(l, accounts)) continue;
            if (l.period.count() == 0)
                keep_graver(worst, check_in_message(a, l, t, cost, now_));
            else if (counts_distinct(l.unit))
                keep_graver(worst, check_distinct(a, l, cost));
            else
                keep_graver(worst, check_window(a, i, cost));
        }
    }
    return worst;
}

std::optional<limit_breach> ledger::held_by(const open_accounts& accounts, const transaction_record& t) const {
    std::optional<limit_breach> worst;
    for (const auto& a : accounts) {
        for (const auto& l : a.under->limits) {
            if (l.then != limit_action::hold || l.count == limit::unlimited) continue;
            if (l.period.count() == 0) {
                std::uint64_t used = 0;
                for (const auto& line : t.lines)
                    if (line.period == 0 && line.unit == l.unit) used += line.count;
                if (used >= l.count) keep_graver(worst, limit_breach{a.under->key, l, used, now_});
                continue;
            }
            const auto use = read_use(txn_, a.key, &a.record, l, now_);
            if (use.used >= l.count) keep_graver(worst, limit_breach{a.under->key, l, use.used, use.frees});
        }
    }
    return worst;
}

result<void> ledger::see(const open_account& a, std::uint8_t key, const limit& l, transaction_record& t,
                         const units& cost) {
    std::uint64_t hash = 0;
    if (l.count == limit::unlimited || !value_of(l.unit, cost, hash)) return {};
    if (l.unit == limit_unit::distinct_recipients && cost.recipients != 0 && excepted(l, cost.facts)) return {};
    auto set = load_set(a.key, a.record.born, l.unit, l.period);
    const auto before = set.see(hash, now_, l.period, std::max<std::uint64_t>(l.count, 1));
    const auto period = static_cast<std::uint32_t>(l.period.count());
    t.seen.push_back({key, l.unit, 0, period, hash, before, now_.time_since_epoch().count()});
    return txn_.put(distinct_key(a.key, l.unit, l.period), set.encode());
}

} // namespace postsluice::state
