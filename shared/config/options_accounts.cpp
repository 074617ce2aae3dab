// SPDX-License-Identifier: Apache-2.0
#include "shared/config/limit_language.hpp"
#include "shared/config/options.hpp"
#include "shared/core/text.hpp"

namespace postsluice::config {
namespace {

using std::chrono::hours;

const word_rows<locked_reply> locked_replies = {{locked_reply::tempfail, "tempfail"}, {locked_reply::reject, "reject"}};
const word_rows<bool> observing = {{false, "enforce"}, {true, "observe"}};
const word_rows<spf_policy> spf_policies = {
    {spf_policy::ignore, "ignore"}, {spf_policy::warn, "warn"}, {spf_policy::require, "require"}};
const word_rows<null_sender_policy> null_sender_policies = {
    {null_sender_policy::allow, "allow"}, {null_sender_policy::limit, "limit"}, {null_sender_policy::reject, "reject"}};
const word_rows<recipient_policy> recipient_policies = {
    {recipient_policy::ignore, "ignore"}, {recipient_policy::count, "count"}, {recipient_policy::reject, "reject"}};
const word_rows<hold_place> hold_places = {{hold_place::quarantine, "quarantine"}, {hold_place::queue, "queue"}};
const word_rows<client_trace> client_traces = {
    {client_trace::keep, "no"}, {client_trace::rewrite, "rewrite"}, {client_trace::remove, "remove"}};
constexpr double max_score = 10'000;
constexpr std::uint32_t max_unlocks = 1000;

std::string parent_name(std::string_view text) {
    return text.empty() ? std::string{} : rules::name(text);
}
std::string service_or_nothing(std::string_view text) {
    return text.empty() ? std::string{} : rules::service(text);
}
std::string prefix(std::string_view text) {
    auto wrong = rules::line(text);
    return wrong.empty() && text.size() > 100 ? "is too long; 100 octets at most" : wrong;
}

using p = profile_entry;

options<p> policy_rows() {
    return {
        row<p>("inherits", &p::inherits, texts(parent_name, "a profile"),
               "The profile of which this one is a variant; empty: none."),
        row<p>("mode", &p::observe, words(observing), "\"observe\" decides, counts and logs, but refuses nothing."),
        row<p>("observe_rules", &p::observe_rules, text_lists(rules::policy_rule, "a list of rules"),
               "Rules that refuse nothing, though the others do.", R"(["from_address"])"),
        row<p>("limits", &p::limits, limit_lists(),
               "What an account may send; a limit replaces the inherited one of the same unit, period and scope."),
        row<p>("from", &p::from, from_rules(), "The senders an account may use."),
        row<p>("header_from", &p::header_from, booleans(), "The same holds for the From header."),
        row<p>(
            "lock.after", [](auto& e) -> auto& { return e.lock.after; }, trigger_lists(),
            "The strikes that lock an account; each line for itself."),
        row<p>(
            "lock.for", [](auto& e) -> auto& { return e.lock.duration; }, durations(seconds{1}, hours{24 * 365}),
            "How long it is locked."),
        row<p>(
            "lock.automatic_unlocks", [](auto& e) -> auto& { return e.lock.automatic_unlocks; },
            integers<std::uint32_t>(0, max_unlocks),
            "How often it opens by itself; the lock after that stays until a person unlocks."),
        row<p>(
            "on_lock", &p::on_lock, text_lists(rules::lock_hook, "\"notify\", or \"exec:\" and a command"),
            "What a lock and an unlock cause: a mail to abuse_address, a program (no shell; {account} and the like are "
            "replaced). A program whose line names neither {event} nor {state} runs for locks only.",
            R"(["notify", "exec:/usr/local/bin/disable-login {account}"])"),
        row<p>("when_locked", &p::when_locked, words(locked_replies),
               "What a locked account is told: come back later, or a refusal for good."),
    };
}

options<p> sanity_rows() {
    return {
        row<p>("valid_sender", &p::valid_sender, booleans(),
               "The sender's domain must take mail: an MX or an address in the DNS, and no null MX (RFC 7505)."),
        row<p>("sender_maps", &p::sender_maps, text_lists(rules::map, "a list of maps"),
               "Where given, the sender's address must be in one of these maps.", R"(["lmdb:/etc/postfix/virtual"])"),
        row<p>("valid_recipients", &p::valid_recipients, words(recipient_policies),
               "Recipients that cannot exist (syntax, no MX and no address, null MX): refused and counted as invalid, "
               "only counted, or not looked at."),
        row<p>("spf", &p::spf, words(spf_policies),
               "Whether the SPF record of the sender's domain must permit outbound_addresses."),
        row<p>("null_sender", &p::null_sender, words(null_sender_policies),
               "Mail from <> by an authenticated account: let through, only under a limit on null-sender messages, or "
               "refused."),
        row<p>("blocked_senders", &p::blocked_senders,
               text_lists(rules::address_or_map, "a list of addresses, domains and maps"),
               "Senders that are refused whatever `from` says.", R"(["ceo@example.org", "@*.example.net"])"),
        row<p>("blocked_recipients", &p::blocked_recipients,
               text_lists(rules::address_or_map, "a list of addresses, domains and maps"),
               "Recipients that are refused.", R"(["@competitor.example", "lmdb:/etc/postfix/no_mail_to"])"),
        row<p>(
            "trend.factor", [](auto& e) -> auto& { return e.trend.factor; }, reals(0, 1000),
            "A day with more than so many times the account's usual volume is a trend; 0: not looked at."),
        row<p>(
            "trend.floor", [](auto& e) -> auto& { return e.trend.floor; }, trend_floors(),
            "A day under this volume is none."),
        row<p>(
            "trend.action", [](auto& e) -> auto& { return e.trend.action; }, limit_actions(), "What happens then."),
    };
}

options<p> filter_rows() {
    return {
        row<p>("scores.tag", &p::tag_score, reals(-max_score, max_score), "From this score on a message is tagged."),
        row<p>("scores.hold", &p::hold_score, reals(-max_score, max_score),
               "From this score on it is held; `hold` says where."),
        row<p>("scores.reject", &p::reject_score, reals(-max_score, max_score), "From this score on it is refused."),
        row<p>("symbols", &p::symbols, symbol_tables(), "What becomes of a finding, in place of what its check says.",
               R"({ GTUBE = { score = 20, action = "quarantine", enabled = true } })"),
        row<p>("disabled_checks", &p::disabled_checks, text_lists(rules::check, "a list of checks"),
               "Checks that do not run.", R"(["file_types"])"),
        row<p>("disabled_groups", &p::disabled_groups, text_lists(rules::check_group, "a list of groups"),
               "Groups of checks that do not run.", R"(["reputation"])"),
        row<p>("subject_prefix", &p::subject_prefix, texts(prefix, "one line of at most 100 octets"),
               "Put before the Subject of tagged mail.", R"("[spam?] ")"),
        row<p>("tag_header", &p::tag_header, booleans(), "Tagged mail gets an X-Postsluice-Score header."),
        row<p>("remove_headers", &p::remove_headers, text_lists(rules::header_name, "a list of header fields"),
               "Header fields that do not leave this server.", R"(["X-Originating-IP"])"),
        row<p>(
            "dkim_selector", &p::dkim_selector, texts(rules::name_or_nothing, "a selector"),
            "Where the domain has a DKIM key of this selector, only that one signs; empty: all of the domain's keys.",
            R"("bulk")"),
        row<p>("hold", &p::hold, words(hold_places),
               "Where held mail is kept: in quarantine, or in Postfix's hold queue (contentfilter.hold_hop)."),
        row<p>("hold_release", &p::hold_release, durations(seconds{0}, hours{24 * 366}),
               "Mail that is held in quarantine is released by itself after this time; 0 s: only by hand."),
        row<p>("next_hop", &p::next_hop, texts(service_or_nothing, "an endpoint"),
               "Where mail goes that passed; empty: contentfilter.next_hop.",
               R"("unix:/var/spool/postfix/public/postsluice-bulk")"),
        row<p>("hide_client", &p::hide_client, words(client_traces),
               "The Received field that this server wrote for the account's client: \"rewrite\" leaves the client's "
               "name, address and login out, \"remove\" leaves out all of it."),
        row<p>("max_message_size", &p::max_message_size, sizes({}, {std::uint64_t{16} << 30U}),
               "A larger message is refused; \"0 B\": only contentfilter.max_message_size holds.", R"("50 MiB")"),
        row<p>("max_attachment_size", &p::max_attachment_size, sizes({}, {std::uint64_t{16} << 30U}),
               "A message with a larger attachment (decoded) is refused; \"0 B\": no bound.", R"("20 MiB")"),
        row<p>("max_attachments", &p::max_attachments, integers<std::size_t>(0, 100'000),
               "A message with more attachments is refused; 0: no bound.", "50"),
    };
}

} // namespace

const options<profile_entry>& profile_options() {
    static const options<p> rows = [] {
        auto all = policy_rows();
        for (auto& one : sanity_rows())
            all.push_back(std::move(one));
        for (auto& one : filter_rows())
            all.push_back(std::move(one));
        return all;
    }();
    return rows;
}

const options<account_entry>& account_options() {
    using a = account_entry;
    static const options<a> rows = {
        row<a>("name", &a::name, texts(rules::account_name, "a name"),
               "What the account is called; without logins and networks, its login.", R"("shop")"),
        row<a>("login", &a::login, text_lists(rules::login, "a list of logins"),
               "The logins that are this account; '*' is any run of characters.", R"(["shop@example.org"])"),
        row<a>("network", &a::network, network_lists(), "The addresses and networks that are this account.",
               R"(["192.0.2.0/28", "2001:db8:5::/64"])"),
        row<a>("certificate", &a::certificate, text_lists(rules::fingerprint, "a list of fingerprints"),
               "The TLS client certificates that are this account, as Postfix's ccert_fingerprint or "
               "ccert_pubkey_fingerprint.",
               R"(["A1:B2:C3:D4:E5:F6:07:18:29:3A:4B:5C:6D:7E:8F:90:A1:B2:C3:D4"])"),
        row<a>("domains", &a::domains, text_lists(rules::domain, "a list of domains"),
               "What from = \"own-domain\" means, besides the login's.", R"(["shop.example"])"),
        row<a>("aliases", &a::aliases, text_lists(rules::address, "a list of addresses"),
               "What from = \"own-address\" means, besides the login.", R"(["orders@shop.example"])"),
    };
    return rows;
}

const options<customer_entry>& customer_options() {
    using c = customer_entry;
    static const options<c> rows = {
        row<c>("name", &c::name, texts(rules::account_name, "a name"), "What the customer is called.", R"("acme")"),
        row<c>("domains", &c::domains, text_lists(rules::domain_or_below, "a list of domains, or \"*.domain\""),
               "The domains of its logins.", R"(["acme.example", "*.acme.example"])"),
        row<c>("account", &c::account, text_lists(rules::login, "a list of accounts"),
               "Names of its [[account]]; '*' is any run of characters.", R"(["acme-*"])"),
    };
    return rows;
}

const options<assign_entry>& assign_options() {
    using a = assign_entry;
    static const options<a> rows = {
        row<a>("profile", &a::profile, texts(rules::name, "a profile"), "The profile that these accounts have.",
               R"("default")"),
        row<a>("login", &a::login, text_lists(rules::login, "a list of logins"),
               "Logins; '*' is any run of characters.", R"(["news@example.org", "*@lists.example.org"])"),
        row<a>("account", &a::account, text_lists(rules::login, "a list of accounts"),
               "Names of [[account]]; '*' is any run of characters.", R"(["shop"])"),
        row<a>("customer", &a::customer, text_lists(rules::login, "a list of customers"),
               "Names of [[customer]]; '*' is any run of characters.", R"(["acme"])"),
    };
    return rows;
}

profile_entry built_in_profile() {
    profile_entry out;
    for (const auto* text :
         {"30 messages per minute", "300 recipients per hour", "1000 recipients per day", "200 new recipients per day",
          "50 invalid recipients per day", "1 GB per day", "100 recipients per message", "50 MB per message"})
        out.limits.push_back(parse_limit(text).value());
    for (const auto* text : {"1 virus", "2 phish in 24 hours", "5 spam in 10 minutes"})
        out.lock.after.push_back(parse_trigger(text).value());
    out.from.what = from_rule::kind::own_domain;
    return out;
}

} // namespace postsluice::config
