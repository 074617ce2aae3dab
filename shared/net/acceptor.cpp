// SPDX-License-Identifier: Apache-2.0
#include "shared/log/log.hpp"
#include "shared/net/address.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace postsluice::net {

struct acceptor::impl {
    using socket_type = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

    impl(asio::any_io_executor executor, int family, int fd)
        : socket{executor, asio::generic::stream_protocol{family, 0}, fd}
        , pause{executor} {}

    void report(const boost::system::error_code& problem) {
        const auto now = std::chrono::steady_clock::now();
        if (reported && now - *reported < std::chrono::minutes{1}) return;
        reported = now;
        log::warning("connections wait, none can be accepted").kv("why", problem.message());
    }

    socket_type socket;
    asio::steady_timer pause;
    std::optional<std::chrono::steady_clock::time_point> reported;
};

namespace {

int family_of(int fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    return ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0 ? address.ss_family : AF_UNIX;
}

// What only concerns the connection that was about to be accepted (accept(2)).
bool is_passing(const boost::system::error_code& problem) {
    switch (problem.value()) {
    case ECONNABORTED:
    case EINTR:
    case EPERM:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

} // namespace

acceptor::acceptor(asio::any_io_executor executor, int listening_descriptor)
    : impl_{std::make_unique<impl>(std::move(executor), family_of(listening_descriptor), listening_descriptor)} {}
acceptor::~acceptor() = default;
acceptor::acceptor(acceptor&&) noexcept = default;
acceptor& acceptor::operator=(acceptor&&) noexcept = default;

asio::awaitable<result<stream>> acceptor::accept(asio::any_io_executor for_connection) {
    constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
    for (;;) {
        if (!impl_->socket.is_open()) co_return failure{errc::closed, "the listener is closed"};
        auto [problem, socket] = co_await impl_->socket.async_accept(for_connection, as_result);
        if (!problem) {
            stream out{std::move(socket)};
            const int on = 1;
            if (impl_->socket.local_endpoint().protocol().family() != AF_UNIX) {
                ::setsockopt(out.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            }
            co_return std::move(out);
        }
        if (problem == asio::error::operation_aborted || problem == asio::error::bad_descriptor) {
            co_return failure{errc::closed, "the listener is closed"};
        }
        if (is_passing(problem)) continue;
        impl_->report(problem);
        impl_->pause.expires_after(std::chrono::milliseconds{100});
        co_await impl_->pause.async_wait(as_result);
    }
}

void acceptor::close() noexcept {
    if (!impl_) return;
    boost::system::error_code ignored;
    impl_->socket.close(ignored);
    impl_->pause.cancel();
}

} // namespace postsluice::net
