// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/smtp_talk.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace postsluice::admin::setup {
namespace {

/// Connected within that time, or -1.
int connected(int family, const sockaddr* address, socklen_t length, milliseconds most) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (::connect(fd, address, length) == 0) return fd;
    pollfd wait{fd, POLLOUT, 0};
    int error = errno;
    socklen_t size = sizeof error;
    if (error == EINPROGRESS && ::poll(&wait, 1, static_cast<int>(most.count())) == 1 &&
        ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
        return fd;
    ::close(fd);
    errno = error;
    return -1;
}

} // namespace

result<smtp_talk> smtp_talk::over_unix(const std::filesystem::path& socket, const config::setup_settings& bounds) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.native().size() >= sizeof address.sun_path) return failure{errc::malformed, socket.string()};
    socket.native().copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd =
        connected(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address, bounds.connect_timeout);
    if (fd < 0) return failure{errc::unavailable, socket.string() + ": " + std::strerror(errno)};
    return smtp_talk{fd, bounds};
}

result<smtp_talk> smtp_talk::over_tcp(const std::string& host, const std::string& port,
                                      const config::setup_settings& bounds) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST;
    if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0)
        return failure{errc::malformed, host + ':' + port};
    const int fd = connected(found->ai_family, found->ai_addr, found->ai_addrlen, bounds.connect_timeout);
    ::freeaddrinfo(found);
    if (fd < 0) return failure{errc::unavailable, host + ':' + port + ": " + std::strerror(errno)};
    return smtp_talk{fd, bounds};
}

smtp_talk::smtp_talk(smtp_talk&& other) noexcept
    : fd_{std::exchange(other.fd_, -1)}
    , bounds_{other.bounds_}
    , replies_{std::move(other.replies_)} {}

smtp_talk::~smtp_talk() {
    if (fd_ >= 0) ::close(fd_);
}

result<smtp::reply> smtp_talk::read(seconds most) {
    const auto until = std::chrono::steady_clock::now() + most;
    std::array<char, 4096> chunk{};
    for (;;) {
        auto next = replies_.next();
        if (!next) return next.error();
        if (*next) return std::move(**next);
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        pollfd wait{fd_, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) == 0)
            return failure{errc::timed_out, "an SMTP reply"};
        const auto n = ::read(fd_, chunk.data(), chunk.size());
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return failure{errc::closed, "SMTP"};
        if (n > 0) replies_.feed({chunk.data(), static_cast<std::size_t>(n)});
    }
}

bool smtp_talk::greets() {
    const auto banner = greeting();
    return banner && banner->ok() && say("QUIT").has_value();
}

result<smtp::reply> smtp_talk::say(std::string text) {
    text += "\r\n";
    for (std::string_view rest = text; !rest.empty();) {
        const auto n = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n > 0) {
            rest.remove_prefix(static_cast<std::size_t>(n));
            continue;
        }
        if (errno != EAGAIN && errno != EINTR) return failure{errc::closed, "SMTP"};
        pollfd wait{fd_, POLLOUT, 0};
        const milliseconds most = bounds_.reply_timeout;
        if (errno == EAGAIN && ::poll(&wait, 1, static_cast<int>(most.count())) == 0)
            return failure{errc::timed_out, "an SMTP command"};
    }
    return read(bounds_.reply_timeout);
}

} // namespace postsluice::admin::setup
