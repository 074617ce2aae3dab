// SPDX-License-Identifier: Apache-2.0
#include "policyd/service.hpp"

#include "shared/auth/batv.hpp"
#include "shared/config/limit_language.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

constexpr std::size_t swept_at_once = 200; // one write transaction in a request's way: well under a millisecond
constexpr int sweeps_at_most = 50; // a second: 10,000 records, so that they go as fast as busy servers make them
constexpr int thorough_every = 30; // seconds

std::uint64_t requests(const counters& all) noexcept {
    return all.rcpt + all.data + all.end_of_message + all.other;
}

} // namespace

service::service(parts of)
    : of_{std::move(of)}
    , started_{of_.time.now()} {}

result<void> service::load_overrides() {
    if (of_.overrides == nullptr) {
        return {};
    }
    auto all = of_.overrides->all(of_.time.now());
    if (!all) {
        return all.error();
    }
    std::erase_if(*all, [](auto& one) {
        auto what = config::parse_limit(one.text);
        if (!what) {
            log::error("override not understood: it does not hold")
                .kv("account", one.account)
                .kv("limit", one.text)
                .kv("why", what.error().detail);
            return true;
        }
        one.what = std::move(*what);
        return false;
    });
    of_.asks.limits().load(std::move(*all));
    return {};
}

std::vector<config::config_error> service::reload() {
    auto errors = of_.configuration.reload();
    if (errors.empty()) {
        const auto now_in_force = of_.configuration.get();
        of_.asks.use(now_in_force);
        use_batv(now_in_force->batv);
        log::open("postsluice-policyd", now_in_force->log.destination, now_in_force->log.level);
        log::info("configuration reloaded");
        return errors;
    }
    for (const auto& one : errors) {
        log::error("configuration").kv("error", one.message());
    }
    log::error("configuration not reloaded: the old one stays in force").kv("errors", errors.size());
    return errors;
}

asio::awaitable<void> service::tend() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    daemon::rest_watch memory;
    for (int second = 0;; ++second) {
        co_await tend_once(second % thorough_every == 0);
        if (second % settings()->policyd.rest_interval.count() == 0) {
            look_for_rest(memory);
        }
        timer.expires_after(seconds{1});
        const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error) {
            co_return;
        }
    }
}

void service::look_for_rest(daemon::rest_watch& memory) {
    const auto asked = requests(of_.asks.counts());
    if (!memory.came_to_rest(asked, settings()->policyd.rest_requests)) {
        return;
    }
    daemon::give_memory_back();
    log::debug("came to rest").kv("requests", asked);
}

asio::awaitable<void> service::tend_once(bool thoroughly) {
    for (int n = 0; n < sweeps_at_most; ++n) {
        const auto swept = co_await of_.accounts.sweep(swept_at_once);
        if (!swept) {
            log::warning("sweep failed").kv("why", swept.error().message());
        }
        if (!swept || *swept < swept_at_once) {
            break;
        }
    }
    misplacement_.look(of_.time.now(), *settings(), of_.asks.counts(), of_.asks.hooks());
    if (!thoroughly) {
        co_return;
    }
    rotate_ticket_key();
    if (of_.trends != nullptr) {
        const auto dropped = co_await of_.trends->sweep(swept_at_once);
        if (!dropped) {
            log::warning("trends not swept").kv("why", dropped.error().message());
        }
    }
    const auto over = co_await of_.store.expire(settings()->state.history_retention);
    if (!over) {
        log::warning("locks not looked at").kv("why", over.error().message());
        co_return;
    }
    for (const auto& one : *over) {
        log::info("lock over")
            .kv("account", one.account)
            .kv("now", to_string(one.lock.kind))
            .kv("cause", one.lock.cause);
    }
}

void service::use_batv(const config::batv_settings& settings) {
    if (of_.batv == nullptr) {
        return;
    }
    if (const auto used = of_.batv->use(settings); !used) {
        log::error("BATV keys: the old ones stay in use").kv("why", used.error().message());
    }
}

void service::rotate_ticket_key() {
    const auto& of = settings()->policyd;
    const auto changed = of_.tickets.rotate(of_.time.now(), of.ticket_key_rotation, of.ticket_key_retention);
    if (!changed) {
        log::error("ticket key not rotated: the old one stays in use").kv("why", changed.error().message());
    } else if (*changed) {
        log::info("ticket key rotated");
    }
}

} // namespace postsluice::policyd
