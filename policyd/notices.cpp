// SPDX-License-Identifier: Apache-2.0
#include "policyd/notices.hpp"

#include "policyd/lock_hook_command.hpp"
#include "shared/core/random.hpp"
#include "shared/log/log.hpp"
#include "shared/relay/relay.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

// g++ 12 takes Asio's own operator new and delete of coroutine frames for a mismatched pair once they are inlined (GCC
// PR 109224).
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

constexpr std::size_t at_once = 50;

relay::content_source once(std::string text) {
    return [text = std::move(text), given = false]() mutable -> result<std::string> {
        return std::exchange(given, true) ? std::string{} : std::move(text);
    };
}

/// Why the next hop did not take it; empty where it did.
std::string refusal_of(const smtp::transaction_result& from) {
    const auto replies = smtp::outcomes(from);
    if (!replies.empty() && replies.front().ok()) {
        return {};
    }
    if (from.failure) {
        return *from.failure;
    }
    return replies.empty() ? std::string{"no reply"} : replies.front().text();
}

} // namespace

notices::notices(notice_outbox& from, const clock& time, std::function<config::settings_ptr()> settings)
    : from_{from}
    , clock_{time}
    , settings_{std::move(settings)} {}

asio::awaitable<void> notices::run() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (;;) {
        const seconds wait = co_await round();
        timer.expires_after(wait);
        const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error) {
            co_return;
        }
    }
}

asio::awaitable<seconds> notices::round() {
    const auto settings = settings_();
    auto all = from_.waiting(at_once);
    if (!all) {
        log::warning("notices cannot be read").kv("why", all.error().message());
        co_return last_retry;
    }
    if (all->empty()) {
        co_return look_every;
    }
    for (const auto& one : *all) {
        if (!wants_notice(*settings, one.account)) {
            (void)co_await from_.sent(one.id);
        }
    }
    std::erase_if(*all, [&settings](const auto& one) { return !wants_notice(*settings, one.account); });
    if (settings->abuse_address.empty()) {
        for (const auto& one : *all) {
            co_await drop(one, "no abuse_address is configured");
        }
        co_return look_every;
    }
    const bool well = co_await deliver(*all, *settings);
    if (well) {
        retry_ = seconds{0};
        co_return look_every;
    }
    retry_ = retry_ == seconds{0} ? first_retry : std::min(2 * retry_, last_retry);
    co_return retry_;
}

// True where everything that waited is gone from the outbox.
asio::awaitable<bool> notices::deliver(const std::vector<state::notice>& all, const config::settings& settings) {
    const auto where = net::endpoint::parse(settings.policyd.notice_via);
    if (!where) {
        log::error("policyd.notice_via is no address").kv("why", where.error().message());
        co_return false;
    }
    smtp::client_options options;
    options.hostname = settings.hostname;
    relay::relay_connection connection{*where, options};
    const auto to = mail_address::from_internal(settings.abuse_address);
    bool well = true;
    for (const auto& one : all) {
        const std::string text = render_notice(one, settings, clock_.now(), new_reference());
        relay::mail what;
        what.envelope = smtp::make_envelope({}, {to});
        what.size = text.size();
        what.content = once(text);
        const auto done = co_await connection.deliver(std::move(what));
        const std::string why = refusal_of(done);
        if (why.empty()) {
            log::info("notice sent")
                .kv("account", one.account)
                .kv("event", to_string(one.event.kind))
                .kv("to", settings.abuse_address);
            const auto gone = co_await from_.sent(one.id);
            well = well && gone;
            continue;
        }
        log::warning("notice not sent")
            .kv("account", one.account)
            .kv("via", settings.policyd.notice_via)
            .kv("why", why);
        if (clock_.now() - one.event.at > give_up_after) {
            co_await drop(one, "older than a queue's life");
            continue;
        }
        well = false;
        (void)co_await from_.failed(one.id);
        if (done.failure) { // the next hop, not this notice
            break;
        }
    }
    co_await connection.quit();
    co_return well;
}

asio::awaitable<void> notices::drop(const state::notice& what, std::string_view why) {
    log::warning("notice dropped").kv("account", what.account).kv("event", to_string(what.event.kind)).kv("why", why);
    const auto gone = co_await from_.sent(what.id);
    if (!gone) {
        log::warning("notice stays in the outbox").kv("account", what.account).kv("why", gone.error().message());
    }
}

} // namespace postsluice::policyd
