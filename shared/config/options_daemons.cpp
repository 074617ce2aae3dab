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

const word_rows<run_mode> run_modes = {{run_mode::enforce, "enforce"}, {run_mode::observe, "observe"}};
const word_rows<account_source> account_sources = {
    {account_source::sasl, "sasl"}, {account_source::certificate, "certificate"}, {account_source::network, "network"}};
const word_rows<error_policy> error_policies = {{error_policy::defer, "defer"}, {error_policy::dunno, "dunno"}};
const word_rows<accounting_mode> accounting_modes = {{accounting_mode::end_of_message, "end-of-message"},
                                                     {accounting_mode::data, "data"},
                                                     {accounting_mode::recipient, "recipient"}};
const word_rows<durability_mode> durabilities = {{durability_mode::background, "background"},
                                                 {durability_mode::sync, "sync"}};

std::string delimiter(std::string_view text) {
    for (const char c : text)
        if (c <= ' ' || c == '@' || c >= 0x7F) return "holds what no delimiter is; write it as in main.cf: \"+\"";
    return text.size() > 8 ? "is too long; Postfix's recipient_delimiter is meant, as in \"+\"" : std::string{};
}

} // namespace

const options<settings>& top_options() {
    using s = settings;
    static const options<s> rows = {
        row<s>(
            "hostname", &s::hostname, texts(rules::domain_or_nothing, "a domain name"),
            "The name under which we greet other mail servers; empty: Postfix's myhostname, then the host's own name."),
        row<s>("mode", &s::mode, words(run_modes),
               "\"observe\" decides, counts and logs, but refuses nothing; both daemons."),
        row<s>("contact", &s::contact, texts(rules::line, "one line"),
               "Where a refused sender finds help, at the end of every refusal; a URL or a telephone number.",
               R"("https://example.org/mail-policy")"),
        row<s>("abuse_address", &s::abuse_address, texts(rules::address_or_nothing, "a mail address"),
               "Can always be written to, even from a locked account, and is told of every lock.",
               R"("abuse@example.org")"),
        row<s>("default_domain", &s::default_domain, texts(rules::domain_or_nothing, "a domain name"),
               "The domain of a login that has none.", R"("example.org")"),
        row<s>(
            "recipient_delimiter", &s::recipient_delimiter, texts(delimiter, "up to 8 printable characters"),
            "Postfix's recipient_delimiter: what follows it in a login or a recipient makes no other account, no other "
            "recipient.",
            R"("+")"),
        row<s>("local_domains", &s::local_domains,
               text_lists(rules::domain_or_below, "a list of domains, or \"*.domain\""),
               "Recipients elsewhere count as external.", R"(["example.org", "*.example.org"])"),
        row<s>("outbound_addresses", &s::outbound_addresses, network_lists(),
               "The addresses that this server's mail leaves from; what SPF is asked about.", R"(["192.0.2.25"])"),
        row<s>(
            "identify", &s::identify, word_lists(account_sources),
            "What says which account a client is, in this order: its SASL login, the certificates of [[account]], the "
            "networks of [[account]]."),
    };
    return rows;
}

const options<state_settings>& state_options() {
    using s = state_settings;
    static const options<s> rows = {
        row<s>("directory", &s::directory, paths(), "The state directory; both daemons write it as the same user."),
        row<s>("map_size", &s::map_size, sizes(mib(1), gib(16 << 10)),
               "The most that each of the three stores may grow to; address space, not disk or memory, is reserved for "
               "it."),
        row<s>("journal_size", &s::journal_size, sizes(kib(256), gib(1)),
               "Counters that changed are kept in memory, up to this size, and in a journal, before they go to their "
               "store; some times as much where the store is in trouble. With three times what the accounts need that "
               "are active at a time (1.2 KiB each) a busy one goes there once a second, not at each request."),
        row<s>("writer_timeout", &s::writer_timeout, durations(seconds{1}, minutes{1}),
               "A write that both daemons share and that takes longer is given up, and on_error applies."),
        row<s>("sync_interval", &s::sync_interval, durations(seconds{1}, hours{1}),
               "Counters are brought to disk this often; a power failure forgets at most so much of them."),
        row<s>("copy_interval", &s::copy_interval, durations(seconds{10}, hours{24}),
               "A compact copy of the counters is made this often; it is what is used after a power failure."),
        row<s>("history_retention", &s::history_retention, durations(hours{24}, hours{24 * 3660}),
               "How long strikes, locks and refusals can be explained."),
    };
    return rows;
}

const options<log_settings>& log_options() {
    using s = log_settings;
    static const options<s> rows = {
        row<s>("destination", &s::destination, choices({"stderr", "syslog"}),
               "Where lines go; the journal takes stderr."),
        row<s>("level", &s::level, choices({"debug", "info", "warning", "error"}),
               "The least important lines that are written."),
    };
    return rows;
}

const options<control_settings>& control_options() {
    using s = control_settings;
    static const options<s> rows = {
        row<s>("directory", &s::directory, paths(), "Where policyd.sock and contentfilter.sock lie."),
        row<s>("group", &s::group, texts(rules::name, "a group"), "Members of this group may use the control sockets."),
    };
    return rows;
}

const options<policyd_settings>& policyd_options() {
    using s = policyd_settings;
    static const options<s> rows = {
        row<s>("listen", &s::listen, text_lists(rules::endpoint, "a list of endpoints", 1),
               "Where Postfix asks: unix:/path (below the queue directory, since smtpd is chrooted) or "
               "inet:address:port."),
        row<s>("max_connections", &s::max_connections, integers<std::size_t>(1, 100'000),
               "Connections at a time; more wait to be accepted."),
        row<s>("max_line", &s::max_line, sizes(kib(1), mib(1)),
               "A request with a longer line is not answered, and the connection closed."),
        row<s>("max_request", &s::max_request, sizes(kib(1), mib(16)),
               "A larger request is not answered, and the connection closed."),
        row<s>("max_attributes", &s::max_attributes, integers<std::size_t>(16, 10'000),
               "A request with more attributes is not answered, and the connection closed."),
        row<s>("idle_timeout", &s::idle_timeout, durations(seconds{1100}, hours{24}),
               "Idle connections are closed after this time; Postfix keeps them for up to 1000 seconds and pays for an "
               "earlier close."),
        row<s>("stop_timeout", &s::stop_timeout, durations(seconds{1}, minutes{5}),
               "How long a stop waits for requests that are being answered."),
        row<s>("accounting", &s::accounting, words(accounting_modes),
               "The last restriction list in main.cf that asks us: it settles what a transaction has used."),
        row<s>("on_error", &s::on_error, words(error_policies),
               "What trouble of our own does: the client comes back later, or mail goes on uncounted."),
        row<s>("lease", &s::lease, durations(seconds{30}, hours{24}),
               "How long a recipient stays reserved for a transaction of which nothing more is heard."),
        row<s>("ticket_key_rotation", &s::ticket_key_rotation, durations(hours{1}, hours{24 * 30}),
               "A new ticket key is made this often."),
        row<s>("ticket_key_retention", &s::ticket_key_retention, durations(hours{24}, hours{24 * 365}),
               "Old ticket keys are kept this long: longer than a message may stay in the queue."),
        row<s>("notice_via", &s::notice_via, texts(rules::endpoint, "an endpoint"),
               "Where notices to abuse_address are handed in: Postfix's re-entry listener."),
        row<s>("incident", &s::incident, durations(minutes{1}, hours{24 * 7}),
               "Refusals of one account for one reason within this time are one incident with one reference."),
        row<s>("on_error_of", &s::on_error_of, word_tables(rules::policy_rule, error_policies),
               "What trouble in one rule does in place of on_error, by the rule's name.", R"({ limits = "dunno" })"),
        row<s>("durability", &s::durability, words(durabilities),
               "\"sync\" answers when what was counted is on disk; \"background\" brings it there every "
               "state.sync_interval."),
        row<s>("record", &s::record, optional_paths(),
               "Requests are appended to this file, for `postsluice simulate`; empty: they are not.",
               R"("/var/lib/postsluice/requests.log")"),
        row<s>("record_size", &s::record_size, sizes(mib(1), gib(16)),
               "At this size the record is renamed to NAME.1 and begun anew."),
        row<s>("map_timeout", &s::map_timeout, durations(seconds{1}, minutes{1}),
               "A socketmap server that takes longer is in trouble, and on_error applies."),
        row<s>("map_cache", &s::map_cache, integers<std::size_t>(0, 10'000'000),
               "Answers of socketmap servers that are remembered."),
        row<s>("map_cache_time", &s::map_cache_time, durations(seconds{0}, hours{24}), "For how long they are."),
        row<s>("hook_timeout", &s::hook_timeout, durations(seconds{1}, hours{1}),
               "A program of lock.on_lock that runs longer is killed."),
        row<s>("max_hooks", &s::max_hooks, integers<std::size_t>(1, 100),
               "Programs of lock.on_lock at a time; more wait."),
        row<s>("new_recipients_after", &s::new_recipients_after, durations(seconds{0}, hours{24 * 365}),
               "An account's limits on new recipients hold when it has been known for so long."),
        row<s>("known_recipients", &s::known_recipients, integers<std::size_t>(100, 10'000'000),
               "Recipients that are remembered for each account; the oldest are forgotten first."),
        row<s>("rest_interval", &s::rest_interval, durations(seconds{1}, hours{1}),
               "After so long with nearly nothing to do, memory that is free goes back to the system."),
        row<s>("rest_requests", &s::rest_requests, integers<std::uint64_t>(0, 1'000'000),
               "Requests in that time that are nearly nothing."),
    };
    return rows;
}

const options<dns_settings>& dns_options() {
    using s = dns_settings;
    static const options<s> rows = {
        row<s>("servers", &s::servers, text_lists(rules::name_server, "a list of addresses, or address@port"),
               "The name servers to ask; empty: those of /etc/resolv.conf.", R"(["127.0.0.1"])"),
        row<s>("timeout", &s::timeout, durations(seconds{1}, minutes{1}),
               "A question without an answer after this time is a temporary error."),
        row<s>("max_queries", &s::max_queries, integers<std::size_t>(1, 100'000),
               "Questions at a time; more are temporary errors."),
        row<s>("cache", &s::cache, sizes(mib(1), gib(1)), "Memory for answers."),
        row<s>("trust_anchor", &s::trust_anchor, optional_paths(),
               "The DNSSEC root key; empty: answers are not validated here.", R"("/usr/share/dns/root.key")"),
    };
    return rows;
}

const options<spf_settings>& spf_options() {
    using s = spf_settings;
    static const options<s> rows = {
        row<s>("helper", &s::helper, paths(), "The confined program that evaluates."),
        row<s>("timeout", &s::timeout, durations(seconds{1}, minutes{2}),
               "An evaluation that takes longer is a temporary error (RFC 7208 section 4.6.4)."),
        row<s>(
            "wait", &s::wait, durations(seconds{0}, minutes{2}),
            "A reply waits so long for an evaluation, where `spf = \"require\"`; then it is a temporary error, and the "
            "evaluation goes on for the next try. Keep it below the timeout of Postfix's check_policy_service."),
        row<s>("max_terms", &s::max_terms, integers<std::uint32_t>(1, 100),
               "Terms that ask the DNS; more are a permanent error (RFC 7208 section 4.6.4)."),
        row<s>("max_voids", &s::max_voids, integers<std::uint32_t>(0, 100),
               "Questions without an answer; more are a permanent error (RFC 7208 section 4.6.4)."),
        row<s>("cache_time", &s::cache_time, durations(minutes{1}, hours{24 * 7}), "How long a result is used again."),
        row<s>("cache_entries", &s::cache_entries, integers<std::size_t>(10, 10'000'000),
               "Results that are remembered."),
    };
    return rows;
}

const options<batv_settings>& batv_options() {
    using s = batv_settings;
    static const options<s> rows = {
        row<s>("domains", &s::domains, text_lists(rules::domain, "a list of domains"),
               "Domains whose reverse-paths the filter tags, and whose bounces need a tag.", R"(["example.org"])"),
        row<s>("key_file", &s::key_file, paths(),
               "The keys, one \"N secret\" a line, the newest first; made where it is not there."),
        row<s>("lifetime", &s::lifetime, durations(hours{24}, hours{24 * 500}), "How long a tag is good."),
        row<s>("exempt", &s::exempt, text_lists(rules::address, "a list of addresses"),
               "Recipients that take bounces without a tag.", R"(["postmaster@example.org"])"),
    };
    return rows;
}

} // namespace postsluice::config
