// SPDX-License-Identifier: Apache-2.0
// Can a domain take mail? RFC 5321 section 5.1: its MX, without one its address; RFC 7505: not with a null MX. Whether
// the hosts that an MX names have addresses is not asked: that is a matter of delivery, and may mend itself.
#pragma once

#include "shared/dns/resolver.hpp"

namespace postsluice::dns {

enum class mail_domain : std::uint8_t {
    takes_mail,
    no_such_domain, ///< NXDOMAIN
    no_mail,        ///< neither MX nor address
    null_mx,        ///< says itself that it takes none
};
std::ostream& operator<<(std::ostream& out, mail_domain what);

/// Failures as resolver's: trouble says nothing about the domain.
[[nodiscard]] boost::asio::awaitable<result<mail_domain>> ask_mail_domain(resolver& whom, std::string domain);

/// Nothing to ask about: an address literal ("[192.0.2.1]"), or a domain of `local_domains` ("*.example.org": below).
[[nodiscard]] bool needs_no_dns(const std::vector<std::string>& local_domains, std::string_view domain);

} // namespace postsluice::dns
