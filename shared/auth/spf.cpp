// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/spf.hpp"

#include "shared/auth/spf_process.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <ostream>
#include <unordered_map>

namespace postsluice::auth {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

std::string_view to_string(spf_result what) noexcept {
    constexpr std::array<std::string_view, 7> names = {"none",     "neutral",   "pass",     "fail",
                                                       "softfail", "temperror", "permerror"};
    return names[static_cast<std::size_t>(what)];
}

std::ostream& operator<<(std::ostream& out, spf_result what) {
    return out << to_string(what);
}

struct spf_checker::impl : std::enable_shared_from_this<impl> {
    /// An evaluation under way in the background; whoever needs it waits on `done`.
    struct work {
        explicit work(const asio::any_io_executor& on)
            : done{on, steady::time_point::max()} {}
        asio::steady_timer done;
        std::optional<spf_verdict> got;
    };
    struct memory {
        spf_verdict what;
        steady::time_point since, until;
    };
    /// Takes a helper for one evaluation and gives it back, whatever happens.
    struct lease {
        impl& owner;
        spf_process& held;
        lease(impl& o, spf_process& h)
            : owner{o}
            , held{h} {
            held.busy = true;
        }
        ~lease() {
            held.busy = false;
            if (!owner.waiting.empty()) {
                owner.waiting.front()->cancel();
            }
        }
        lease(const lease&) = delete;
        lease& operator=(const lease&) = delete;
    };

    impl(asio::any_io_executor on, config::spf_settings settings, spf_lookup ask,
         std::function<steady::time_point()> clock)
        : executor{std::move(on)}
        , how{std::move(settings)}
        , lookup{std::move(ask)}
        , now_is{std::move(clock)} {
        for (std::size_t i = 0; i < helpers; ++i) {
            processes.emplace_back(executor, how, lookup);
        }
    }

    static std::string key_of(const std::string& domain, const ip_address& address) {
        return to_lower(domain) + ' ' + address.to_string();
    }
    void remember(const std::string& key, const spf_verdict& what);
    std::shared_ptr<work> begin(const std::string& domain, const ip_address& address);
    asio::awaitable<result<spf_verdict>> run(spf_question what);
    static asio::awaitable<spf_verdict> evaluate(std::shared_ptr<impl> self, spf_question what);
    static asio::awaitable<void> in_background(std::shared_ptr<impl> self, spf_question what, std::string key,
                                               std::shared_ptr<work> job);

    asio::any_io_executor executor;
    config::spf_settings how;
    spf_lookup lookup;
    std::function<steady::time_point()> now_is;
    std::deque<spf_process> processes;
    std::deque<asio::steady_timer*> waiting;
    std::unordered_map<std::string, memory> kept;
    std::unordered_map<std::string, std::shared_ptr<work>> under_way;
};

void spf_checker::impl::remember(const std::string& key, const spf_verdict& what) {
    if (kept.size() >= how.cache_entries) {
        kept.clear();
    }
    const auto now = now_is();
    const auto keep = what.result == spf_result::temperror ? std::min(temperror_kept, how.cache_time) : how.cache_time;
    kept.insert_or_assign(key, memory{what, now, now + keep});
}

// One helper's answer; waits for a helper that is free.
asio::awaitable<result<spf_verdict>> spf_checker::impl::run(spf_question what) {
    const auto patience = steady::now() + how.timeout;
    for (;;) {
        const auto free = std::ranges::find_if(processes, [](const spf_process& p) { return !p.busy; });
        if (free != processes.end()) {
            const lease held{*this, *free};
            co_return co_await free->evaluate(std::move(what), how.timeout);
        }
        if (steady::now() >= patience) {
            co_return failure{errc::timed_out, "no SPF helper was free"};
        }
        if (waiting.size() >= most_waiting) {
            co_return failure{errc::unavailable, "too many SPF evaluations wait"};
        }
        asio::steady_timer turn{executor, patience};
        waiting.push_back(&turn);
        (void)co_await turn.async_wait(asio::as_tuple(asio::use_awaitable));
        std::erase(waiting, &turn);
    }
}

asio::awaitable<spf_verdict> spf_checker::impl::evaluate(std::shared_ptr<impl> self, spf_question what) {
    const bool plain = what.sender.empty() && what.helo.empty();
    const std::string key = key_of(what.domain, what.address);
    const auto got = co_await self->run(std::move(what));
    const auto out = got ? *got : spf_verdict{spf_result::temperror, got.error().message()};
    if (plain) {
        self->remember(key, out);
    }
    co_return out;
}

asio::awaitable<void> spf_checker::impl::in_background(std::shared_ptr<impl> self, spf_question what, std::string key,
                                                       std::shared_ptr<work> job) {
    job->got = co_await evaluate(self, std::move(what));
    self->under_way.erase(key);
    job->done.cancel();
}

std::shared_ptr<spf_checker::impl::work> spf_checker::impl::begin(const std::string& domain,
                                                                  const ip_address& address) {
    std::string key = key_of(domain, address);
    if (const auto at = under_way.find(key); at != under_way.end()) {
        return at->second;
    }
    auto job = std::make_shared<work>(executor);
    under_way.emplace(key, job);
    spf_question what{domain, address, {}, {}};
    asio::co_spawn(executor, in_background(shared_from_this(), std::move(what), std::move(key), job), asio::detached);
    return job;
}

spf_checker::spf_checker(asio::any_io_executor executor, config::spf_settings how, spf_lookup lookup,
                         std::function<steady::time_point()> now)
    : impl_{std::make_shared<impl>(std::move(executor), std::move(how), std::move(lookup), std::move(now))} {}

spf_checker::~spf_checker() {
    for (auto& one : impl_->processes) {
        one.end();
    }
}

asio::awaitable<result<void>> spf_checker::start() {
    const auto self = impl_;
    co_return co_await self->processes.front().ensure_running(self->how.timeout);
}

std::optional<spf_verdict> spf_checker::recall(const std::string& domain, const ip_address& address) {
    const auto at = impl_->kept.find(impl::key_of(domain, address));
    const auto now = impl_->now_is();
    if (at == impl_->kept.end() || at->second.until <= now) {
        (void)impl_->begin(domain, address);
        return std::nullopt;
    }
    auto out = at->second.what;
    if (now - at->second.since > (at->second.until - at->second.since) / 2) {
        (void)impl_->begin(domain, address);
    }
    return out;
}

asio::awaitable<spf_verdict> spf_checker::check(spf_question what) {
    if (auto known = recall(what.domain, what.address)) {
        co_return std::move(*known);
    }
    const auto job = impl_->begin(what.domain, what.address); // recall began it
    while (!job->got) {
        (void)co_await job->done.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return *job->got;
}

asio::awaitable<spf_verdict> spf_checker::evaluate(spf_question what) {
    co_return co_await impl::evaluate(impl_, std::move(what));
}

std::vector<pid_t> spf_checker::processes() const {
    std::vector<pid_t> out;
    for (const auto& one : impl_->processes) {
        out.push_back(one.pid());
    }
    return out;
}

namespace {

ip_address last_of(const ip_address& first, std::size_t prefix) {
    auto bytes = first.bytes();
    const std::size_t bits = first.is_v4() ? 32 : 128;
    for (std::size_t bit = prefix; bit < bits; ++bit) {
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | (0x80U >> (bit % 8)));
    }
    return ip_address::from_bytes(bytes, first.is_v4());
}

} // namespace

std::vector<ip_address> spf_probes(const std::vector<ip_network>& networks) {
    std::vector<ip_address> out;
    const auto add = [&out](const ip_address& one) {
        if (std::ranges::find(out, one) == out.end()) {
            out.push_back(one);
        }
    };
    for (const auto& network : networks) {
        const std::string text = network.to_string();
        const auto slash = text.find('/');
        const auto first = ip_address::parse(std::string_view{text}.substr(0, slash));
        if (!first) {
            continue;
        }
        std::size_t prefix = first->is_v4() ? 32 : 128;
        if (slash != std::string::npos) {
            std::from_chars(text.data() + slash + 1, text.data() + text.size(), prefix);
        }
        add(*first);
        add(last_of(*first, prefix));
    }
    return out;
}

} // namespace postsluice::auth
