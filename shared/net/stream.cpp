// SPDX-License-Identifier: Apache-2.0
#include "shared/net/address.hpp"
#include "shared/net/deadline.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace postsluice::net {

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

failure failed(const boost::system::error_code& problem, bool expired) {
    if (expired) return {errc::timed_out, {}};
    return {errc::closed, problem == asio::error::eof ? std::string{} : problem.message()};
}

} // namespace

stream::~stream() {
    if (!watch_) return;
    watch_->waiting = nullptr;
    watch_->timer.cancel(); // its handler holds the watch until then
}

// The timer goes on by itself where it fires too early for what is then waiting, and rests where nothing waits.
void stream::watch::arm() {
    armed = true;
    armed_for = due;
    timer.expires_at(due);
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& problem) {
        if (!problem) self->fired();
    });
}

void stream::watch::fired() {
    armed = false;
    if (!waiting) return;
    if (std::chrono::steady_clock::now() < due) return arm();
    expired = true;
    boost::system::error_code ignored;
    waiting->cancel(ignored);
}

stream::watch& deadline_scope::watch_of(stream& socket) {
    if (!socket.watch_) socket.watch_ = std::make_shared<stream::watch>(socket.get_executor());
    return *socket.watch_;
}

deadline_scope::deadline_scope(stream& socket, std::chrono::milliseconds timeout)
    : watch_{watch_of(socket)} {
    watch_.waiting = &socket;
    watch_.expired = false;
    watch_.due = std::chrono::steady_clock::now() + timeout;
    if (!watch_.armed || watch_.armed_for > watch_.due) watch_.arm();
}

asio::awaitable<result<std::size_t>> read_some(stream& from, asio::mutable_buffer buffer,
                                               std::chrono::milliseconds timeout) {
    const deadline_scope deadline{from, timeout};
    const auto [problem, size] = co_await from.async_read_some(buffer, as_result);
    if (problem) co_return failed(problem, deadline.expired());
    co_return size;
}

asio::awaitable<result<void>> write_all(stream& to, asio::const_buffer bytes, std::chrono::milliseconds timeout) {
    // An answer nearly always fits the socket's buffer: then no wait, and no deadline, is needed.
    const auto sent = ::send(to.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        co_return failure{errc::closed, std::strerror(errno)};
    }
    if (sent > 0) bytes += static_cast<std::size_t>(sent);
    if (bytes.size() == 0) co_return result<void>{};
    const deadline_scope deadline{to, timeout};
    const auto [problem, size] = co_await asio::async_write(to, bytes, as_result);
    if (problem) co_return failed(problem, deadline.expired());
    co_return result<void>{};
}

bool is_readable(stream& connection) {
    char octet = 0;
    const auto got = ::recv(connection.native_handle(), &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

namespace {

result<stream> new_socket(const asio::any_io_executor& executor, int family) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return failure{errc::internal, std::string{"socket: "} + std::strerror(errno)};
    const int on = 1;
    if (family != AF_UNIX) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return stream{executor, asio::generic::stream_protocol{family, 0}, fd};
}

// A unix socket whose backlog is full says EAGAIN and cannot be waited for: it is asked again, a little later. (Asio
// would take the unconnected socket's writability for success.)
asio::awaitable<result<void>> connect_unix(stream& socket, const socket_address& to,
                                           std::chrono::milliseconds timeout) {
    const auto due = std::chrono::steady_clock::now() + timeout;
    asio::steady_timer pause{socket.get_executor()};
    while (::connect(socket.native_handle(), to.get(), to.length) != 0) {
        const int number = errno;
        if (number != EAGAIN && number != EINTR) {
            const errc code = from_errno(number);
            co_return failure{code == errc::not_found ? errc::unavailable : code, std::strerror(number)};
        }
        if (std::chrono::steady_clock::now() >= due) co_return failure{errc::timed_out, "the backlog is full"};
        pause.expires_after(std::chrono::milliseconds{10});
        co_await pause.async_wait(as_result);
    }
    co_return result<void>{};
}

asio::awaitable<result<void>> connect_inet(stream& socket, const socket_address& to,
                                           std::chrono::milliseconds timeout) {
    const deadline_scope deadline{socket, timeout};
    const asio::generic::stream_protocol::endpoint peer{to.get(), to.length, 0};
    const auto [problem] = co_await socket.async_connect(peer, as_result);
    if (deadline.expired()) co_return failure{errc::timed_out, {}};
    if (!problem) co_return result<void>{};
    co_return failure{from_errno(problem.value()), problem.message()};
}

} // namespace

asio::awaitable<result<stream>> connect(endpoint where, std::chrono::milliseconds timeout) {
    const auto executor = co_await asio::this_coro::executor;
    const auto to = to_socket_address(where);
    auto socket = new_socket(executor, to.family());
    if (!socket) co_return socket.error();
    result<void> connected;
    if (where.kind == endpoint::family::unix_socket) {
        connected = co_await connect_unix(*socket, to, timeout);
    } else {
        connected = co_await connect_inet(*socket, to, timeout);
    }
    if (!connected) co_return failure{connected.error().code, where.to_string() + ": " + connected.error().detail};
    co_return *std::move(socket);
}

} // namespace postsluice::net
