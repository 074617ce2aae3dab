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
const word_rows<account_source> account_sources = {{account_source::sasl, "sasl"},
                                                   {account_source::network, "network"}};
const word_rows<error_policy> error_policies = {{error_policy::defer, "defer"}, {error_policy::dunno, "dunno"}};
const word_rows<accounting_mode> accounting_modes = {{accounting_mode::end_of_message, "end-of-message"},
                                                     {accounting_mode::data, "data"},
                                                     {accounting_mode::recipient, "recipient"}};

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
        row<s>("identify", &s::identify, word_lists(account_sources),
               "What says which account a client is, in this order: its SASL login, the networks of [[account]]."),
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
    };
    return rows;
}

} // namespace postsluice::config
