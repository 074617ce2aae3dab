// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/server.hpp"

#include "shared/daemon/vital.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/socket.h>
#include <utility>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

server::server(asio::any_io_executor executor, service& of)
    : executor_{executor}
    , strand_{asio::make_strand(executor)}
    , service_{of}
    , most_{of.settings()->contentfilter.max_connections}
    , room_{strand_, asio::steady_timer::time_point::max()}
    , give_up_{strand_} {}

void server::listen(int descriptor, smtp::protocol speaks, way in) {
    listeners_.push_back(
        std::make_shared<listener>(listener{net::acceptor{strand_, descriptor}, {speaks, in}, descriptor}));
}

void server::start() {
    for (const auto& one : listeners_)
        asio::co_spawn(strand_, accept_all(shared_from_this(), one), daemon::vital{"accepting"});
}

asio::awaitable<void> server::wait_for_room(std::shared_ptr<server> self) {
    bool told = false;
    while (self->sessions_.size() >= self->most_ && !self->stopping_) {
        if (!std::exchange(told, true))
            log::warning("connections wait: contentfilter.max_connections reached").kv("connections", self->most_);
        co_await self->room_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

asio::awaitable<void> server::accept_all(std::shared_ptr<server> self, std::shared_ptr<listener> at) {
    for (;;) {
        co_await wait_for_room(self);
        const asio::any_io_executor own = asio::make_strand(self->executor_);
        auto connection = co_await at->from.accept(own);
        if (!connection) {
            if (!self->stopping_) log::error("no longer accepting").kv("why", connection.error().message());
            co_return;
        }
        try {
            auto made = self->make_session(std::move(*connection), at->through);
            if (self->stopping_) made->stop();
            self->begin(std::move(made), own);
        } catch (const std::exception& e) { // a library without memory, or a defect
            log::error("connection failed").kv("why", e.what());
        }
    }
}

server::session_ptr server::make_session(net::stream connection, entrance through) {
    return std::make_shared<session>(std::move(connection), through, service_);
}

void server::begin(session_ptr made, asio::any_io_executor own) {
    const auto number = next_number_++;
    ++service_.of().counts.connections;
    sessions_.emplace(number, std::pair{made, own});
    open_ = sessions_.size();
    try {
        asio::co_spawn(own, run_session(shared_from_this(), number, std::move(made)),
                       daemon::vital{"the end of a connection"});
    } catch (...) {
        sessions_.erase(number);
        open_ = sessions_.size();
        throw;
    }
}

// Whom the kernel has let in already would see his connection break, and Postfix would put the whole destination on
// hold for that.
void server::serve_backlog(const listener& at) {
    while (sessions_.size() < most_) {
        const int fd = ::accept4(at.descriptor, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) return;
        sockaddr_storage address{};
        socklen_t length = sizeof address;
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
        const asio::any_io_executor own = asio::make_strand(executor_);
        auto made =
            make_session(net::stream{own, asio::generic::stream_protocol{address.ss_family, 0}, fd}, at.through);
        made->stop();
        begin(std::move(made), own);
    }
}

asio::awaitable<void> server::run_session(std::shared_ptr<server> self, std::uint64_t number, session_ptr what) {
    try {
        co_await what->run();
    } catch (const std::exception& e) { // a library without memory, or a defect: this connection's, not the daemon's
        log::error("connection failed").kv("why", e.what());
    }
    what.reset();
    asio::post(self->strand_, [self, number] { self->ended(number); });
}

void server::ended(std::uint64_t number) {
    // A stream and its timer belong to the session's strand, to the last.
    if (auto at = sessions_.extract(number)) asio::post(at.mapped().second, [what = std::move(at.mapped().first)] {});
    open_ = sessions_.size();
    room_.cancel();
    if (stopping_ && sessions_.empty()) finish();
}

void server::stop(std::function<void()> done) {
    asio::post(strand_,
               [self = shared_from_this(), done = std::move(done)]() mutable { self->begin_stop(std::move(done)); });
}

void server::begin_stop(std::function<void()> done) {
    if (stopping_) return;
    stopping_ = true;
    done_ = std::move(done);
    for (const auto& [number, one] : sessions_)
        asio::post(one.second, [what = one.first] { what->stop(); });
    for (const auto& one : listeners_) {
        serve_backlog(*one);
        one->from.close();
    }
    room_.cancel();
    if (sessions_.empty()) {
        finish();
        return;
    }
    give_up_.expires_after(service_.settings()->contentfilter.stop_timeout);
    give_up_.async_wait([self = shared_from_this()](const boost::system::error_code& problem) {
        if (problem) return;
        log::warning("stopping without an answer to some").kv("connections", self->sessions_.size());
        self->finish();
    });
}

void server::finish() {
    give_up_.cancel();
    if (auto done = std::exchange(done_, nullptr)) done();
}

} // namespace postsluice::contentfilter
