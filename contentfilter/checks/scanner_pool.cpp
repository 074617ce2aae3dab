// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/scanner_pool.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using std::chrono::milliseconds;

scanner_pool::~scanner_pool() = default;

scanner_pool::lease::lease(lease&& other) noexcept
    : pool_{std::exchange(other.pool_, nullptr)}
    , due_{other.due_}
    , held_{std::move(other.held_)} {}

scanner_pool::lease::~lease() {
    if (!pool_) return;
    --pool_->busy_;
    if (!pool_->waiting_.empty()) pool_->waiting_.front()->cancel();
}

milliseconds scanner_pool::lease::left() const {
    const auto rest = std::chrono::duration_cast<milliseconds>(due_ - steady::now());
    return std::max(rest, milliseconds{1});
}

void scanner_pool::lease::keep() {
    if (pool_->how_.idle.count() == 0 || !held_) return;
    ++held_->requests;
    held_->idle_since = steady::now();
    pool_->idle_.push_back(std::move(*held_));
    held_.reset();
}

std::optional<scanner_pool::connection> scanner_pool::take_idle() {
    while (!idle_.empty()) {
        auto last = std::move(idle_.back()); // the one used last: the others grow old and are dropped
        idle_.pop_back();
        if (steady::now() - last.idle_since < how_.idle && !net::is_readable(last.socket)) return last;
    }
    return std::nullopt;
}

asio::awaitable<result<scanner_pool::lease>> scanner_pool::take(bool fresh) {
    const auto due = steady::now() + how_.timeout;
    while (busy_ >= how_.connections) {
        if (steady::now() >= due) co_return failure{errc::timed_out, how_.name + ": no connection was free"};
        if (waiting_.size() >= max_waiting) co_return failure{errc::unavailable, how_.name + ": too many wait for it"};
        asio::steady_timer turn{co_await asio::this_coro::executor, due};
        waiting_.push_back(&turn);
        co_await turn.async_wait(asio::as_tuple(asio::use_awaitable));
        std::erase(waiting_, &turn);
    }
    lease out{*this, due};
    if (!fresh) out.held_ = take_idle();
    if (!out.held_) {
        auto made = co_await net::connect(how_.where, std::min(how_.connect_timeout, out.left()));
        if (!made)
            co_return failure{made.error().code,
                              how_.name + " at " + how_.where.to_string() + ": " + made.error().message()};
        out.held_.emplace(connection{std::move(*made), 0, {}});
    }
    co_return out;
}

} // namespace postsluice::contentfilter
