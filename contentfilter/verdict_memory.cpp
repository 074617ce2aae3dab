// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/verdict_memory.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <stdexcept>
#include <utility>

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

asio::awaitable<std::optional<verdict_memory::remembered>> verdict_memory::ask(std::string key,
                                                                               steady::time_point deadline) {
    const auto executor = co_await asio::this_coro::executor;
    while (steady::now() < deadline) {
        waiter wait;
        {
            const std::lock_guard guard{mutex_};
            forget_old(steady::now());
            const auto [at, first] = entries_.try_emplace(key);
            if (first) {
                at->second.since = steady::now();
                co_return std::nullopt;
            }
            if (at->second.known) co_return at->second.known;
            wait = std::make_shared<one_waiting>(asio::steady_timer{executor, deadline}, std::nullopt);
            at->second.waiting.push_back(wait);
        }
        (void)co_await wait->until.async_wait(asio::as_tuple(asio::use_awaitable));
        const std::lock_guard guard{mutex_};
        if (wait->told) co_return wait->told;
    }
    throw std::runtime_error{"another slice of the message has no verdict yet"};
}

void verdict_memory::tell(const std::string& key, remembered what) {
    std::vector<waiter> waiting;
    {
        const std::lock_guard guard{mutex_};
        auto& e = entries_[key];
        const bool fresh = !e.known.has_value();
        e.known = std::move(what);
        waiting.swap(e.waiting);
        if (fresh) {
            e.since = steady::now();
            order_.emplace_back(e.since, key);
        }
    }
    wake(waiting);
}

bool verdict_memory::first_to_strike(const std::string& key) {
    const std::lock_guard guard{mutex_};
    const auto at = entries_.find(key);
    return at == entries_.end() || !std::exchange(at->second.struck, true); // forgotten: the state's own rules count
}

void verdict_memory::not_struck(const std::string& key) {
    const std::lock_guard guard{mutex_};
    if (const auto at = entries_.find(key); at != entries_.end()) at->second.struck = false;
}

void verdict_memory::tell_waiting(const std::string& key, const remembered& what) {
    end_waiting(key, what);
}

void verdict_memory::give_up(const std::string& key) {
    end_waiting(key, std::nullopt);
}

void verdict_memory::end_waiting(const std::string& key, const std::optional<remembered>& what) {
    std::vector<waiter> waiting;
    {
        const std::lock_guard guard{mutex_};
        const auto at = entries_.find(key);
        if (at == entries_.end() || at->second.known) return;
        waiting.swap(at->second.waiting);
        entries_.erase(at);
        for (const auto& one : waiting)
            one->told = what;
    }
    wake(waiting);
}

// A timer belongs to its waiter's executor: it is ended there, and only after the wait on it has begun.
void verdict_memory::wake(std::vector<waiter>& waiting) {
    for (auto& one : waiting)
        asio::post(one->until.get_executor(), [one] { one->until.cancel(); });
}

void verdict_memory::forget_old(steady::time_point now) {
    while (!order_.empty() && (order_.size() > most_ || now - order_.front().first > keep_)) {
        const auto at = entries_.find(order_.front().second);
        if (at != entries_.end() && at->second.known && at->second.since == order_.front().first) entries_.erase(at);
        order_.pop_front();
    }
}

} // namespace postsluice::contentfilter
