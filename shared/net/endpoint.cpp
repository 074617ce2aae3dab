// SPDX-License-Identifier: Apache-2.0
#include "shared/net/endpoint.hpp"

#include "shared/core/text.hpp"
#include "shared/net/address.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <netinet/in.h>
#include <sys/un.h>

namespace postsluice::net {

namespace {

failure malformed(std::string_view text, std::string why) {
    return {errc::malformed, "\"" + printable(text, 200) + "\": " + std::move(why)};
}

result<endpoint> parse_unix(std::string_view text, std::string_view path) {
    if (!path.starts_with('/'))
        return malformed(text, "a unix socket needs an absolute path, as in unix:/run/postsluice/policy");
    if (path.size() >= sizeof(sockaddr_un::sun_path))
        return malformed(text, "the path is too long for a unix socket (107 octets)");
    endpoint out;
    out.path = path;
    return out;
}

// The numeric address in its canonical spelling; empty where it is none.
std::string canonical_host(const std::string& host, bool v6) {
    unsigned char address[sizeof(in6_addr)];
    char spelled[INET6_ADDRSTRLEN];
    const int family = v6 ? AF_INET6 : AF_INET;
    if (inet_pton(family, host.c_str(), address) != 1) return {};
    return inet_ntop(family, address, spelled, sizeof spelled) ? std::string{spelled} : std::string{};
}

result<endpoint> parse_inet(std::string_view text, std::string_view rest) {
    const auto colon = rest.rfind(':');
    if (colon == std::string_view::npos) return malformed(text, "a port is missing, as in inet:127.0.0.1:10026");
    auto host = rest.substr(0, colon);
    const auto port = rest.substr(colon + 1);
    const bool v6 = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
    if (v6) host = host.substr(1, host.size() - 2);
    endpoint out;
    out.kind = endpoint::family::inet;
    out.host = canonical_host(std::string{host}, v6);
    if (out.host.empty()) return malformed(text, "the host must be a numeric address: 127.0.0.1, 0.0.0.0 or [::1]");
    unsigned number = 0;
    const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (port.empty() || problem != std::errc{} || end != port.data() + port.size() || number > 65535) {
        return malformed(text, "the port must be a number up to 65535");
    }
    out.port = std::to_string(number);
    return out;
}

} // namespace

result<endpoint> endpoint::parse(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) return malformed(text, "a NUL in an address");
    if (text.starts_with("unix:")) return parse_unix(text, text.substr(5));
    if (text.starts_with("inet:")) return parse_inet(text, text.substr(5));
    if (text.starts_with("tcp:")) return parse_inet(text, text.substr(4));
    return malformed(text, "an address begins with unix: or inet:");
}

std::string endpoint::to_string() const {
    if (kind == family::unix_socket) return "unix:" + path;
    const bool v6 = host.find(':') != std::string::npos;
    return "inet:" + (v6 ? "[" + host + "]" : host) + ":" + port;
}

socket_address to_socket_address(const endpoint& where) {
    socket_address out;
    if (where.kind == endpoint::family::unix_socket) {
        auto& un = *reinterpret_cast<sockaddr_un*>(&out.storage);
        un.sun_family = AF_UNIX;
        where.path.copy(un.sun_path, sizeof un.sun_path - 1);
        out.length = sizeof un;
        return out;
    }
    const auto port = htons(static_cast<std::uint16_t>(std::stoul(where.port)));
    if (where.host.find(':') == std::string::npos) {
        auto& in = *reinterpret_cast<sockaddr_in*>(&out.storage);
        in.sin_family = AF_INET;
        in.sin_port = port;
        inet_pton(AF_INET, where.host.c_str(), &in.sin_addr);
        out.length = sizeof in;
    } else {
        auto& in6 = *reinterpret_cast<sockaddr_in6*>(&out.storage);
        in6.sin6_family = AF_INET6;
        in6.sin6_port = port;
        inet_pton(AF_INET6, where.host.c_str(), &in6.sin6_addr);
        out.length = sizeof in6;
    }
    return out;
}

errc from_errno(int number) noexcept {
    switch (number) {
    case EADDRINUSE:
        return errc::exists;
    case EACCES:
    case EPERM:
        return errc::denied;
    case ENOENT:
    case ENOTDIR:
        return errc::not_found;
    case ENAMETOOLONG:
        return errc::too_large;
    case ETIMEDOUT:
        return errc::timed_out;
    case ENOSPC:
        return errc::disk_full;
    default:
        return errc::unavailable;
    }
}

} // namespace postsluice::net
