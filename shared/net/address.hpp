// SPDX-License-Identifier: Apache-2.0
// Private to shared/net: an endpoint as the kernel wants it, and errno as errc.
#pragma once

#include "shared/net/endpoint.hpp"

#include <cerrno>
#include <sys/socket.h>

namespace postsluice::net {

struct socket_address {
    sockaddr_storage storage{};
    socklen_t length = 0;
    [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
    [[nodiscard]] int family() const noexcept { return storage.ss_family; }
};
/// `where` as parse() made it.
[[nodiscard]] socket_address to_socket_address(const endpoint& where);

[[nodiscard]] errc from_errno(int number) noexcept;

} // namespace postsluice::net
