// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/service.hpp"

#include "contentfilter/act/pseudonyms.hpp"
#include "shared/auth/batv.hpp"
#include "shared/daemon/memory.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

namespace {
constexpr seconds tend_every{5};
constexpr int thorough_every = 12; // times that
constexpr seconds ask_every{1};    // whether a key's record is due
constexpr std::size_t forgotten_at_once = 10'000;
} // namespace

service::service(parts of)
    : of_{std::move(of)}
    , started_{of_.time.now()}
    , hops_{std::make_shared<const act::next_hops>(of_.executor, settings())}
    , published_{of_.executor, of_.time, of_.look_up}
    , refunds_{of_.time, *settings()}
    , flow_{{of_.time, of_.accounts, of_.events, of_.passed, of_.kept, of_.checks,
             [this](const std::string& address) { return hops()->of(address); }, [this] { return keys(); }, of_.counts,
             of_.maps, of_.batv, &published_, of_.pseudonyms, of_.recipients, of_.campaigns, of_.handed_over,
             of_.verdicts}} {
    load_keys(settings());
}

std::vector<std::string> service::load_keys(config::settings_ptr by) {
    const std::lock_guard alone{loading_keys_};
    keys_by_ = std::move(by);
    return load_keys_again();
}

std::vector<std::string> service::load_keys_again() {
    const auto before = keys();
    auto loaded = auth::key_table::load(keys_by_->dkim, before.get());
    for (const auto& one : loaded.errors)
        log::error("dkim key").kv("error", one);
    log::info("dkim keys loaded").kv("keys", loaded.table->all().size()).kv("errors", loaded.errors.size());
    published_.watch(*loaded.table, keys_by_->dkim);
    keys_ = std::move(loaded.table);
    keys_watched_ = of_.time.now();
    const std::lock_guard guard{mutex_};
    key_errors_ = loaded.errors;
    return loaded.errors;
}

void service::watch_keys() {
    if (of_.time.now() < keys_watched_.load() + settings()->dkim.watch_interval) return;
    const std::unique_lock alone{loading_keys_, std::try_to_lock};
    if (alone) load_changed_keys(); // else others are looking
}

void service::look_at_keys() {
    const std::lock_guard alone{loading_keys_};
    load_changed_keys();
}

void service::load_changed_keys() {
    keys_watched_ = of_.time.now();
    if (keys()->changed_on_disk()) (void)load_keys_again();
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
            const auto hops = std::make_shared<const act::next_hops>(of_.executor, now, this->hops().get());
            of_.reload_checks(*now);
            if (of_.batv != nullptr) {
                if (const auto taken = of_.batv->use(now->batv); !taken)
                    throw std::runtime_error{"batv.key_file: " + taken.error().message()};
            }
            if (of_.pseudonyms != nullptr) {
                if (const auto taken = of_.pseudonyms->use(now->contentfilter); !taken)
                    throw std::runtime_error{"contentfilter.identity_key_file: " + taken.error().message()};
            }
            const auto old = hops_.exchange(hops);
            for (const auto& [address, one] : old->all())
                if (hops->of(address) != one) one->tend(true);
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
    out.key_errors = load_keys(now);
    of_.kept.use(now->quarantine);
    if (now->contentfilter.listen != before->contentfilter.listen)
        log::warning("contentfilter.listen takes effect at the next start");
    log::info("configuration reloaded");
    return out;
}

asio::awaitable<void> service::tend_quarantine() {
    if (const auto done = co_await of_.kept.expire(); !done)
        log::warning("quarantine not expired").kv("why", done.error().message());
    if (of_.pseudonyms != nullptr) {
        if (const auto done = of_.pseudonyms->rotate(); !done)
            log::error("identity: no new key").kv("why", done.error().message());
    }
    const auto oldest = of_.time.now() - settings()->state.history_retention;
    if (const auto done = of_.events.forget_before(oldest, forgotten_at_once); !done)
        log::warning("events not forgotten").kv("why", done.error().message());
    const auto left = of_.time.now() - settings()->contentfilter.passage_memory;
    if (const auto done = of_.passed.forget_before(left, forgotten_at_once); !done)
        log::warning("passages not forgotten").kv("why", done.error().message());
    if (of_.handed_over != nullptr) {
        if (const auto done = of_.handed_over->forget_before(left, forgotten_at_once); !done)
            log::warning("handovers not forgotten").kv("why", done.error().message());
    }
    if (const auto done = of_.tries.forget_before(left); !done)
        log::warning("tries not forgotten").kv("why", done.error().message());
}

namespace {
constexpr seconds look_for_due_every{5};
constexpr std::size_t released_at_once = 100;
} // namespace

// A message waits here for its next hop, and none of those behind it for longer than that.
asio::awaitable<void> service::release_held() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    const act::quarantine::sender send = [this](message_ptr what, std::string token) {
        return flow_.release_in_time(std::move(what), std::move(token));
    };
    for (;;) {
        const auto done = co_await of_.kept.release_due(settings(), send, released_at_once);
        if (!done) log::warning("quarantine: what is due is not known").kv("why", done.error().message());
        const bool more = done && *done == released_at_once;
        timer.expires_after(more ? seconds{0} : look_for_due_every);
        const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error) co_return;
    }
}

asio::awaitable<void> service::ask_about_keys() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (;;) {
        co_await published_.ask_due(settings());
        timer.expires_after(ask_every);
        const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error) co_return;
    }
}

asio::awaitable<void> service::give_memory_back() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    daemon::rest_watch memory;
    for (;;) {
        const auto bounds = settings();
        if (const auto messages = of_.counts.messages.load();
            memory.came_to_rest(messages, bounds->contentfilter.rest_messages)) {
            daemon::give_memory_back();
            log::debug("came to rest").kv("messages", messages);
        }
        timer.expires_after(bounds->contentfilter.rest_interval);
        const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error) co_return;
    }
}

asio::awaitable<void> service::tend() {
    const auto executor = co_await asio::this_coro::executor;
    asio::co_spawn(executor, ask_about_keys(), [](std::exception_ptr error) {
        if (error) log::error("keys are not asked about any more");
    });
    asio::co_spawn(executor, give_memory_back(), [](std::exception_ptr error) {
        if (error) log::error("free memory is not given back any more");
    });
    asio::steady_timer timer{executor};
    co_await hop()->probe();
    for (int round = 0;; ++round) {
        for (const auto hops = this->hops(); const auto& [address, one] : hops->all())
            one->tend();
        watch_keys();
        auto now = settings();
        co_await refunds_.ask_again(now);
        co_await misplacement_.look(of_.time.now(), std::move(now), of_.counts);
        if (round % thorough_every == 0) co_await tend_quarantine();
        timer.expires_after(tend_every);
        const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error) co_return;
    }
}

} // namespace postsluice::contentfilter
