// SPDX-License-Identifier: Apache-2.0
// Who owns the other end of a connection.
#include "shared/net/address.hpp"

#include <arpa/inet.h>
#include <cstring>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace postsluice::net {

namespace {

// An internet address and port, IPv4-mapped IPv6 as IPv4.
struct inet_name {
    int family = AF_UNSPEC;
    unsigned char address[16] = {};
    in_port_t port = 0; // network order

    [[nodiscard]] std::size_t size() const noexcept { return family == AF_INET ? 4 : 16; }
    [[nodiscard]] bool same_host(const inet_name& other) const noexcept {
        return family == other.family && std::memcmp(address, other.address, size()) == 0;
    }
    [[nodiscard]] bool is_loopback() const noexcept {
        if (family == AF_INET) return address[0] == 127;
        in6_addr six;
        std::memcpy(&six, address, sizeof six);
        return IN6_IS_ADDR_LOOPBACK(&six);
    }
    [[nodiscard]] std::string to_string() const {
        char spelled[INET6_ADDRSTRLEN];
        return inet_ntop(family, address, spelled, sizeof spelled) ? spelled : "unknown";
    }
};

inet_name name_from(const sockaddr_storage& from) {
    inet_name out;
    if (from.ss_family == AF_INET) {
        const auto& in = reinterpret_cast<const sockaddr_in&>(from);
        out.family = AF_INET;
        out.port = in.sin_port;
        std::memcpy(out.address, &in.sin_addr, 4);
    } else if (from.ss_family == AF_INET6) {
        const auto& in6 = reinterpret_cast<const sockaddr_in6&>(from);
        const bool mapped = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
        out.family = mapped ? AF_INET : AF_INET6;
        out.port = in6.sin6_port;
        std::memcpy(out.address, in6.sin6_addr.s6_addr + (mapped ? 12 : 0), out.size());
    }
    return out;
}

struct diag_request {
    nlmsghdr header{};
    inet_diag_req_v2 query{};
};

diag_request question_for(const inet_name& peer, const inet_name& us) {
    diag_request out;
    out.header.nlmsg_len = sizeof out;
    out.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    out.header.nlmsg_flags = NLM_F_REQUEST; // exactly one socket, no dump
    out.query.sdiag_family = static_cast<__u8>(peer.family);
    out.query.sdiag_protocol = IPPROTO_TCP;
    out.query.idiag_states = ~0U;
    out.query.id.idiag_sport = peer.port;
    out.query.id.idiag_dport = us.port;
    std::memcpy(out.query.id.idiag_src, peer.address, peer.size());
    std::memcpy(out.query.id.idiag_dst, us.address, us.size());
    out.query.id.idiag_cookie[0] = out.query.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return out;
}

// The owner of the socket that is bound to `peer` and connected to `us`. A socket without a process (closed by its
// owner, TIME_WAIT) is reported with uid 0 and inode 0: it proves nothing, or anybody could be root by closing at once.
std::optional<uid_t> owner_of(const inet_name& peer, const inet_name& us) {
    const int fd = ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0) return std::nullopt;
    const timeval patience{1, 0}; // the kernel answers within the call; this is for the day it does not
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const auto question = question_for(peer, us);
    alignas(nlmsghdr) char answer[4096];
    ssize_t size = -1;
    if (::send(fd, &question, sizeof question, 0) == static_cast<ssize_t>(sizeof question)) {
        size = ::recv(fd, answer, sizeof answer, 0);
    }
    ::close(fd);
    const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
    if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(inet_diag_msg))) || header->nlmsg_type != SOCK_DIAG_BY_FAMILY) {
        return std::nullopt;
    }
    const auto* found = reinterpret_cast<const inet_diag_msg*>(answer + NLMSG_HDRLEN);
    const bool same = found->id.idiag_sport == peer.port && found->id.idiag_dport == us.port;
    if (!same || found->idiag_inode == 0 || found->idiag_state == TCP_TIME_WAIT) return std::nullopt;
    return found->idiag_uid;
}

} // namespace

peer peer_of(const stream& connection) {
    auto& socket = const_cast<stream&>(connection); // native_handle() is not const, though it changes nothing
    return peer_of(socket.native_handle());
}

peer peer_of(int fd) {
    peer out{"unknown", {}, {}, {}};
    sockaddr_storage theirs{}, ours{};
    socklen_t theirs_length = sizeof theirs, ours_length = sizeof ours;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&ours), &ours_length) != 0) return out;
    if (ours.ss_family == AF_UNIX) {
        out.address = "unix";
        ucred credentials{};
        socklen_t length = sizeof credentials;
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
            out.uid = credentials.uid;
            out.gid = credentials.gid;
            out.pid = credentials.pid;
        }
        return out;
    }
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&theirs), &theirs_length) != 0) return out;
    const auto peer_name = name_from(theirs), our_name = name_from(ours);
    if (peer_name.family == AF_UNSPEC) return out;
    out.address = peer_name.to_string();
    if (peer_name.is_loopback() || peer_name.same_host(our_name)) out.uid = owner_of(peer_name, our_name);
    return out;
}

} // namespace postsluice::net
