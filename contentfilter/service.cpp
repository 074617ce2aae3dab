// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/service.hpp"

#include "shared/auth/batv.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

namespace {
constexpr seconds tend_every{5};
constexpr int thorough_every = 12; // times that
constexpr std::size_t forgotten_at_once = 10'000;
} // namespace

service::service(parts of)
    : of_{std::move(of)}
    , started_{of_.time.now()}
    , hop_{std::make_shared<act::next_hop>(of_.executor, *settings())}
    , flow_{{of_.time, of_.accounts, of_.events, of_.passed, of_.tries, of_.kept, of_.checks, [this] { return hop(); },
             [this] { return keys(); }, of_.counts, of_.maps, of_.batv}} {
    load_keys(*settings());
}

std::vector<std::string> service::load_keys(const config::settings& settings) {
    const auto before = keys();
    auto loaded = auth::key_table::load(settings.dkim, before.get());
    for (const auto& one : loaded.errors)
        log::error("dkim key").kv("error", one);
    log::info("dkim keys loaded").kv("keys", loaded.table->all().size()).kv("errors", loaded.errors.size());
    keys_ = std::move(loaded.table);
    keys_watched_ = of_.time.now();
    const std::lock_guard guard{mutex_};
    key_errors_ = loaded.errors;
    return loaded.errors;
}

void service::watch_keys() {
    const auto now = settings();
    if (of_.time.now() < keys_watched_.load() + now->dkim.watch_interval) return;
    const std::unique_lock alone{reloading_, std::try_to_lock};
    if (!alone) return; // a reload loads them
    keys_watched_ = of_.time.now();
    if (keys()->changed_on_disk()) load_keys(*now);
}

std::vector<std::string> service::key_errors() const {
    const std::lock_guard guard{mutex_};
    return key_errors_;
}

// Everything that can fail is built aside first; then all of it is put in force.
service::reload_outcome service::reload() {
    const std::lock_guard alone{reloading_};
    reload_outcome out;
    const auto before = settings();
    out.errors = of_.configuration.reload();
    const auto now = settings();
    if (out.errors.empty()) {
        try {
            auto hop = std::make_shared<act::next_hop>(of_.executor, *now);
            of_.reload_checks(*now);
            if (of_.batv != nullptr) {
                if (const auto taken = of_.batv->use(now->batv); !taken)
                    throw std::runtime_error{"batv.key_file: " + taken.error().message()};
            }
            if (hop->status().address != this->hop()->status().address ||
                now->contentfilter.next_hop_idle != before->contentfilter.next_hop_idle) {
                this->hop()->tend(true);
                hop_ = std::move(hop);
            }
        } catch (const std::exception& e) {
            of_.configuration.set(before);
            out.errors.push_back({"", 0, "", e.what()});
        }
    }
    for (const auto& one : out.errors)
        log::error("configuration").kv("error", one.message());
    if (!out.errors.empty()) {
        log::error("configuration not reloaded: the old one stays in force").kv("errors", out.errors.size());
        return out;
    }
    out.key_errors = load_keys(*now);
    of_.kept.use(now->quarantine);
    if (now->contentfilter.listen != before->contentfilter.listen)
        log::warning("contentfilter.listen takes effect at the next start");
    log::info("configuration reloaded");
    return out;
}

asio::awaitable<void> service::tend_quarantine() {
    if (const auto done = co_await of_.kept.expire(); !done)
        log::warning("quarantine not expired").kv("why", done.error().message());
    const auto oldest = of_.time.now() - settings()->state.history_retention;
    if (const auto done = of_.events.forget_before(oldest, forgotten_at_once); !done)
        log::warning("events not forgotten").kv("why", done.error().message());
    const auto left = of_.time.now() - settings()->contentfilter.passage_memory;
    if (const auto done = of_.passed.forget_before(left, forgotten_at_once); !done)
        log::warning("passages not forgotten").kv("why", done.error().message());
    if (const auto done = of_.tries.forget_before(left, forgotten_at_once); !done)
        log::warning("tries not forgotten").kv("why", done.error().message());
}

asio::awaitable<void> service::tend() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    co_await hop()->probe();
    for (int round = 0;; ++round) {
        hop()->tend();
        watch_keys();
        if (round % thorough_every == 0) co_await tend_quarantine();
        timer.expires_after(tend_every);
        const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error) co_return;
    }
}

} // namespace postsluice::contentfilter
