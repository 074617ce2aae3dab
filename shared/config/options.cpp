// SPDX-License-Identifier: Apache-2.0
#include "shared/config/options.hpp"

namespace postsluice::config {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double minute = 60, hour = 3600, day = 86400;
constexpr double kib = 1024, mib = kib * 1024, gib = mib * 1024, tib = gib * 1024;

// ROW(key, member, least, most, help): the key is the member's path, so both cannot differ.
#define ROW(member, least, most, help)                                                                                 \
    make_option<settings>(#member, [](settings& s) -> auto& { return s.member; }, bounds{least, most}, help)

std::vector<option<settings>> general() {
    return {
        ROW(hostname, 0, inf, "The name of this mail server; default: Postfix's myhostname."),
        ROW(mode, 0, inf, "Whether decisions are enforced, or only made, counted and logged."),
        ROW(contact, 0, inf, "Where refused senders find help: a URL or an address that stands in every refusal."),
        ROW(abuse_address, 0, inf, "The address that stays reachable from locked accounts and is told of every lock."),
        ROW(default_domain, 0, inf, "The domain appended to logins that have none."),
        ROW(identify, 0, inf, "How an account is found, in this order."),
        ROW(state.directory, 0, inf, "Where the state store lies."),
        ROW(state.map_size, 16 * mib, tib, "The most that each environment of the store may take."),
        ROW(state.writer_timeout, 1, minute, "How long a write of shared state may wait before on_error applies."),
        ROW(state.sync_interval, 1, minute, "How often counters are flushed to the disk."),
        ROW(state.copy_interval, 10, day, "How often counters are copied, to be restored after a machine crash."),
        ROW(state.history_retention, day, 3650 * day, "How long lock history and events are kept."),
        ROW(log.destination, 0, inf, "Where the log goes: \"stderr\" (the journal) or \"syslog\"."),
        ROW(log.level, 0, inf, "The least level that is logged: \"debug\", \"info\", \"warning\" or \"error\"."),
        ROW(control.directory, 0, inf, "Where the control sockets of both daemons lie."),
        ROW(control.group, 0, inf, "Members of this group may use the control sockets."),
    };
}

std::vector<option<settings>> policy() {
    return {
        ROW(policyd.listen, 0, inf, "Where policyd listens: \"unix:/path\" or \"inet:address:port\"."),
        ROW(policyd.max_connections, 1, 1e6, "Connections from Postfix; more are closed at once."),
        ROW(policyd.max_line, 1 * kib, mib, "The longest line of a policy request; longer ones end the connection."),
        ROW(policyd.max_request, 4 * kib, 16 * mib, "The largest policy request; larger ones end the connection."),
        ROW(policyd.max_attributes, 32, 10000, "The most attributes of a policy request; more end the connection."),
        ROW(policyd.idle_timeout, 1100, day, "Idle connections are closed after this; sooner costs Postfix a second a request."),
        ROW(policyd.stop_timeout, 1, 5 * minute, "How long a stop waits for requests under way."),
        ROW(policyd.accounting, 0, inf, "When a charge becomes final; it follows the hooks in Postfix's configuration."),
        ROW(policyd.on_error, 0, inf, "What Postfix is told when state fails: come back later, or no opinion."),
        ROW(policyd.lease, minute, hour, "How long a reservation lives without a sign of its transaction."),
        ROW(policyd.ticket_key_rotation, minute, 365 * day, "How often a new key for tickets is made."),
        ROW(policyd.ticket_key_retention, day, 365 * day, "How long old keys are kept: longer than mail may queue."),
        ROW(policyd.notice_via, 0, inf, "The SMTP listener that takes notices to abuse_address: the re-entry listener."),
        ROW(policyd.incident, minute, 30 * day, "Refusals of one account for one reason within this time share a reference."),
    };
}

std::vector<option<settings>> filter() {
    return {
        ROW(contentfilter.listen, 0, inf, "Where the filter listens: \"lmtp:\" or \"smtp:\" before \"unix:/path\" or \"inet:address:port\"."),
        ROW(contentfilter.next_hop, 0, inf, "The re-entry listener that takes passed mail."),
        ROW(contentfilter.trusted, 0, inf, "Remote hosts that may use TCP listeners; local ones must be root or the mail owner."),
        ROW(contentfilter.threads, 1, 256, "Threads for sessions, and as many for checks."),
        ROW(contentfilter.max_connections, 1, 1e5, "Sessions at once; further ones are told 421."),
        ROW(contentfilter.max_message_size, 64 * kib, 4 * gib, "The largest message; larger ones are refused."),
        ROW(contentfilter.spool_directory, 0, inf, "Where large messages lie while they are scanned; not on tmpfs."),
        ROW(contentfilter.spool_memory, 4 * kib, gib, "Messages up to this size stay in memory."),
        ROW(contentfilter.max_recipients, 1, 1e6, "Recipients of a message; further ones are told 452."),
        ROW(contentfilter.max_header, 16 * kib, 64 * mib, "Octets of a header; what is beyond counts as body."),
        ROW(contentfilter.max_header_count, 10, 1e6, "Fields of a header; what is beyond counts as body."),
        ROW(contentfilter.max_parts, 1, 1e5, "MIME parts; with more the message is not taken apart (finding MIME_BOUND)."),
        ROW(contentfilter.max_part_depth, 1, 1000, "Depth of MIME parts, likewise."),
        ROW(contentfilter.max_loops, 1, 100, "How often a message may pass this filter."),
        ROW(contentfilter.command_timeout, 1, hour, "How long a session may be silent."),
        ROW(contentfilter.deadline, 10, 590, "From the final dot to the reply; Postfix gives up after 600 s."),
        ROW(contentfilter.next_hop_connect_timeout, 1, 5 * minute, "Time for a connection to the next hop."),
        ROW(contentfilter.next_hop_reply_timeout, 1, 590, "Time for each reply of the next hop."),
        ROW(contentfilter.next_hop_idle, 0, hour, "How long a connection to the next hop is kept for reuse."),
        ROW(contentfilter.check_timeout, 1, 5 * minute, "Time for each check; then on_error applies."),
        ROW(contentfilter.stop_timeout, 1, 10 * minute, "How long a stop waits for messages under way."),
        ROW(contentfilter.on_error, 0, inf, "What happens to a message that a check could not finish."),
        ROW(contentfilter.no_ticket, 0, inf, "What happens to a message without proof of its sender."),
        ROW(contentfilter.bounces_per_hour, 0, 1e6, "Refusals that an account gets as bounces; then quarantine."),
        ROW(contentfilter.worker, 0, inf, "The confined program that recognises file types."),
        ROW(contentfilter.workers, 1, 64, "How many of them run."),
        ROW(contentfilter.worker_timeout, 1, 5 * minute, "Time for each of their answers."),
        ROW(contentfilter.rule_files, 0, inf, "Files with patterns; names may hold *."),
        ROW(contentfilter.max_pattern_input, 64 * kib, gib, "Octets of each part that patterns look at."),
    };
}

std::vector<option<settings>> keeping() {
    return {
        ROW(quarantine.directory, 0, inf, "Where quarantined messages lie."),
        ROW(quarantine.retention, hour, 3650 * day, "How long they are kept."),
        ROW(quarantine.max_bytes, mib, 1024 * tib, "Their total size; then the oldest go."),
        ROW(dkim.sign, 0, inf, "Whether passed mail is signed."),
        ROW(dkim.directory, 0, inf, "Where keys lie: DOMAIN/SELECTOR.pem."),
        ROW(dkim.signer, 0, inf, "Our own signer, or libopendkim's."),
        ROW(dkim.min_rsa_bits, 1024, 8192, "Shorter RSA keys are refused."),
        ROW(dkim.headers, 0, inf, "Header fields that are signed where present."),
        ROW(dkim.oversign, 0, inf, "Header fields that are signed once more than they occur, so that none can be added."),
    };
}
#undef ROW

} // namespace

const std::vector<option<settings>>& setting_options() {
    static const std::vector<option<settings>> rows = [] {
        std::vector<option<settings>> all = general();
        for (auto part : {policy(), filter(), keeping()})
            for (auto& row : part) all.push_back(std::move(row));
        return all;
    }();
    return rows;
}

} // namespace postsluice::config
