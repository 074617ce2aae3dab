// SPDX-License-Identifier: Apache-2.0
// The blocking end: plain system calls under one deadline, since the operator's command has nothing else to do.
#include "shared/control/control.hpp"

#include "shared/core/descriptor.hpp"

#include <nlohmann/json.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace postsluice::control {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t max_answer = 64U << 20U;

failure from_errno(int error, const std::string& detail) {
    const std::string text = detail + ": " + std::strerror(error); // NOLINT(concurrency-mt-unsafe)
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
    case ENOTDIR:
        return {errc::unavailable, text};
    case EACCES:
    case EPERM:
        return {errc::denied, text};
    case ECONNRESET:
    case EPIPE:
        return {errc::closed, text};
    default:
        return {errc::internal, text};
    }
}

int left_until(steady_clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
    return left > 0 ? static_cast<int>(std::min<std::int64_t>(left, 60000)) : 0;
}

/// True when the descriptor is ready; false at the deadline.
bool ready(int fd, short events, steady_clock::time_point deadline) {
    for (;;) {
        const int left = left_until(deadline);
        if (left == 0) return false;
        pollfd p{fd, events, 0};
        if (::poll(&p, 1, left) > 0) return true;
    }
}

result<void> connect_to(int fd, const std::filesystem::path& socket, steady_clock::time_point deadline) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket.string();
    if (path.size() >= sizeof address.sun_path)
        return failure{errc::malformed, path + ": too long for a socket's path"};
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    while (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return from_errno(errno, path);
        // A full backlog of a unix socket is not pollable (connect(2)): try again shortly.
        const int left = left_until(deadline);
        if (left == 0) return failure{errc::timed_out, path};
        ::poll(nullptr, 0, std::min(left, 20));
    }
    return {};
}

result<void> send_all(int fd, std::string_view text, steady_clock::time_point deadline) {
    while (!text.empty()) {
        const auto sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            text.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            if (!ready(fd, POLLOUT, deadline)) return failure{errc::timed_out, "the request was not taken"};
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return {}; // The server closed early (a request too long, say): its answer tells why.
        } else if (errno != EINTR) {
            return from_errno(errno, "sending the request");
        }
    }
    return {};
}

result<std::string> receive_line(int fd, steady_clock::time_point deadline) {
    std::string line;
    std::array<char, 65536> chunk; // NOLINT: filled by recv
    for (;;) {
        const auto got = ::recv(fd, chunk.data(), chunk.size(), 0);
        if (got > 0) {
            const std::string_view part{chunk.data(), static_cast<std::size_t>(got)};
            const auto end = part.find('\n');
            line.append(part.substr(0, end));
            if (line.size() > max_answer) return failure{errc::too_large, "the answer"};
            if (end != std::string_view::npos) return line;
        } else if (got == 0) {
            return failure{errc::closed, "no whole answer came"};
        } else if (errno == EAGAIN) {
            if (!ready(fd, POLLIN, deadline)) return failure{errc::timed_out, "no answer came"};
        } else if (errno != EINTR) {
            return from_errno(errno, "no whole answer came");
        }
    }
}

} // namespace

result<json> call(const std::filesystem::path& socket, const json& request, std::chrono::seconds timeout) {
    const auto deadline = steady_clock::now() + timeout;
    const descriptor fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (fd.get() < 0) return from_errno(errno, "socket");
    if (const auto r = connect_to(fd.get(), socket, deadline); !r) return r.error();
    const std::string line = request.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    if (const auto r = send_all(fd.get(), line, deadline); !r) return r.error();
    const auto text = receive_line(fd.get(), deadline);
    if (!text) return text.error();
    json answer = json::parse(*text, nullptr, false);
    const bool whole = answer.is_object() && answer.contains("ok") && answer["ok"].is_boolean();
    if (!whole) return failure{errc::protocol, socket.string() + " does not speak the control protocol"};
    return success(std::move(answer));
}

} // namespace postsluice::control
