// SPDX-License-Identifier: Apache-2.0
// Socket activation (sd_listen_fds(3)): systemd listens, so that connections made while we start again wait in its
// backlog. open_listener() takes over what was passed for its address; this tells what nobody took.
#pragma once

#include "shared/net/endpoint.hpp"

#include <vector>

namespace postsluice::net {

/// How many of the passed sockets are none of `wanted`: they take connections, and nobody will answer there.
[[nodiscard]] int inherited_besides(const std::vector<endpoint>& wanted);

} // namespace postsluice::net
