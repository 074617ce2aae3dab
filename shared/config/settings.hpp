// SPDX-License-Identifier: Apache-2.0
// The whole configuration as plain structs: one aggregate per subject, defaults as member initialisers. Each scalar
// member has one row in config/options*.cpp (key, member, range, one-sentence help); --check-config, --print-defaults,
// the sample file and the manual all come from the rows. A loaded `settings` is immutable and shared by pointer: a
// session keeps the snapshot it began with, a reload swaps the pointer or keeps the old one (config/snapshot.hpp).
#pragma once

#include "shared/config/content_settings.hpp"
#include "shared/config/installed.hpp"
#include "shared/config/profile.hpp"
#include "shared/core/ip_network.hpp"
#include "shared/core/reason.hpp"
#include "shared/core/units.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::config {

enum class run_mode { enforce, observe };
/// What trouble of our own does: the client comes back later, or mail goes on without our answer.
enum class error_policy { defer, dunno };
enum class account_source { sasl, certificate, network };
enum class accounting_mode {
    end_of_message, ///< reserved at RCPT, ticketed at DATA, settled at END-OF-MESSAGE
    data,           ///< no END-OF-MESSAGE hook: DATA settles
    recipient,      ///< RCPT charges for good
};
enum class durability_mode {
    background, ///< answered after the commit; brought to disk every state.sync_interval
    sync,       ///< answered after the commit is on disk
};
enum class no_ticket_policy { default_profile, hold, tempfail };
enum class filter_error_policy { tempfail, hold, pass }; ///< what a check's temperror does
enum class tries_policy { hold, pass };                  ///< a message under which the filter died too often
enum class dkim_signer { own, libopendkim };
enum class published_policy { off, warn, require }; ///< what a signing key that the DNS does not publish does

struct state_settings {
    std::filesystem::path directory = "/var/lib/postsluice";
    byte_count map_size{std::uint64_t{4} << 30};
    byte_count journal_size{std::uint64_t{24} << 20};
    seconds writer_timeout{2};
    seconds sync_interval{1};
    seconds copy_interval{300};
    seconds history_retention{90 * 86400};
};

struct log_settings {
    std::string destination = "stderr"; ///< stderr | syslog
    std::string level = "info";         ///< debug | info | warning | error
};

struct control_settings {
    std::filesystem::path directory = "/run/postsluice"; ///< policyd.sock and contentfilter.sock lie here
    std::string group = "postsluice-admin";
};

struct policyd_settings {
    std::vector<std::string> listen = {"unix:/var/spool/postfix/postsluice/policyd"};
    std::size_t max_connections = 4096;
    byte_count max_line{8192};
    byte_count max_request{65536};
    std::size_t max_attributes = 128;
    seconds idle_timeout{1200};
    seconds stop_timeout{10};
    accounting_mode accounting = accounting_mode::end_of_message;
    error_policy on_error = error_policy::defer;
    seconds lease{600};
    seconds ticket_key_rotation{86400};
    seconds ticket_key_retention{14 * 86400};
    std::string notice_via = "unix:/var/spool/postfix/public/postsluice-reentry";
    seconds incident{3600}; ///< refusals of one account for one reason within this time share a reference
    /// What trouble in one rule does instead of on_error, by the rule's name.
    std::map<std::string, error_policy> on_error_of;
    durability_mode durability = durability_mode::background;
    std::filesystem::path record;       ///< requests are appended here for `postsluice simulate`; empty: not recorded
    byte_count record_size{64U << 20U}; ///< at this size the file is renamed to NAME.1 and begun anew
    seconds map_timeout{5};             ///< one answer of a socketmap server
    std::size_t map_cache = 10'000;     ///< answers of socketmap servers that are remembered
    seconds map_cache_time{60};
    seconds hook_timeout{30};                 ///< a program of lock.on_lock that runs longer is killed
    std::size_t max_hooks = 4;                ///< programs of lock.on_lock at a time; more wait
    seconds new_recipients_after{14 * 86400}; ///< history an account needs before `new recipients` limits hold
    std::size_t known_recipients = 50'000;    ///< remembered for each account; older ones are forgotten
    seconds rest_interval{5};                 ///< with so few requests as this: free memory goes back to the system
    std::uint64_t rest_requests = 50;
};

/// DNS, for those questions of policyd and the filter that need it; never in the way of a reply that can do without.
struct dns_settings {
    std::vector<std::string> servers; ///< address or address@port; empty: those of /etc/resolv.conf
    seconds timeout{3};               ///< of one question, all of its tries
    std::size_t max_queries = 500;    ///< under way at a time; more fail as temporary errors
    byte_count cache{8U << 20U};
    std::filesystem::path trust_anchor; ///< for DNSSEC; empty: answers are not validated
};

/// SPF (RFC 7208) of the domains that accounts send from, by libspf2 in a confined helper process.
struct spf_settings {
    std::filesystem::path helper = installed_program("postsluice-spf-helper");
    seconds timeout{20};          ///< of a whole evaluation (RFC 7208 section 4.6.4)
    seconds wait{5};              ///< of a reply for it, with `spf = "require"`; the evaluation goes on
    std::uint32_t max_terms = 10; ///< terms that cause DNS lookups (section 4.6.4)
    std::uint32_t max_voids = 2;  ///< lookups without an answer (section 4.6.4)
    seconds cache_time{3600};     ///< a result is used again for so long, in the background renewed when half is over
    std::size_t cache_entries = 10'000;
};

/// BATV (draft-levine-smtp-batv): the filter tags reverse-paths, policyd on the MX side refuses bounces without a tag.
struct batv_settings {
    std::vector<std::string> domains;                                 ///< whose reverse-paths are tagged; empty: none
    std::filesystem::path key_file = "/var/lib/postsluice/batv.keys"; ///< one "N secret" a line, N from 0 to 9
    seconds lifetime{7 * 86400};
    std::vector<std::string> exempt; ///< recipients that take untagged bounces
};

/// The default of contentfilter.on_error_of: checks without which mail goes on. It stands beside the option's row.
[[nodiscard]] std::map<std::string, filter_error_policy> usual_check_errors();

struct filter_settings {
    std::vector<std::string> listen = {"lmtp:unix:/var/spool/postfix/postsluice/filter"};
    std::vector<std::string> listen_before_queue; ///< for smtpd_proxy_filter; SMTP
    std::vector<std::string> listen_pipe;         ///< for postsluice-pipe
    std::vector<std::string> listen_bounces;      ///< for Postfix's notices of bounces (delivery feedback); LMTP
    /// Of a recipient that does not exist (RFC 3463; 5.4.4: Postfix found no host for the domain).
    std::vector<std::string> bounce_statuses = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.4"};
    seconds bounce_timeout{10}; ///< policyd's answer where recipients are to be counted
    std::string next_hop = "unix:/var/spool/postfix/public/postsluice-reentry";
    std::string hold_hop = "unix:/var/spool/postfix/public/postsluice-hold"; ///< for profiles with hold = "queue"
    std::string mail_owner = "postfix";                                      ///< the user that the mail server runs as
    std::vector<ip_network> trusted; ///< remote hosts that may use TCP listeners
    std::size_t threads = 2;
    std::size_t max_connections = 200;
    byte_count max_message_size{101U << 20U}; ///< 100 MiB from the client, and what Postfix adds
    std::filesystem::path spool_directory = "/var/lib/postsluice/spool";
    byte_count spool_memory{256U << 10U};
    byte_count decoded_memory{1U << 20U}; ///< of one message's parts, while its checks run
    std::size_t max_recipients = 10000;
    byte_count max_header{byte_count{1U << 20U}};
    std::size_t max_header_count = 2000;
    std::size_t max_parts = 1000;
    std::size_t max_part_depth = 50;
    std::size_t max_loops = 5;
    seconds command_timeout{300};
    seconds deadline{540};             ///< from the final dot to our reply
    seconds deadline_before_queue{90}; ///< the same for listen_before_queue
    seconds next_hop_connect_timeout{30};
    seconds next_hop_reply_timeout{300};
    seconds next_hop_idle{60}; ///< how long a connection to the next hop is kept for reuse
    seconds check_timeout{20};
    seconds stop_timeout{30};
    filter_error_policy on_error = filter_error_policy::tempfail;
    /// What trouble in one check does instead of on_error, by the check's name.
    std::map<std::string, filter_error_policy> on_error_of = usual_check_errors();
    no_ticket_policy no_ticket = no_ticket_policy::default_profile;
    seconds passage_memory{6 *
                           86400}; ///< what left us is remembered for so long; over Postfix's maximal_queue_lifetime
    std::uint32_t max_tries = 3;   ///< the daemon died so often while it had the message: it is looked at no more
    tries_policy after_tries = tries_policy::hold;
    std::uint32_t bounces_per_hour = 20; ///< per account; then quarantine with 250
    std::filesystem::path worker = installed_program("postsluice-scan-worker");
    std::size_t workers = 2;
    seconds worker_timeout{10};
    byte_count worker_memory{512U << 20U}; ///< address space of each
    seconds worker_idle{5};                ///< one that nobody asked for so long ends
    std::vector<std::filesystem::path> rule_files = {installed_rules(), "/etc/postsluice/rules.d/*.toml"};
    byte_count max_pattern_input{8U << 20U}; ///< octets of one part that the patterns look at
    std::string identity_header;             ///< bears a keyed pseudonym of the account; empty: none
    std::filesystem::path identity_key_file = "/var/lib/postsluice/identity.keys";
    seconds identity_key_rotation{30 * 86400};   ///< a pseudonym of an account lasts so long; 0: for ever
    seconds identity_key_retention{400 * 86400}; ///< and is understood for so long after that
    seconds refund_timeout{2};                   ///< policyd's answer where a message was put off before the queue
    std::size_t max_refunds = 1000;              ///< that wait for policyd; the oldest are given up
    seconds rest_interval{5};                    ///< with so few messages as this: free memory goes back to the system
    std::uint64_t rest_messages = 10;
};

struct quarantine_settings {
    std::filesystem::path directory = "/var/lib/postsluice/quarantine";
    seconds retention{30 * 86400};
    byte_count max_bytes{std::uint64_t{10} << 30};
    std::size_t max_messages = 200'000;
    seconds keep_at_least{7 * 86400}; ///< nothing younger is deleted for room
    seconds release_retry{300};       ///< timed releases that could not be made are tried again so often
};

struct dkim_settings {
    bool sign = true;
    std::filesystem::path directory = "/etc/postsluice/dkim"; ///< DOMAIN/SELECTOR.pem
    dkim_signer signer = dkim_signer::own;
    std::size_t min_rsa_bits = 1024;
    std::string key_table, signing_table; ///< OpenDKIM's, "file:" or "refile:" and a path; empty: none
    bool multiple_signatures = false;     ///< OpenDKIM's MultipleSignatures, for signing_table
    seconds expire{0};                    ///< x= so long after t=; 0: no x=
    seconds watch_interval{30};           ///< keys and tables are looked at so often
    published_policy check_published = published_policy::warn;
    seconds check_interval{86400};  ///< from one question for a key's record to the next
    seconds check_retry{300};       ///< the same where the last one failed, or the record does not match
    seconds retired_for{7 * 86400}; ///< a retired key's record stays published; over Postfix's maximal_queue_lifetime
    /// Signed where present, in this order; those of `oversign` once more than they occur, and of these
    /// `oversign_present` where they occur at all.
    std::vector<std::string> headers = {"From",
                                        "Sender",
                                        "Reply-To",
                                        "Subject",
                                        "Date",
                                        "Message-ID",
                                        "To",
                                        "Cc",
                                        "MIME-Version",
                                        "Content-Type",
                                        "Content-Transfer-Encoding",
                                        "Content-ID",
                                        "Content-Description",
                                        "In-Reply-To",
                                        "References",
                                        "OpenPGP",
                                        "Autocrypt",
                                        "Resent-Date",
                                        "Resent-From",
                                        "Resent-Sender",
                                        "Resent-To",
                                        "Resent-Cc",
                                        "Resent-Message-ID",
                                        "List-Id",
                                        "List-Help",
                                        "List-Unsubscribe",
                                        "List-Unsubscribe-Post",
                                        "List-Subscribe",
                                        "List-Post",
                                        "List-Owner",
                                        "List-Archive"};
    std::vector<std::string> oversign = {
        "From",       "To",       "Cc",           "Subject",      "Date",
        "Message-ID", "Reply-To", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"};
    std::vector<std::string> oversign_present = {"Sender", "In-Reply-To", "References", "OpenPGP", "Autocrypt"};
};

/// What `postsluice setup` waits for, and how long.
struct setup_settings {
    seconds connect_timeout{3};   ///< a connection to an SMTP server of this machine
    seconds greeting_timeout{15}; ///< its greeting
    seconds reply_timeout{60};    ///< any other reply
    seconds start_timeout{20};    ///< the private Postfix of the trial
    seconds message_timeout{60};  ///< the trial message, there and back
    seconds reload_timeout{15};   ///< Postfix's services after a reload
    seconds drain_timeout{10};    ///< sessions and messages under way, at --undo
    seconds stop_timeout{5};      ///< the private Postfix, before it is killed
};

enum class sender_origin {
    authenticated, ///< by a SASL login
    listed,        ///< an [[account]] by its network or TLS client certificate
    local,         ///< a local user, by sendmail(1)
    unknown,       ///< no account
};

inline std::vector<sender_origin> every_origin() {
    return {sender_origin::authenticated, sender_origin::listed, sender_origin::local, sender_origin::unknown};
}

/// [[settings]]: what holds for some messages instead of what their profile says
/// (contentfilter/intake/matched_settings.hpp). Conditions that are given must all hold, each by one entry of its list.
struct settings_entry {
    std::string name;
    std::uint32_t priority = 0; ///< the highest that matches applies
    // who sends: facts that no sender can choose
    std::vector<std::string> account;      ///< account names (globs)
    std::vector<std::string> login_domain; ///< "*.example.org": those below
    std::vector<ip_network> network;       ///< of the client
    std::vector<sender_origin> origin = every_origin();
    // what he writes
    std::vector<std::string> sender, recipient; ///< as from_rule::entries, and "<>" for the null sender
    std::vector<std::string> header;            ///< "NAME: glob" of the unfolded value
    // what holds then
    std::optional<double> tag_score, hold_score, reject_score;
    std::map<std::string, symbol_setting> symbols;
    std::vector<std::string> disabled_checks, disabled_groups, enabled_checks, enabled_groups;
};

/// Do its conditions say whose mail is meant, by what a sender cannot choose? A glob of nothing but '*' and a network
/// of all addresses do not.
[[nodiscard]] bool names_sender(const settings_entry& entry);

/// [[account]]: first match wins; every SASL login is an account by default.
struct account_entry {
    std::string name;
    std::vector<std::string> login; ///< logins (globs with '*') that are this account
    std::vector<ip_network> network;
    std::vector<std::string> domains; ///< what own-domain means
    std::vector<std::string> aliases; ///< what own-address means besides the login
    /// TLS client certificates' fingerprints, as Postfix prints them.
    std::vector<std::string> certificate = {};
};

/// [[customer]]: a named set of domains whose accounts share limits "per customer" and locks.
struct customer_entry {
    std::string name;
    std::vector<std::string> domains; ///< login domains; "*.example.org": those below
    std::vector<std::string> account; ///< names of [[account]] (globs)
};

/// [[assign]]: first match wins, then "default".
struct assign_entry {
    std::string profile;
    std::vector<std::string> login;         ///< globs
    std::vector<std::string> account;       ///< account names (globs)
    std::vector<std::string> customer = {}; ///< customers (globs)
};

struct settings {
    std::string hostname; ///< default: Postfix's myhostname, then the host's name
    run_mode mode = run_mode::enforce;
    std::string contact; ///< {contact} in every refusal
    std::string abuse_address;
    std::string default_domain;             ///< appended to a login without a domain
    std::string recipient_delimiter;        ///< Postfix's: extensions of logins and addresses are not another account
    std::vector<std::string> local_domains; ///< recipients elsewhere are external; "*.example.org": those below
    std::vector<ip_network> outbound_addresses; ///< what this server's mail leaves from (SPF)
    std::vector<account_source> identify = {account_source::sasl, account_source::certificate, account_source::network};
    state_settings state;
    log_settings log;
    control_settings control;
    policyd_settings policyd;
    filter_settings contentfilter;
    content_settings content;
    bayes_settings bayes;
    archive_settings archives;
    macro_settings macros;
    hash_settings hashes;
    fingerprint_settings fingerprints;
    clamd_settings clamd;
    spamd_settings spamd;
    rspamd_settings rspamd;
    url_list_settings url_lists;
    quarantine_settings quarantine;
    dkim_settings dkim;
    dns_settings dns;
    spf_settings spf;
    batv_settings batv;
    setup_settings setup;
    std::vector<account_entry> accounts;
    std::vector<customer_entry> customers;
    std::map<std::string, std::shared_ptr<const profile>> profiles; ///< always has "default"
    std::vector<assign_entry> assigns;
    std::vector<settings_entry> per_message; ///< [[settings]], the highest priority first
};

using settings_ptr = std::shared_ptr<const settings>;

} // namespace postsluice::config
