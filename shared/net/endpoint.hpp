// SPDX-License-Identifier: Apache-2.0
// Where to listen or connect: "unix:/path", "inet:host:port" ("tcp:" is the same), "[v6]:port" inside. Listening sockets are
// made here (directories must exist; a stale unix socket file whose owner is gone is replaced, a live one is errc::exists), or
// inherited from systemd (sd_listen_fds, matched by address). TCP sockets get TCP_NODELAY.
#pragma once

#include "shared/core/result.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>

#include <boost/asio/buffer.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace postsluice::net {

namespace asio = boost::asio;
using stream = asio::generic::stream_protocol::socket;

struct endpoint {
    enum class family { unix_socket, inet };
    family kind = family::unix_socket;
    std::string path;        ///< unix
    std::string host, port;  ///< inet; numeric address
    [[nodiscard]] static result<endpoint> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const;
    bool operator==(const endpoint&) const = default;
};

/// A listening descriptor, non-blocking, close-on-exec; the caller owns it. `mode` is for unix sockets.
[[nodiscard]] result<int> open_listener(const endpoint& where, mode_t mode = 0660, int backlog = 1024);

/// Accepts until the executor's context stops or the acceptor is closed; EMFILE and the like pause 100 ms and are logged once a
/// minute. Over `max_connections` the newest is handed to `refuse` instead.
class acceptor {
public:
    acceptor(asio::any_io_executor executor, int listening_descriptor);
    ~acceptor();
    acceptor(acceptor&&) noexcept;
    /// One connection; its executor is `for_connection`.
    asio::awaitable<result<stream>> accept(asio::any_io_executor for_connection);
    void close() noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// Connects within `timeout`: errc::unavailable (nobody listens), errc::timed_out, errc::denied.
asio::awaitable<result<stream>> connect(endpoint where, std::chrono::milliseconds timeout);

/// Reads what is there into `buffer` (up to its size): number of octets, errc::closed at end of stream, errc::timed_out.
asio::awaitable<result<std::size_t>> read_some(stream& from, asio::mutable_buffer buffer, std::chrono::milliseconds timeout);
/// Writes all of it.
asio::awaitable<result<void>> write_all(stream& to, asio::const_buffer bytes, std::chrono::milliseconds timeout);

/// Who is at the other end. For unix sockets SO_PEERCRED; for loopback TCP the owner of the peer's socket (sock_diag).
struct peer {
    std::string address;          ///< "unix" or the numeric address
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    std::optional<pid_t> pid;
};
[[nodiscard]] peer peer_of(const stream& connection);

} // namespace postsluice::net
