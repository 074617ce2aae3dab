// SPDX-License-Identifier: Apache-2.0
// Which keys an address is looked up under, and in which order: Postfix's own (mail_addr_find(3), access(5)). Pure: the
// list of questions is made first, then asked one after the other; the first value counts, an error ends the search.
#pragma once

#include "shared/core/mail_address.hpp"
#include "shared/maps/map_set.hpp"

namespace postsluice::maps {

enum class search {
    /// smtpd_sender_login_maps, virtual(5): user+ext@domain, user@domain, then where the domain is the server's own
    /// user+ext and user, then @domain.
    owner,
    /// check_sender_access (access(5)): user+ext@domain, user@domain, domain, .parent and parent of it, user@; besides,
    /// written as everywhere here, @domain and @.parent.
    access,
};

struct address_rules {
    std::string delimiter;                ///< Postfix's recipient_delimiter: any of these characters
    std::vector<std::string> own_domains; ///< lower case; where `user` alone is an entry (myorigin, mydestination)
};

/// The server's rules: recipient_delimiter; own domains are hostname and default_domain.
[[nodiscard]] address_rules address_rules_of(const config::settings& settings);

struct question {
    std::string_view map;
    std::string key;
};
/// All questions about `address`, which is not null; entries of `maps` that are no maps are left out. Patterns are
/// asked for whole addresses only. A local part that needs quoting is asked quoted (RFC 5321), then as it is, as by
/// Postfix from 3.2 on. `maps` must outlive the questions.
[[nodiscard]] std::vector<question> questions_about(const mail_address& address, const std::vector<std::string>& maps,
                                                    search how, const address_rules& rules);

/// The address without its extension; the same where it has none.
[[nodiscard]] mail_address without_extension(const mail_address& address, std::string_view delimiter);

/// Whether an entry of a list is a map: "type:name" and not an address.
[[nodiscard]] bool names_map(std::string_view entry) noexcept;
[[nodiscard]] bool any_map(const std::vector<std::string>& entries) noexcept;
[[nodiscard]] bool any_remote(const std::vector<std::string>& entries) noexcept;

/// The first value in the order of the questions. An empty value is errc::corrupt: Postfix takes it for a mistake too.
[[nodiscard]] answer ask(map_set& maps, const std::vector<question>& questions);
boost::asio::awaitable<answer> ask_waiting(map_set& maps, std::vector<question> questions, remote_options how);

} // namespace postsluice::maps
