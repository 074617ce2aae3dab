// SPDX-License-Identifier: Apache-2.0
// Which senders an account may use, where maps have a say (docs/rules/from_address.md), and the lists of blocked
// and known addresses. Without a map the answer is may_use()'s (identify.hpp). A map is asked as Postfix asks
// smtpd_sender_login_maps: the first value found names the owners of the address, separated by blanks or commas, and
// the account must be one of them. An owner is compared with the login, case aside and default_domain appended where it
// lacks one; where an account has no login (networks, local uids), with the account's name.
//
// Any thread. A map that cannot be asked is an error value, never a permission: the caller's on_error decides. The
// functions come in pairs: one answers at once (errc::unsupported where a socketmap has to be asked), one waits.
#pragma once

#include "shared/account/identify.hpp"
#include "shared/maps/address_query.hpp"

namespace postsluice::account {

/// What is asked about an address: `maps` may be null where no entry is a map; then a map is errc::unsupported.
struct sender_question {
    const config::settings& settings;
    const config::profile& profile;
    const identity& who;
    maps::map_set* maps = nullptr;
};

/// May the account use `address`? The null sender: always.
[[nodiscard]] result<bool> sender_permission(const sender_question& ask, const mail_address& address);
boost::asio::awaitable<result<bool>> sender_permission_waiting(sender_question ask, mail_address address);
/// Whether the answer must be waited for.
[[nodiscard]] bool permission_waits(const config::profile& profile) noexcept;

/// Is `account` one of the owners that a map's value names?
[[nodiscard]] bool is_owner(std::string_view owners, const config::settings& settings, const identity& who);

/// Is the address in a list of addresses, domains and maps (blocked_senders, blocked_recipients)? With its extension or
/// without. Maps are asked as check_sender_access is; a value of OK or DUNNO, and what follows it, means no. The null
/// sender is asked as "<>".
[[nodiscard]] result<bool> is_blocked(const std::vector<std::string>& entries, const config::settings& settings,
                                      maps::map_set* maps, const mail_address& address);
boost::asio::awaitable<result<bool>> is_blocked_waiting(std::vector<std::string> entries,
                                                        const config::settings& settings, maps::map_set* maps,
                                                        mail_address address);

/// Is the address in one of these maps, asked as virtual(5) is, whatever its value? The null sender is in all.
[[nodiscard]] result<bool> is_known(const std::vector<std::string>& in, const config::settings& settings,
                                    maps::map_set* maps, const mail_address& address);
boost::asio::awaitable<result<bool>> is_known_waiting(std::vector<std::string> in, const config::settings& settings,
                                                      maps::map_set* maps, mail_address address);

} // namespace postsluice::account
