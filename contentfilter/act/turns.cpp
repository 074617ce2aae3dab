// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/turns.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;

std::unique_ptr<turns::turn> turns::take(const std::string& name) {
    const std::lock_guard guard{mutex_};
    if (!taken_.try_emplace(name).second) return nullptr;
    return std::make_unique<turn>(weak_from_this(), name);
}

asio::awaitable<turns::turn> turns::wait(std::shared_ptr<turns> all, std::string name) {
    const auto executor = co_await asio::this_coro::executor;
    for (;;) {
        timer_ptr timer;
        {
            const std::lock_guard guard{all->mutex_};
            if (all->closed_) throw boost::system::system_error{asio::error::operation_aborted};
            const auto [at, free] = all->taken_.try_emplace(name);
            if (free) break;
            timer = std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
            at->second.push_back(timer);
        }
        co_await timer->async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return turn{all, std::move(name)};
}

void turns::end(const std::string& name) {
    std::list<timer_ptr> waiting;
    {
        const std::lock_guard guard{mutex_};
        const auto at = taken_.find(name);
        if (at == taken_.end()) return;
        waiting = std::move(at->second);
        taken_.erase(at);
    }
    wake(waiting);
}

void turns::close() {
    std::list<timer_ptr> waiting;
    {
        const std::lock_guard guard{mutex_};
        closed_ = true;
        for (auto& [name, some] : taken_)
            waiting.splice(waiting.end(), some);
    }
    wake(waiting);
}

// Posted: on the one thread of its executor a waiter is asleep by the time that this runs.
void turns::wake(const std::list<timer_ptr>& waiting) {
    for (const auto& timer : waiting)
        asio::post(timer->get_executor(), [timer] { timer->cancel(); });
}

} // namespace postsluice::contentfilter::act
