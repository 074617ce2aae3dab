// SPDX-License-Identifier: Apache-2.0
#include "shared/config/options.hpp"

namespace postsluice::config {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr byte_count kib(std::uint64_t n) {
    return {n << 10U};
}
constexpr byte_count mib(std::uint64_t n) {
    return {n << 20U};
}
constexpr byte_count gib(std::uint64_t n) {
    return {n << 30U};
}

const word_rows<filter_error_policy> error_policies = {{filter_error_policy::tempfail, "tempfail"},
                                                       {filter_error_policy::hold, "hold"},
                                                       {filter_error_policy::pass, "pass"}};
const word_rows<no_ticket_policy> no_ticket_policies = {{no_ticket_policy::default_profile, "default-profile"},
                                                        {no_ticket_policy::hold, "hold"},
                                                        {no_ticket_policy::tempfail, "tempfail"}};
const word_rows<tries_policy> tries_policies = {{tries_policy::hold, "hold"}, {tries_policy::pass, "pass"}};
const word_rows<published_policy> published_policies = {
    {published_policy::off, "off"}, {published_policy::warn, "warn"}, {published_policy::require, "require"}};
const word_rows<dkim_signer> signers = {{dkim_signer::own, "own"}, {dkim_signer::libopendkim, "libopendkim"}};

std::string header_or_nothing(std::string_view text) {
    return text.empty() ? std::string{} : rules::header_name(text);
}

using s = filter_settings;

options<s> listening() {
    return {
        row<s>("listen", &s::listen, text_lists(rules::service, "a list of endpoints"),
               "Where Postfix delivers to: lmtp: or smtp:, then unix:/path or inet:address:port."),
        row<s>("listen_before_queue", &s::listen_before_queue, text_lists(rules::endpoint, "a list of endpoints"),
               "For smtpd_proxy_filter, by SMTP: mail that Postfix has not queued yet; refusals are the client's own."),
        row<s>("listen_pipe", &s::listen_pipe, text_lists(rules::endpoint, "a list of endpoints"),
               "For postsluice-pipe, the command of pipe(8)."),
        row<s>(
            "listen_bounces", &s::listen_bounces, text_lists(rules::endpoint, "a list of endpoints"),
            "Delivery feedback: Postfix's notices of bounces, by LMTP; recipients that do not exist are then counted "
            "as the account's invalid recipients.",
            R"(["unix:/var/spool/postfix/postsluice/bounces"])"),
        row<s>("bounce_statuses", &s::bounce_statuses, text_lists(rules::enhanced_status, "a list of statuses"),
               "What a bounce says of a recipient that does not exist (RFC 3463)."),
        row<s>("bounce_timeout", &s::bounce_timeout, durations(seconds{1}, seconds{60}),
               "For policyd to count them; then the notice waits in Postfix's queue."),
        row<s>("next_hop", &s::next_hop, texts(rules::service, "an endpoint"),
               "Where mail goes that passed: Postfix's re-entry listener."),
        row<s>("hold_hop", &s::hold_hop, texts(rules::service, "an endpoint"),
               "Where held mail goes of profiles with hold = \"queue\": a listener of Postfix that puts all of it on "
               "hold."),
        row<s>("mail_owner", &s::mail_owner, texts(rules::name, "a user"),
               "The user that the mail server runs as: his processes, root's and our own may use our listeners."),
        row<s>("trusted", &s::trusted, network_lists(),
               "Other hosts that may use our TCP listeners; this host's mail server always may."),
        row<s>("threads", &s::threads, integers<std::size_t>(1, 256), "Threads for connections and checks."),
        row<s>("max_connections", &s::max_connections, integers<std::size_t>(1, 100'000),
               "Connections at a time; more wait to be accepted."),
        row<s>("max_message_size", &s::max_message_size, sizes(kib(64), gib(16)),
               "A larger message is refused; some KB over Postfix's message_size_limit, for what it adds."),
        row<s>("spool_directory", &s::spool_directory, paths(), "Where messages lie while they are looked at."),
        row<s>("spool_memory", &s::spool_memory, sizes({}, gib(1)), "Messages up to this size stay in memory."),
        row<s>("decoded_memory", &s::decoded_memory, sizes({}, gib(1)),
               "What the parts of one message hold, with their transfer encoding undone, is kept in memory up to this "
               "while its checks run; what is beyond it each check decodes for itself."),
        row<s>("max_recipients", &s::max_recipients, integers<std::size_t>(100, 1'000'000),
               "Recipients of one message; more are deferred."),
        row<s>("max_loops", &s::max_loops, integers<std::size_t>(1, 100),
               "A message that passed us more often is a mail loop, and refused."),
        row<s>("command_timeout", &s::command_timeout, durations(seconds{5}, hours{1}),
               "How long we wait for the next command, or for more data."),
        row<s>("deadline", &s::deadline, durations(seconds{10}, hours{1}),
               "From the end of a message to our reply; under Postfix's lmtp_data_done_timeout, or a message is "
               "delivered twice."),
        row<s>("deadline_before_queue", &s::deadline_before_queue, durations(seconds{10}, hours{1}),
               "The same for listen_before_queue; under Postfix's smtpd_proxy_timeout of 100 s."),
        row<s>("stop_timeout", &s::stop_timeout, durations(seconds{1}, minutes{10}),
               "How long a stop waits for messages that are being handled."),
        row<s>("next_hop_connect_timeout", &s::next_hop_connect_timeout, durations(seconds{1}, minutes{10}),
               "For a connection to the next hop."),
        row<s>("next_hop_reply_timeout", &s::next_hop_reply_timeout, durations(seconds{1}, hours{1}),
               "For each reply of the next hop."),
        row<s>("next_hop_idle", &s::next_hop_idle, durations(seconds{0}, minutes{10}),
               "How long a connection to the next hop is kept for the next message."),
        row<s>("refund_timeout", &s::refund_timeout, durations(seconds{1}, seconds{30}),
               "For policyd to take back the charge of a message that was put off before the queue; later it is asked "
               "again, since the client waits."),
        row<s>("max_refunds", &s::max_refunds, integers<std::size_t>(1, 100'000),
               "Charges that wait to be taken back, where policyd cannot be asked; of more, the oldest stay charged."),
        row<s>("rest_interval", &s::rest_interval, durations(seconds{1}, hours{1}),
               "After so long with nearly nothing to do, memory that is free goes back to the system."),
        row<s>("rest_messages", &s::rest_messages, integers<std::uint64_t>(0, 1'000'000),
               "Messages in that time that are nearly nothing."),
    };
}

options<s> checking() {
    return {
        row<s>("max_header", &s::max_header, sizes(kib(16), mib(64)),
               "Octets of header that are looked at; a message with more has a finding."),
        row<s>("max_header_count", &s::max_header_count, integers<std::size_t>(50, 1'000'000),
               "Header fields that are looked at; a message with more has a finding."),
        row<s>("max_parts", &s::max_parts, integers<std::size_t>(1, 1'000'000),
               "MIME parts that are looked at; a message with more has a finding."),
        row<s>("max_part_depth", &s::max_part_depth, integers<std::size_t>(1, 200),
               "MIME parts inside each other that are looked at; a message with more has a finding."),
        row<s>("check_timeout", &s::check_timeout, durations(seconds{1}, minutes{30}),
               "For each check; a later one has failed, and on_error applies."),
        row<s>("on_error", &s::on_error, words(error_policies),
               "What a check does that could not finish: the message waits, is held, or goes on."),
        row<s>("on_error_of", &s::on_error_of, word_tables(rules::check, error_policies),
               "What trouble in one check does in place of on_error, by the check's name.", R"({ clamd = "hold" })"),
        row<s>("no_ticket", &s::no_ticket, words(no_ticket_policies),
               "Mail that policyd did not see: it is held to the default profile, goes to quarantine, or waits."),
        row<s>(
            "passage_memory", &s::passage_memory, durations(hours{1}, hours{24 * 365}),
            "How long it is remembered what left the filter, so that nothing arrives twice and requeued mail is known; "
            "longer than Postfix's maximal_queue_lifetime."),
        row<s>("max_tries", &s::max_tries, integers<std::uint32_t>(1, 100),
               "So often may the daemon die over one message; then after_tries says what becomes of it. Where it dies "
               "even so, the message goes to quarantine unread."),
        row<s>("after_tries", &s::after_tries, words(tries_policies),
               "It goes to quarantine, or passes without having been looked at; both are alarmed."),
        row<s>("bounces_per_hour", &s::bounces_per_hour, integers<std::uint32_t>(0, 1'000'000),
               "Refusals of one account that may become bounces; more go to quarantine."),
        row<s>("worker", &s::worker, paths(), "The confined program that looks at files."),
        row<s>("workers", &s::workers, integers<std::size_t>(1, 64), "How many of them run."),
        row<s>("worker_timeout", &s::worker_timeout, durations(seconds{1}, minutes{10}),
               "For one file; a worker that takes longer is replaced."),
        row<s>("worker_memory", &s::worker_memory, sizes(mib(128), gib(16)),
               "Address space of each; a file that needs more has failed, and on_error applies."),
        row<s>("worker_idle", &s::worker_idle, durations(seconds{1}, hours{24}),
               "A worker that was not asked for so long ends; the next file that needs it starts another one."),
        row<s>("rule_files", &s::rule_files, path_lists(),
               "Pattern rules, in this order; '*' stands for any run of characters."),
        row<s>("max_pattern_input", &s::max_pattern_input, sizes(kib(4), gib(1)),
               "Octets of one part that patterns are looked for in."),
    };
}

options<s> identifying() {
    return {
        row<s>("identity_header", &s::identity_header, texts(header_or_nothing, "a header field"),
               "A header field with a pseudonym of the account, which `postsluice whois` understands; empty: none.",
               R"("X-Sender-Id")"),
        row<s>("identity_key_file", &s::identity_key_file, paths(),
               "The keys of these pseudonyms; made where missing, readable by the daemon alone."),
        row<s>("identity_key_rotation", &s::identity_key_rotation, durations(seconds{0}, hours{24 * 3660}),
               "How long an account keeps its pseudonym; 0 s: for ever."),
        row<s>("identity_key_retention", &s::identity_key_retention, durations(hours{24}, hours{24 * 3660}),
               "How long a pseudonym is understood after it was replaced by the next one."),
    };
}

} // namespace

const options<filter_settings>& contentfilter_options() {
    static const options<s> rows = [] {
        auto all = listening();
        for (auto& one : checking())
            all.push_back(std::move(one));
        for (auto& one : identifying())
            all.push_back(std::move(one));
        return all;
    }();
    return rows;
}

const options<quarantine_settings>& quarantine_options() {
    using q = quarantine_settings;
    static const options<q> rows = {
        row<q>("directory", &q::directory, paths(), "Where quarantined messages lie."),
        row<q>("retention", &q::retention, durations(hours{1}, hours{24 * 3660}), "They are deleted after this time."),
        row<q>("max_bytes", &q::max_bytes, sizes(mib(1), gib(16 << 10)),
               "Where they would need more room than this, the oldest are deleted, or mail for quarantine waits; see "
               "keep_at_least."),
        row<q>("max_messages", &q::max_messages, integers<std::size_t>(1, 10'000'000),
               "Where they would be more than this, the same."),
        row<q>("keep_at_least", &q::keep_at_least, durations(seconds{0}, hours{24 * 3660}),
               "No message younger than this is deleted for room, and none that awaits its timed release; where that "
               "leaves too little, mail for quarantine waits (452)."),
        row<q>("release_retry", &q::release_retry, durations(seconds{1}, hours{24}),
               "When a timed release is tried again that the next hop did not take, or whose account is locked."),
    };
    return rows;
}

const options<dkim_settings>& dkim_options() {
    using d = dkim_settings;
    static const options<d> rows = {
        row<d>("sign", &d::sign, booleans(), "Sign what passes, with the keys of the From header's domain."),
        row<d>("directory", &d::directory, paths(), "The keys: DOMAIN/SELECTOR.pem; every key of a domain signs."),
        row<d>("signer", &d::signer, words(signers), "Who signs; \"libopendkim\" is slower, and there for comparison."),
        row<d>("min_rsa_bits", &d::min_rsa_bits, integers<std::size_t>(1024, 16'384),
               "RSA keys with fewer bits are not used."),
        row<d>("key_table", &d::key_table, texts(rules::dkim_table, "a file"),
               "OpenDKIM's KeyTable as it is: a path, \"file:\" and a path, or \"refile:\" and a path; with "
               "signing_table.",
               R"("/etc/opendkim/key.table")"),
        row<d>("signing_table", &d::signing_table, texts(rules::dkim_table, "a file"),
               "OpenDKIM's SigningTable as it is; where it names keys for an author, they sign and `directory` is not "
               "asked.",
               R"("refile:/etc/opendkim/signing.table")"),
        row<d>("multiple_signatures", &d::multiple_signatures, booleans(),
               "OpenDKIM's MultipleSignatures: every line of signing_table that matches signs, not only the first."),
        row<d>(
            "expire", &d::expire, durations(seconds{0}, hours{24 * 366}),
            "Signatures expire (x=) after this time; 0 s: never. Longer than mail may be under way, 14 days or more."),
        row<d>("watch_interval", &d::watch_interval, durations(seconds{1}, hours{24}),
               "How often it is looked whether keys or tables changed; what changed is loaded without a restart."),
        row<d>("check_published", &d::check_published, words(published_policies),
               "Whether the DNS is asked if it publishes our keys: \"warn\" logs what does not match, with "
               "\"require\" such a key does not sign."),
        row<d>("check_interval", &d::check_interval, durations(minutes{1}, hours{24 * 31}),
               "How often the DNS is asked for a key's record; before the first use it always is."),
        row<d>("check_retry", &d::check_retry, durations(seconds{1}, hours{24}),
               "The same where the DNS did not answer, or its record did not match."),
        row<d>("retired_for", &d::retired_for, durations(hours{1}, hours{24 * 366}),
               "The record of a key that `dkim rotate` took out of use stays published for so long; longer than "
               "Postfix's maximal_queue_lifetime."),
        row<d>("headers", &d::headers, text_lists(rules::header_name, "a list of header fields", 1),
               "Signed where they are present."),
        row<d>("oversign", &d::oversign, text_lists(rules::header_name, "a list of header fields"),
               "Signed once more than they occur, so that nobody can add one."),
        row<d>(
            "oversign_present", &d::oversign_present, text_lists(rules::header_name, "a list of header fields"),
            "Of `headers`, signed once more than they occur where they occur; who adds the first one breaks nothing."),
    };
    return rows;
}

} // namespace postsluice::config
