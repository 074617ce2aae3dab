// SPDX-License-Identifier: Apache-2.0
// Who may talk to our listeners. After the queue everything that comes in leaves signed, so nobody but Postfix may: a
// process of this machine whose socket belongs to root, to the mail server's user, or to ourselves (unix sockets:
// SO_PEERCRED; TCP: sock_diag), or a host of the networks in `trusted`. Those are for other machines: an address of our
// own never counts as one, or every local user could send.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/net/endpoint.hpp"

namespace postsluice::contentfilter {

/// The uid of `user` (contentfilter.mail_owner); nothing where there is no such user.
[[nodiscard]] std::optional<uid_t> find_mail_owner(const std::string& user);

struct access {
    bool allowed = false;
    bool local = true; ///< the peer is a process of this machine
    std::string why;   ///< for the log, where it is not allowed
};
[[nodiscard]] access may_connect(const net::peer& who, std::optional<uid_t> mail_owner,
                                 const std::vector<ip_network>& trusted);

} // namespace postsluice::contentfilter
