// SPDX-License-Identifier: Apache-2.0
#include "shared/core/descriptor.hpp"
#include "shared/core/text.hpp"
#include "shared/net/activation.hpp"
#include "shared/net/address.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <utility>

namespace postsluice::net {

namespace {

failure failed(const endpoint& where, std::string_view what, int number) {
    return {from_errno(number), where.to_string() + ": " + std::string{what} + ": " + std::strerror(number)};
}

bool same_address(const sockaddr_storage& a, const socket_address& b) {
    if (a.ss_family != b.storage.ss_family) return false;
    if (a.ss_family == AF_INET) {
        const auto& x = reinterpret_cast<const sockaddr_in&>(a);
        const auto& y = reinterpret_cast<const sockaddr_in&>(b.storage);
        return x.sin_port == y.sin_port && x.sin_addr.s_addr == y.sin_addr.s_addr;
    }
    const auto& x = reinterpret_cast<const sockaddr_in6&>(a);
    const auto& y = reinterpret_cast<const sockaddr_in6&>(b.storage);
    return x.sin6_port == y.sin6_port && std::memcmp(&x.sin6_addr, &y.sin6_addr, sizeof x.sin6_addr) == 0;
}

/// Does the descriptor that systemd passed listen at `where`?
bool listens_at(int fd, const endpoint& where) {
    if (where.kind == endpoint::family::unix_socket)
        return sd_is_socket_unix(fd, SOCK_STREAM, 1, where.path.c_str(), 0) > 0;
    if (sd_is_socket_inet(fd, AF_UNSPEC, SOCK_STREAM, 1, 0) <= 0) return false;
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    return ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) == 0 &&
           same_address(bound, to_socket_address(where));
}

// The socket that systemd made for `where`, duplicated: systemd's own stays open, so a listener that is closed and
// opened again on reload finds it again, and its backlog lives on.
std::optional<descriptor> inherited(const endpoint& where) {
    const int count = sd_listen_fds(0);
    for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; ++fd) {
        if (!listens_at(fd, where)) continue;
        descriptor copy{::fcntl(fd, F_DUPFD_CLOEXEC, 0)};
        if (copy.get() < 0 || ::fcntl(copy.get(), F_SETFL, O_NONBLOCK) != 0) continue;
        return copy;
    }
    return std::nullopt;
}

// Removes what a dead process left at `where`. Nobody answers a connect there: ECONNREFUSED, and only for a socket file
// does that mean what it says. EAGAIN is a full backlog, so somebody lives.
result<void> remove_stale(const endpoint& where, const socket_address& address) {
    struct stat what {};
    if (::lstat(where.path.c_str(), &what) != 0) return errno == ENOENT ? result<void>{} : failed(where, "stat", errno);
    if (!S_ISSOCK(what.st_mode))
        return failure{errc::exists, where.to_string() + ": a file that is no socket is in the way"};
    const descriptor probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (probe.get() < 0) return failed(where, "socket", errno);
    if (::connect(probe.get(), address.get(), address.length) == 0 || (errno != ECONNREFUSED && errno != ENOENT)) {
        return failure{errc::exists, where.to_string() + ": another process listens there"};
    }
    if (::unlink(where.path.c_str()) != 0 && errno != ENOENT) return failed(where, "unlink", errno);
    return {};
}

result<void> bind_to(const endpoint& where, int fd, mode_t mode) {
    const auto address = to_socket_address(where);
    const int on = 1;
    if (where.kind == endpoint::family::inet) {
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (address.family() == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        return ::bind(fd, address.get(), address.length) == 0 ? result<void>{} : failed(where, "bind", errno);
    }
    if (auto removed = remove_stale(where, address); !removed) return removed;
    if (::bind(fd, address.get(), address.length) != 0) return failed(where, "bind", errno);
    // Nobody can connect before listen(), so the mode holds from the first connection on.
    return ::chmod(where.path.c_str(), mode) == 0 ? result<void>{} : failed(where, "chmod", errno);
}

} // namespace

result<int> open_listener(const endpoint& where, mode_t mode, int backlog) {
    if (auto ready = inherited(where)) return ready->release();
    descriptor fd{::socket(to_socket_address(where).family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (fd.get() < 0) return failed(where, "socket", errno);
    if (auto bound = bind_to(where, fd.get(), mode); !bound) return bound.error();
    if (::listen(fd.get(), backlog) != 0) return failed(where, "listen", errno);
    return fd.release();
}

int inherited_besides(const std::vector<endpoint>& wanted) {
    int others = 0;
    const int count = sd_listen_fds(0);
    for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; ++fd)
        others += std::ranges::none_of(wanted, [fd](const endpoint& one) { return listens_at(fd, one); }) ? 1 : 0;
    return others;
}

} // namespace postsluice::net
