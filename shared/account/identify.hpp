// SPDX-License-Identifier: Apache-2.0
// Who is sending: facts about a client -> an account and its profile. Pure; both daemons use it. An account is a SASL
// login, an [[account]] by login, TLS client certificate or network, or a local uid (filter only, "uid:1000"). Which of
// login, certificate and network is asked first is the operator's (`identify`).
//
// Logins are case-folded; one without a domain gets default_domain, unless an [[account]] lists it as it is (a domain
// account); an extension after recipient_delimiter is no other account, unless an [[account]] lists the login with it.
// A certificate is an account only where an [[account]] lists its fingerprint or its public key's: any client may
// present one that it made itself.
//
// There is never a shared empty key: an unknown client has no account at all. One account key never means two senders:
// a login that reads like the name of an [[account]] it does not belong to, like "uid:1000" or like the key of another
// scope ("domain:example.org"; core/account_name.hpp) becomes "login:NAME". An [[account]] that lists no login, network
// or certificate is the login of its own name.
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
    std::optional<std::uint32_t> local_uid = {};
    /// Of the certificate that the client presented, and of its public key, as Postfix prints them; empty: none.
    std::string_view certificate = {}, public_key = {};
};

struct identity {
    std::string account; ///< the key under which everything is counted; lower case
    /// The SASL login, case-folded, qualified and without its extension; empty for certificates, networks and uids.
    std::string login;
    const config::account_entry* entry = nullptr; ///< the [[account]] that matched; lives as long as the settings
    /// What own-address and own-domain mean for a local uid, which has no login: this server's name and the domain it
    /// is in.
    std::vector<std::string> home = {};
};

[[nodiscard]] std::optional<identity> identify(const config::settings& settings, const client_facts& facts);
/// The account of a name that was decided before: the same entry and login again. `login` is what the ticket says of
/// it, empty where it was known by certificate or network. Without one (an operator's argument) the login is what the
/// name tells: an [[account]] with several logins cannot tell which it was.
[[nodiscard]] identity identity_of(const config::settings& settings, std::string_view account,
                                   std::optional<std::string_view> login = std::nullopt);
[[nodiscard]] std::shared_ptr<const config::profile> select_profile(const config::settings& settings,
                                                                    const identity& who);
/// Which [[assign]] chose it, for `account show`: "assign 2 (login *@lists.example.org)" or "default".
[[nodiscard]] std::string explain_profile(const config::settings& settings, const identity& who);

/// Is the address what an entry of a list says: "user@example.org", "@example.org", "@*.example.org" (domains below)?
[[nodiscard]] bool is_listed(std::string_view entry, const mail_address& address);
/// A recipient as `distinct recipients` and `new recipients` tell it from others: lower case, without its extension.
/// The extension ends a local part as Postfix sees it (split_addr(3)): at the first delimiter that is not its first
/// octet; never in postmaster, mailer-daemon and double-bounce, nor in owner-LIST and LIST-request where '-' is a
/// delimiter.
[[nodiscard]] std::string recipient_key(const config::settings& settings, const mail_address& recipient);
/// Does this pattern of [[assign]] or [[customer]] name the account? One without '@' means [[account]]s and "uid:N"
/// only: a login that happens to match a glob like "acme-*" is not another's account.
[[nodiscard]] bool names_account(std::string_view pattern, const identity& who);

/// May this account use `address` as its sender (docs/rules/from_address.md), maps aside (sender_permission.hpp)?
/// The null sender is always allowed here.
[[nodiscard]] bool may_use(const config::profile& profile, const identity& who, const mail_address& address);
/// The same answer for a header From with the same rule: false also for an empty address. Whether the rule holds there
/// at all (profile::header_from) is for the caller to ask.
[[nodiscard]] bool may_use_in_header(const config::profile& profile, const identity& who, const mail_address& address);
/// What may_use() allows, as one sentence without its full stop, under 300 octets, for the text of a refusal:
/// "alice@example.org may send as anything at example.org".
[[nodiscard]] std::string describe_allowed(const config::profile& profile, const identity& who);

} // namespace postsluice::account
