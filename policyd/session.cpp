// SPDX-License-Identifier: Apache-2.0
#include "policyd/session.hpp"

#include "shared/log/log.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

bool would_block(int error) noexcept {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

} // namespace

session::session(net::stream socket, net::ready_set& all, std::uint64_t number, pipeline& asks, const bounds& within,
                 const tick& now)
    : socket_{socket.release()}
    , asks_{asks}
    , within_{within}
    , now_{now}
    , input_{within.protocol} {
    speaker_.number = number;
    ready_.emplace(all, socket_.get());
}

asio::awaitable<void> session::run() {
    const auto how = co_await serve();
    ready_.reset();
    socket_.close();
    if (how == ending::by_postfix) {
        co_await asks_.abandon(speaker_);
    }
}

void session::stop() {
    stopping_ = true;
    if (reading_) { // then it drains; a reply under way is written to its end
        ready_->cancel();
    }
}

void session::look_at_clock() {
    if (deadline_ != never && now_ > deadline_) {
        expired_ = true;
        deadline_ = never;
        ready_->cancel();
    }
}

asio::awaitable<session::ending> session::serve() {
    for (;;) {
        const auto step = input_.next();
        if (!step) {
            co_return violated(step.error());
        }
        outcome then = outcome::go_on;
        if (*step == protocol_machine::step::want_input) {
            then = co_await read();
        } else {
            const auto what = read_request(input_.current());
            if (!what) {
                co_return violated(what.error());
            }
            const decision answer = co_await asks_.answer(*what, speaker_);
            const bool plain = answer.kind == decision_kind::dunno;
            const std::string text = plain ? std::string{} : to_wire(answer);
            std::string_view wire = plain ? dunno_on_wire : std::string_view{text};
            then = reply_at_once(wire);
            if (then == outcome::go_on && !wire.empty()) {
                then = co_await reply_rest(wire);
            }
        }
        if (then != outcome::go_on) {
            co_return then == outcome::by_postfix ? ending::by_postfix : ending::by_us;
        }
    }
}

// Stopping: what Postfix has sent already is answered; nothing is waited for.
asio::awaitable<session::outcome> session::read() {
    const auto patience = input_.idle() ? within_.idle : within_.stalled;
    for (;;) {
        if (readable_ || stopping_) {
            const auto then = read_at_once();
            if (then == outcome::go_on && readable_) { // others' turn, where one has much to say
                co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
            }
            if (then != outcome::nothing) {
                co_return then;
            }
        }
        if (stopping_) {
            co_return outcome::by_us;
        }
        readable_ = ready_->take();
        if (!readable_) {
            reading_ = true;
            start_clock(patience);
            readable_ = co_await ready_->wait();
            stop_clock();
            reading_ = false;
        }
        if (!readable_ && (!stopping_ || expired_)) {
            co_return late();
        }
    }
}

/// look_at_clock() ends the wait that comes now, and that stop_clock() follows, after `patience`.
void session::start_clock(tick patience) noexcept {
    deadline_ = now_ + patience;
    expired_ = false;
}

void session::stop_clock() noexcept {
    deadline_ = never;
}

session::outcome session::read_at_once() {
    const auto room = input_.prepare();
    ssize_t got = 0;
    do
        got = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0 && would_block(errno)) {
        readable_ = false;
        return outcome::nothing;
    }
    if (got <= 0) {
        return outcome::by_postfix; // end of stream, reset
    }
    const auto octets = static_cast<std::size_t>(got);
    readable_ = octets == room.size() || ready_->hung_up();
    input_.commit(octets);
    return outcome::go_on;
}

// A reply nearly always fits in the socket's buffer: one system call, no wait. Leaves in `wire` what did not.
session::outcome session::reply_at_once(std::string_view& wire) {
    const auto written = ::send(socket_.get(), wire.data(), wire.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written < 0) {
        return would_block(errno) ? outcome::go_on : outcome::by_postfix; // broken pipe
    }
    wire.remove_prefix(static_cast<std::size_t>(written));
    return outcome::go_on;
}

// Who sends, and does not take, gains no time by that.
asio::awaitable<session::outcome> session::reply_rest(std::string_view rest) {
    for (auto patience = within_.stalled; !rest.empty();) {
        const auto began = now_;
        start_clock(patience);
        const bool room = co_await ready_->wait_for_room();
        stop_clock();
        if (!room) {
            co_return late();
        }
        readable_ = true; // it may have been that
        patience -= std::min(patience, now_ - began);
        if (const auto then = reply_at_once(rest); then != outcome::go_on) {
            co_return then;
        }
    }
    co_return outcome::go_on;
}

session::outcome session::late() {
    log::info("idle connection closed").kv("connection", speaker_.number).kv("instance", speaker_.current.id.instance);
    return outcome::by_us;
}

session::ending session::violated(const failure& why) {
    ++asks_.counts().violations;
    log::warning("policy request refused: closing without a reply")
        .kv("connection", speaker_.number)
        .kv("client", net::peer_of(socket_.get()).address)
        .kv("why", why.message());
    return ending::by_us;
}

} // namespace postsluice::policyd
