// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/access.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pwd.h>
#include <unistd.h>

namespace postsluice::contentfilter {

namespace {

std::string text_of(const sockaddr* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* octets = nullptr;
    if (address->sa_family == AF_INET) octets = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
    if (address->sa_family == AF_INET6) octets = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    if (!octets || !::inet_ntop(address->sa_family, octets, text.data(), text.size())) return {};
    return text.data();
}

/// Is `address` one of this machine? Where that cannot be found out: yes, the answer that lets fewer in.
bool is_ours(const ip_address& address) {
    const auto& octets = address.bytes();
    if (address.is_v4() && octets[0] == 127) return true;
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return true;
    bool found = false;
    for (const auto* at = all; at && !found; at = at->ifa_next) {
        if (!at->ifa_addr) continue;
        const auto parsed = ip_address::parse(text_of(at->ifa_addr));
        found = parsed && *parsed == address;
    }
    ::freeifaddrs(all);
    return found;
}

} // namespace

std::optional<uid_t> find_mail_owner(const std::string& user) {
    std::array<char, 16384> storage{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(user.c_str(), &entry, storage.data(), storage.size(), &found) != 0 || !found) return std::nullopt;
    return found->pw_uid;
}

access may_connect(const net::peer& who, std::optional<uid_t> mail_owner, const std::vector<ip_network>& trusted) {
    if (who.uid) {
        if (*who.uid == 0 || who.uid == mail_owner || *who.uid == ::geteuid()) return {true, true, {}};
        return {false, true, "the socket belongs to uid " + std::to_string(*who.uid)};
    }
    const auto address = ip_address::parse(who.address);
    if (!address || is_ours(*address)) return {false, true, "nobody knows whose socket it is"};
    if (std::any_of(trusted.begin(), trusted.end(), [&](const ip_network& n) { return n.contains(*address); }))
        return {true, false, {}};
    return {false, false, "its address is not in contentfilter.trusted"};
}

} // namespace postsluice::contentfilter
