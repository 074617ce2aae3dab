// SPDX-License-Identifier: Apache-2.0
// Where to listen or connect: "unix:/path", "inet:host:port" ("tcp:" is the same), "[v6]:port" inside; hosts are
// numeric, since a name could become another address while we run. Listening sockets are made here (directories must
// exist; a stale unix socket file whose owner is gone is replaced, a live one is errc::exists), or inherited from
// systemd (sd_listen_fds, matched by address). TCP sockets get TCP_NODELAY.
//
// Deadlines: each stream carries one timer. An operation notes when it is due and, most of the time, leaves the timer
// as it is armed; only when the timer fires does it look whether the operation then waiting is really late. So a read
// or write on the hot path costs a clock read, no timer. A stream, its operations and its timer belong to one executor
// (a strand where several threads run it); one read or write at a time.
#pragma once

#include "shared/core/result.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace postsluice::net {

namespace asio = boost::asio;

/// A connected socket with its deadline.
class stream : public asio::generic::stream_protocol::socket {
public:
    using socket_type = asio::generic::stream_protocol::socket;
    using socket_type::socket_type;
    stream(socket_type&& socket)
        : socket_type{std::move(socket)} {} // NOLINT(google-explicit-constructor)
    stream(stream&&) noexcept = default;
    stream& operator=(stream&&) noexcept = default;
    ~stream();

private:
    friend class deadline_scope;
    struct watch;
    std::shared_ptr<watch> watch_; // made with the first wait; the timer's handler shares it, never the stream
};

struct endpoint {
    enum class family { unix_socket, inet };
    family kind = family::unix_socket;
    std::string path;       ///< unix
    std::string host, port; ///< inet; numeric address
    [[nodiscard]] static result<endpoint> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const;
    bool operator==(const endpoint&) const = default;
};

/// A listening descriptor, non-blocking, close-on-exec; the caller owns it. `mode` is for unix sockets, and holds
/// before anybody can connect (a group is the caller's to set, on the path). errc::exists: somebody listens there, or a
/// file that is no socket lies there; errc::not_found: no such directory; errc::denied; errc::too_large: the path is
/// too long for a socket.
[[nodiscard]] result<int> open_listener(const endpoint& where, mode_t mode = 0660, int backlog = 1024);

/// Accepts until it is closed; EMFILE and the like pause 100 ms (the connection waits in the backlog) and are logged
/// once a minute. How many connections may be open at once is the caller's to bound.
class acceptor {
public:
    acceptor(asio::any_io_executor executor, int listening_descriptor);
    ~acceptor();
    acceptor(acceptor&&) noexcept;
    acceptor& operator=(acceptor&&) noexcept;
    /// One connection; its executor is `for_connection`. errc::closed after close().
    asio::awaitable<result<stream>> accept(asio::any_io_executor for_connection);
    void close() noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// Connects within `timeout`, on the coroutine's executor: errc::unavailable (nobody listens), errc::timed_out,
/// errc::denied.
asio::awaitable<result<stream>> connect(endpoint where, std::chrono::milliseconds timeout);

/// Reads what is there into `buffer` (up to its size): number of octets, errc::closed at end of stream,
/// errc::timed_out.
asio::awaitable<result<std::size_t>> read_some(stream& from, asio::mutable_buffer buffer,
                                               std::chrono::milliseconds timeout);
/// Writes all of it within `timeout`; errc::closed, errc::timed_out. After a failure an unknown part of it has been
/// written, but never all of it.
asio::awaitable<result<void>> write_all(stream& to, asio::const_buffer bytes, std::chrono::milliseconds timeout);

/// An octet or the end of the stream waits to be read; never blocks. A connection about to be reused must be quiet.
[[nodiscard]] bool is_readable(stream& connection);

/// Who is at the other end. For unix sockets SO_PEERCRED; for TCP from this machine the owner of the peer's socket
/// (sock_diag, needs AF_NETLINK). The owner is absent where the peer has closed already: the kernel names root for a
/// socket without a process, so absent must be read as nobody.
struct peer {
    std::string address; ///< "unix" or the numeric address
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    std::optional<pid_t> pid;
};
[[nodiscard]] peer peer_of(const stream& connection);
[[nodiscard]] peer peer_of(int socket);

} // namespace postsluice::net
