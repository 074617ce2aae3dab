// SPDX-License-Identifier: Apache-2.0
// What holds for an account: its limits, FROM rules, scores and acts. Part of settings.hpp, which says what every
// aggregate here is; a profile's inheritance is applied by profiles.cpp.
#pragma once

#include "shared/core/limit.hpp"
#include "shared/core/lock_machine.hpp"
#include "shared/core/units.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::config {

enum class locked_reply { tempfail, reject };
enum class hold_place { quarantine, queue };            ///< `queue`: Postfix's own hold queue, by hold_hop
enum class client_trace { keep, rewrite, remove };      ///< the Received field that our Postfix wrote for the client
enum class spf_policy { ignore, warn, require };        ///< what the sender domain's SPF must say of outbound_addresses
enum class null_sender_policy { allow, limit, reject }; ///< `limit`: only where a null-sender limit is set
enum class recipient_policy { ignore, count, reject };  ///< recipients that cannot exist: `count` refuses them no more

/// Which addresses an account may use as its envelope sender and in From.
struct from_rule {
    enum class kind { own_address, own_domain, list, map, any };
    kind what = kind::any;
    /// kind::list: "user@example.org", "@example.org" (the domain), "@*.example.org" (domains below); lower case.
    /// kind::map: "lmdb:/etc/postfix/sender_login_maps", asked in this order, as smtpd_sender_login_maps is.
    std::vector<std::string> entries;
    bool operator==(const from_rule&) const = default;
};

enum class forced_verdict { none, tag, hold, quarantine, reject, discard };

/// What configuration makes of one symbol; absent members keep what the check or rule file says.
struct symbol_setting {
    std::optional<double> score;
    std::optional<forced_verdict> action;
    std::optional<bool> enabled;
    [[nodiscard]] bool counts() const noexcept { return enabled.value_or(true); }
    bool operator==(const symbol_setting&) const = default;
};

/// `trend`: today's volume exceeds both `factor` times the account's usual day and `floor`.
struct trend_setting {
    double factor = 0; ///< 0: off
    limit floor{50, limit_unit::messages, seconds{86400}};
    limit_action action = limit_action::hold;
    bool operator==(const trend_setting&) const = default;
};

/// The set of limits, FROM rules, checks, scores and actions that apply to an account, inheritance already applied.
struct profile {
    std::string name = "default";
    std::vector<limit> limits;
    from_rule from;
    bool header_from = true; ///< the FROM rule also holds for the header From
    lock_policy lock;
    locked_reply when_locked = locked_reply::tempfail;
    bool observe = false;                          ///< decide, count and log, refuse nothing
    std::vector<std::string> observe_rules;        ///< the same for some rules only, by name
    std::vector<std::string> on_lock = {"notify"}; ///< "notify", "exec:/path argument {account}"
    bool valid_sender = false;                     ///< the sender's domain takes mail: MX or address, no null MX
    std::vector<std::string> sender_maps;          ///< where given, the sender's address must be in one of these maps
    recipient_policy valid_recipients = recipient_policy::reject;
    spf_policy spf = spf_policy::ignore;
    null_sender_policy null_sender = null_sender_policy::allow;
    std::vector<std::string> blocked_senders, blocked_recipients; ///< as from_rule::entries, or maps
    trend_setting trend;
    // content filter
    double tag_score = 6, hold_score = 10, reject_score = 15;
    hold_place hold = hold_place::quarantine;
    seconds hold_release{0}; ///< mail held in quarantine is released by itself so long afterwards; 0: only by hand
    std::string next_hop;    ///< empty: contentfilter.next_hop
    client_trace hide_client = client_trace::keep;
    std::map<std::string, symbol_setting> symbols; ///< by symbol, upper case
    std::vector<std::string> disabled_checks, disabled_groups;
    std::string subject_prefix; ///< put before the Subject of tagged mail; empty: none
    bool tag_header = true;     ///< X-Postsluice-Score on tagged mail
    std::vector<std::string> remove_headers;
    std::string dkim_selector; ///< of a domain's keys only that one signs, where it has it; empty: all
    // `size` check
    byte_count max_message_size{};    ///< 0: only the listener's bound
    byte_count max_attachment_size{}; ///< as a receiver saves it; 0: no bound
    std::size_t max_attachments = 0;  ///< 0: no bound
};

} // namespace postsluice::config
