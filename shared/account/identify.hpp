// SPDX-License-Identifier: Apache-2.0
// Who is sending: facts about a client -> an account and its profile. Pure; both daemons use it. An account is a SASL
// login (case-folded, default_domain appended), an [[account]] by login or network, or a local uid (filter only,
// "uid:1000"). There is never a shared empty key: an unknown client has no account at all. One account key never means
// two senders: a login without a domain that reads like the name of an [[account]] it does not belong to, or like
// "uid:1000", becomes "login:NAME". An [[account]] that lists neither logins nor networks is the login of its own name.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/core/mail_address.hpp"

#include <optional>
#include <string>
#include <vector>

namespace postsluice::account {

struct client_facts {
    std::string_view sasl_username;
    std::string_view client_address;
    std::optional<std::uint32_t> local_uid;
};

struct identity {
    std::string account; ///< the key under which everything is counted; lower case
    std::string login;   ///< the SASL login, case-folded and qualified; empty for networks and uids
    const config::account_entry* entry = nullptr; ///< the [[account]] that matched; lives as long as the settings
    /// What own-address and own-domain mean for a local uid, which has no login: this server's name and the domain it
    /// is in.
    std::vector<std::string> home = {};
};

[[nodiscard]] std::optional<identity> identify(const config::settings& settings, const client_facts& facts);
/// The account of a name that was decided before (a ticket, an operator's argument): the same entry and login again. An
/// [[account]] with several logins cannot tell which it was: `login` says so where it is known (it is in the ticket).
[[nodiscard]] identity identity_of(const config::settings& settings, std::string_view account,
                                   std::string_view login = {});
[[nodiscard]] std::shared_ptr<const config::profile> select_profile(const config::settings& settings,
                                                                    const identity& who);
/// Which [[assign]] chose it, for `account show`: "assign 2 (login *@lists.example.org)" or "default".
[[nodiscard]] std::string explain_profile(const config::settings& settings, const identity& who);

/// Is the address what an entry of a list says: "user@example.org", "@example.org", "@*.example.org" (domains below)?
[[nodiscard]] bool is_listed(std::string_view entry, const mail_address& address);
/// May this account use `address` as its sender (policyd section 4), maps aside (sender_permission.hpp)? The null
/// sender is always allowed here.
[[nodiscard]] bool may_use(const config::profile& profile, const identity& who, const mail_address& address);
/// The same answer for a header From with the same rule: false also for an empty address. Whether the rule holds there
/// at all (profile::header_from) is for the caller to ask.
[[nodiscard]] bool may_use_in_header(const config::profile& profile, const identity& who, const mail_address& address);
/// What may_use() allows, as one sentence without its full stop, under 300 octets, for the text of a refusal:
/// "alice@example.org may send as anything at example.org".
[[nodiscard]] std::string describe_allowed(const config::profile& profile, const identity& who);

} // namespace postsluice::account
