// SPDX-License-Identifier: Apache-2.0
#include "policyd/server.hpp"

#include "shared/core/random.hpp"
#include "shared/daemon/vital.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

constexpr tick complain_every = 60;

void log_escaped(std::exception_ptr error) noexcept {
    if (!error) {
        return;
    }
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        log::error("connection failed").kv("why", e.what());
    } catch (...) {
        log::error("connection failed");
    }
}

// Accounting remembers by number which connection last spoke for a transaction, across our restarts: so numbers go on
// from a random place, and a connection of an earlier life is never taken for one of this.
std::uint64_t first_number() {
    std::uint64_t n = 0;
    const auto octets = random_bytes(sizeof n);
    std::memcpy(&n, octets.data(), sizeof n);
    return n >> 1U;
}

session::bounds bounds_of(const config::policyd_settings& s) {
    session::bounds out;
    out.protocol = {static_cast<std::size_t>(s.max_line.value), static_cast<std::size_t>(s.max_request.value),
                    s.max_attributes};
    out.idle = static_cast<tick>(s.idle_timeout.count());
    return out;
}

} // namespace

server::server(asio::io_context& context, pipeline& asks, const config::policyd_settings& settings)
    : context_{context}
    , asks_{asks}
    , bounds_{bounds_of(settings)}
    , most_{settings.max_connections}
    , stop_timeout_{settings.stop_timeout}
    , timer_{context}
    , next_number_{first_number()}
    , ready_{context.get_executor()} {}

void server::listen(int descriptor) {
    acceptors_.push_back(std::make_shared<net::acceptor>(context_.get_executor(), descriptor));
}

void server::start() {
    for (const auto& acceptor : acceptors_) {
        asio::co_spawn(context_, accept_all(acceptor), daemon::vital{"accepting"});
    }
    asio::co_spawn(context_, count_seconds(), daemon::vital{"time-outs"});
}

asio::awaitable<void> server::accept_all(std::shared_ptr<net::acceptor> from) {
    for (;;) {
        auto connection = co_await from->accept(context_.get_executor());
        if (!connection) {
            if (connection.error().code != errc::closed) {
                log::error("no longer accepting").kv("why", connection.error().message());
            }
            co_return;
        }
        ++asks_.counts().connections;
        if (sessions_.size() >= most_ || done_) {
            turn_away(std::move(*connection));
            continue;
        }
        try {
            begin(std::move(*connection));
        } catch (const std::exception& e) { // a library without memory, or a defect
            log::error("connection failed").kv("why", e.what());
        }
    }
}

void server::begin(net::stream connection) {
    const auto number = next_number_++;
    auto made = std::make_shared<session>(std::move(connection), ready_, number, asks_, bounds_, now_);
    const auto at = sessions_.emplace(number, made).first;
    try {
        asio::co_spawn(context_, run_session(std::move(made)), &log_escaped);
    } catch (...) {
        sessions_.erase(at);
        throw;
    }
}

asio::awaitable<void> server::run_session(std::shared_ptr<session> what) {
    try {
        co_await what->run();
    } catch (const std::exception& e) { // a library without memory, or a defect: this connection's, not the daemon's
        log::error("connection failed").kv("connection", what->number()).kv("why", e.what());
    }
    sessions_.erase(what->number());
    if (done_ && sessions_.empty()) {
        finish();
    }
}

// Postfix retries once after a second, then applies its default_action: a tempfail.
void server::turn_away(net::stream connection) {
    boost::system::error_code ignored;
    connection.close(ignored);
    ++asks_.counts().turned_away;
    if (complained_ == 0 || now_ - complained_ >= complain_every) {
        complained_ = std::max<tick>(now_, 1);
        log::warning("connection refused: policyd.max_connections reached").kv("connections", sessions_.size());
    }
}

asio::awaitable<void> server::count_seconds() {
    for (;;) {
        timer_.expires_after(seconds{1});
        const auto [error] = co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error) {
            co_return;
        }
        ++now_;
        for (const auto& [number, one] : sessions_) {
            one->look_at_clock();
        }
        if (now_ > give_up_ && done_) {
            log::warning("stopping without an answer to some").kv("connections", sessions_.size());
            finish();
        }
    }
}

void server::stop(std::function<void()> done) {
    if (done_) {
        return;
    }
    done_ = std::move(done);
    give_up_ = now_ + static_cast<tick>(stop_timeout_.count());
    for (const auto& acceptor : acceptors_) {
        acceptor->close();
    }
    for (const auto& [number, one] : sessions_) {
        one->stop();
    }
    if (sessions_.empty()) {
        finish();
    }
}

void server::finish() {
    give_up_ = ~tick{0};
    timer_.cancel();
    if (auto done = std::exchange(done_, [] {})) {
        done();
    }
}

} // namespace postsluice::policyd
