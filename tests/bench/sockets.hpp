// SPDX-License-Identifier: Apache-2.0
// Sockets of the load generators: addresses are unix:/path or inet:127.0.0.1:port; what fails is thrown with its errno.
#pragma once

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace bench {

struct address {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

[[noreturn]] inline void fail(const std::string& what) {
    throw std::runtime_error{what + ": " + std::strerror(errno)};
}

inline address parse_address(std::string_view text) {
    address out;
    if (text.starts_with("unix:")) {
        text.remove_prefix(5);
        auto& un = reinterpret_cast<sockaddr_un&>(out.storage);
        if (text.size() >= sizeof un.sun_path) {
            throw std::runtime_error{"the socket's path is too long"};
        }
        un.sun_family = AF_UNIX;
        std::memcpy(un.sun_path, text.data(), text.size());
        out.size = sizeof un;
        return out;
    }
    if (text.starts_with("inet:")) {
        text.remove_prefix(5);
    }
    const auto colon = text.rfind(':');
    unsigned port = 0;
    auto& in = reinterpret_cast<sockaddr_in&>(out.storage);
    in.sin_family = AF_INET;
    if (colon == std::string_view::npos ||
        inet_pton(AF_INET, std::string{text.substr(0, colon)}.c_str(), &in.sin_addr) != 1 ||
        std::from_chars(text.data() + colon + 1, text.data() + text.size(), port).ec != std::errc{} || port > 65535) {
        throw std::runtime_error{"an address is unix:/path or inet:127.0.0.1:port"};
    }
    in.sin_port = htons(static_cast<std::uint16_t>(port));
    out.size = sizeof in;
    return out;
}

inline int make_socket(const address& where, int more_flags = 0) {
    const int fd = ::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | more_flags, 0);
    if (fd < 0) {
        fail("socket");
    }
    if (where.storage.ss_family == AF_INET) {
        const int on = 1;
        (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    return fd;
}

inline const sockaddr* raw(const address& a) {
    return reinterpret_cast<const sockaddr*>(&a.storage);
}

inline void watch(int poll, int fd, std::uint64_t tag) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = tag;
    if (::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

/// A listening socket; one of a unix path that was left behind is replaced.
inline int listen_on(const std::string& text, int more_flags = 0) {
    const auto where = parse_address(text);
    if (text.starts_with("unix:")) {
        ::unlink(text.c_str() + 5);
    }
    const int fd = make_socket(where, more_flags);
    if (::bind(fd, raw(where), where.size) != 0 || ::listen(fd, 1024) != 0) {
        fail(text);
    }
    return fd;
}

} // namespace bench
