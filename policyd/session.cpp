// SPDX-License-Identifier: Apache-2.0
#include "policyd/session.hpp"

#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

constexpr auto waiting = asio::as_tuple(asio::use_awaitable);

bool would_block(const boost::system::error_code& error) noexcept {
    return error == asio::error::would_block || error == asio::error::try_again;
}

} // namespace

session::session(net::stream socket, std::uint64_t number, pipeline& asks, const bounds& within, const tick& now)
    : socket_{std::move(socket)}
    , asks_{asks}
    , within_{within}
    , now_{now}
    , input_{within.protocol} {
    speaker_.number = number;
    boost::system::error_code ignored; // a descriptor that cannot be set fails at the first read
    socket_.non_blocking(true, ignored);
}

asio::awaitable<void> session::run() {
    const auto how = co_await serve();
    boost::system::error_code ignored;
    socket_.close(ignored);
    if (how == ending::by_postfix) {
        co_await asks_.abandon(speaker_);
    }
}

void session::stop() {
    stopping_ = true;
    if (reading_) { // then it drains; a reply under way is written to its end
        boost::system::error_code ignored;
        socket_.cancel(ignored);
    }
}

void session::look_at_clock() {
    if (deadline_ != never && now_ > deadline_) {
        expired_ = true;
        deadline_ = never;
        boost::system::error_code ignored;
        socket_.cancel(ignored);
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
            then = stopping_ ? drain() : outcome::go_on;
            if (!stopping_) {
                then = co_await read();
            }
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

asio::awaitable<session::outcome> session::read() {
    const auto room = input_.prepare();
    deadline_ = now_ + (input_.idle() ? within_.idle : within_.stalled);
    expired_ = false;
    reading_ = true;
    const auto [error, octets] = co_await socket_.async_read_some(asio::buffer(room.data(), room.size()), waiting);
    reading_ = false;
    deadline_ = never;
    if (error) {
        co_return after(error);
    }
    input_.commit(octets);
    co_return outcome::go_on;
}

// Stopping: what Postfix has sent already is answered; nothing is waited for.
session::outcome session::drain() {
    const auto room = input_.prepare();
    boost::system::error_code error;
    const auto octets = socket_.read_some(asio::buffer(room.data(), room.size()), error);
    if (error) {
        return would_block(error) ? outcome::by_us : after(error);
    }
    input_.commit(octets);
    return outcome::go_on;
}

// A reply nearly always fits in the socket's buffer: one system call, no wait. Leaves in `wire` what did not.
session::outcome session::reply_at_once(std::string_view& wire) {
    boost::system::error_code error;
    const auto written = socket_.write_some(asio::buffer(wire.data(), wire.size()), error);
    if (error) {
        return would_block(error) ? outcome::go_on : after(error);
    }
    wire.remove_prefix(written);
    return outcome::go_on;
}

asio::awaitable<session::outcome> session::reply_rest(std::string_view rest) {
    deadline_ = now_ + within_.stalled;
    expired_ = false;
    const auto [error, octets] = co_await asio::async_write(socket_, asio::buffer(rest.data(), rest.size()), waiting);
    deadline_ = never;
    co_return error ? after(error) : outcome::go_on;
}

session::outcome session::after(const boost::system::error_code& error) {
    if (error != asio::error::operation_aborted) {
        return outcome::by_postfix; // end of stream, reset, broken pipe
    }
    if (stopping_ && !expired_) {
        return outcome::go_on; // back to the loop, which drains
    }
    log::info("idle connection closed").kv("connection", speaker_.number).kv("instance", speaker_.current.id.instance);
    return outcome::by_us;
}

session::ending session::violated(const failure& why) {
    ++asks_.counts().violations;
    log::warning("policy request refused: closing without a reply")
        .kv("connection", speaker_.number)
        .kv("client", net::peer_of(socket_).address)
        .kv("why", why.message());
    return ending::by_us;
}

} // namespace postsluice::policyd
