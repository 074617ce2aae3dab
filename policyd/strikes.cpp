// SPDX-License-Identifier: Apache-2.0
#include "policyd/strikes.hpp"

#include "policyd/limit_book.hpp"
#include "shared/account/locks.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <limits>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

constexpr std::size_t struck_most = 4096;

/// Reasons of refusals that are counted as strikes, one for each recipient. Limits have their own rules.
struct source {
    std::string_view reason;
    strike_kind kind;
};
constexpr std::array sources{source{"recipient-invalid", strike_kind::invalid_recipients}};

/// The smallest number of strikes of a kind that locks; 0: none does.
std::uint32_t least_of(const lock_policy& policy, strike_kind kind) {
    std::uint32_t least = 0;
    for (const auto& trigger : policy.after) {
        if (trigger.kind == kind && (least == 0 || trigger.count < least)) {
            least = std::max<std::uint32_t>(trigger.count, 1);
        }
    }
    return least;
}

/// The limit that a refusal is about, an operator's for this account among them.
std::optional<limit> breached_limit(const rule_context& context, const decision& d) {
    const auto plan = plan_of(context);
    const auto at = std::ranges::find_if(plan->all, [&](const limit& l) { return subject(l) == d.subject; });
    return at == plan->all.end() ? std::nullopt : std::optional{*at};
}

/// As only a thief uses an account.
bool tells_theft(const limit& l) {
    return l.unit == limit_unit::client_addresses || l.unit == limit_unit::client_networks;
}

/// What a limit that says "then lock" locks: what it counts under. The whole server is nobody's to lock.
std::string locked_by(const rule_context& context, const limit& l) {
    if (l.scope == limit_scope::account || l.scope == limit_scope::server) {
        return context.who.account;
    }
    const auto sender = mail_address::from_internal(context.what.sender);
    const auto key = account::scope_key(context.settings, l.scope, {context.who, context.what.client_address, sender});
    return key.value_or(context.who.account);
}

void log_escaped(std::exception_ptr error) noexcept {
    if (!error) {
        return;
    }
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        log::error("a strike was not written").kv("why", e.what());
    } catch (...) {
        log::error("a strike was not written");
    }
}

std::uint32_t add(std::uint32_t a, std::uint32_t b) noexcept {
    return a + std::min(b, std::numeric_limits<std::uint32_t>::max() - a);
}

} // namespace

strikes::strikes(asio::any_io_executor executor, lock_book& locks)
    : executor_{std::move(executor)}
    , locks_{locks}
    , timer_{executor_} {}

void strikes::refused(const rule_context& context, const decision& d) {
    if (d.reference.empty()) {
        return; // it could not even be recorded
    }
    if (d.why == reason::limit) {
        reached_limit(context, d);
        return;
    }
    if (d.why == reason::trend) {
        if (context.profile.trend.action == limit_action::lock) {
            lock_at_once(context, d, {context.who.account, strike_kind::stolen_password}, "trend: " + d.subject);
        }
        return;
    }
    const auto at = std::ranges::find_if(sources, [&](const source& s) { return s.reason == to_string(d.why); });
    if (at != sources.end()) {
        count(context, at->kind, 1, d.reference);
    }
}

void strikes::refused_by_others(const rule_context& context, std::uint32_t n) {
    if (n > 0) {
        count(context, strike_kind::invalid_recipients, n, {});
    }
}

// Once per incident, where the profile asks for it; a limit that locks needs no trigger, and each refusal may lock:
// somebody may have unlocked since.
void strikes::reached_limit(const rule_context& context, const decision& d) {
    const auto which = breached_limit(context, d);
    const bool locks = which && which->then == limit_action::lock;
    const auto kind = which && tells_theft(*which) ? strike_kind::stolen_password : strike_kind::limit;
    if (!locks && least_of(context.profile.lock, kind) == 0) {
        return;
    }
    if (struck_.size() >= struck_most) {
        struck_.clear(); // the digest still tells repetitions within the hour
    }
    if (!struck_.insert(d.reference).second && !locks) {
        return;
    }
    if (locks) {
        lock_at_once(context, d, {locked_by(context, *which), kind}, to_string(*which));
        return;
    }
    strike what{kind, context.now, 1, d.subject + ' ' + d.reference, d.reference};
    spawn(write_one({context.who.account, kind}, std::move(what), context.profile.lock));
}

// Without a trigger.
void strikes::lock_at_once(const rule_context& context, const decision& d, subject of, std::string cause) {
    if (!writing_.insert(of).second) {
        return;
    }
    lock_policy policy = context.profile.lock;
    policy.at_once = std::move(cause);
    strike what{of.second, context.now, 1, d.subject + ' ' + d.reference, d.reference};
    spawn(write_one(std::move(of), std::move(what), std::move(policy)));
}

void strikes::count(const rule_context& context, strike_kind kind, std::uint32_t n, const std::string& reference) {
    const auto enough = least_of(context.profile.lock, kind);
    subject of{context.who.account, kind};
    if (enough == 0 || (pending_.size() >= most_pending && !pending_.contains(of))) {
        return;
    }
    sum& total = pending_[of];
    total.weight = add(total.weight, n);
    total.reference = reference.empty() ? std::move(total.reference) : reference;
    total.policy = context.profile.lock;
    if (total.weight >= enough && !writing_.contains(of)) {
        sum due = std::move(total);
        pending_.erase(of);
        write(std::move(of), std::move(due));
    } else if (!std::exchange(timing_, true)) {
        spawn(write_later());
    }
}

void strikes::write(subject of, sum what) {
    writing_.insert(of);
    strike one{of.second, instant::max(), what.weight, {}, std::move(what.reference)}; // the store says when: now
    spawn(write_one(std::move(of), std::move(one), std::move(what.policy)));
}

void strikes::spawn(asio::awaitable<void> what) {
    asio::co_spawn(executor_, std::move(what), &log_escaped);
}

asio::awaitable<void> strikes::write_later() {
    timer_.expires_after(gather);
    const auto [error] = co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    timing_ = false;
    if (error) {
        co_return;
    }
    for (auto& [of, what] : std::exchange(pending_, {})) {
        write(of, std::move(what));
    }
}

asio::awaitable<void> strikes::write_one(subject of, strike what, lock_policy policy) {
    const bool gathered = what.digest.empty();
    const auto weight = what.weight;
    const std::string reference = what.reference;
    const auto done = co_await locks_.add(of.first, std::move(what), policy);
    writing_.erase(of);
    if (!done) {
        log::warning("strike not recorded")
            .kv("account", of.first)
            .kv("kind", to_string(of.second))
            .kv("weight", weight)
            .kv("why", done.error().message());
        const bool again = gathered && (pending_.size() < most_pending || pending_.contains(of));
        if (again) { // with the next ones
            sum& total = pending_[of];
            total.weight = add(total.weight, weight);
            total.reference = reference;
            total.policy = std::move(policy);
            if (!std::exchange(timing_, true)) {
                spawn(write_later());
            }
        }
        co_return;
    }
    for (const auto& event : done->events) {
        log::warning("lock")
            .kv("account", of.first)
            .kv("event", to_string(event.kind))
            .kv("cause", event.cause)
            .kv("ref", event.reference);
    }
}

} // namespace postsluice::policyd
