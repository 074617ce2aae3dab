// SPDX-License-Identifier: Apache-2.0
// Release. It has two halves on our thread, and the delivery between them on the caller's: marked in the index before
// the first octet leaves, settled by the replies. Whoever got the message is known by then to state::passages under the
// release's token, so that a death in between costs a duplicate only where it came between the next hop's reply and
// that record.
#include "contentfilter/act/quarantine_work.hpp"

#include "contentfilter/intake/collector.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <algorithm>

// g++ 12 takes Asio's own operator new and delete of coroutine frames for a mismatched pair once they are inlined (GCC
// PR 109224).
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;

namespace {

/// The RCPT TO arguments of those that are wanted.
result<std::vector<std::string>> chosen_lines(const state::quarantine_entry& entry,
                                              const std::vector<std::string>& wanted) {
    if (wanted.empty()) return entry.rcpt_lines;
    std::vector<std::string> out;
    for (std::size_t i = 0; i < entry.recipients.size(); ++i)
        if (std::find(wanted.begin(), wanted.end(), to_lower(entry.recipients[i])) != wanted.end())
            out.push_back(entry.rcpt_lines[i]);
    for (const auto& one : wanted) {
        const bool there = std::any_of(entry.recipients.begin(), entry.recipients.end(),
                                       [&](const auto& recipient) { return to_lower(recipient) == one; });
        if (!there) return failure{errc::not_found, entry.id + " is not held for " + printable(one)};
    }
    return out;
}

} // namespace

std::vector<bool> gone_by(const state::quarantine_entry& entry, const std::vector<bool>& taken) {
    const auto& release = *entry.releasing;
    std::vector<bool> gone(entry.rcpt_lines.size(), false);
    if (release.keep) return gone;
    for (std::size_t i = 0; i < gone.size(); ++i) {
        const auto at = std::find(release.rcpt_lines.begin(), release.rcpt_lines.end(), entry.rcpt_lines[i]);
        if (at == release.rcpt_lines.end()) continue;
        const auto n = release.redirect.empty() ? static_cast<std::size_t>(at - release.rcpt_lines.begin()) : 0;
        gone[i] = n < taken.size() && taken[n];
    }
    return gone;
}

result<message_ptr> quarantine::load(const state::quarantine_entry& entry, config::settings_ptr settings) const {
    smtp::envelope envelope;
    auto from = smtp::parse_path_argument(entry.mail_line);
    if (!from) return from.error();
    envelope.sender = std::move(*from);
    const auto& release = *entry.releasing;
    for (const auto& line : release.redirect.empty() ? release.rcpt_lines : std::vector{release.redirect}) {
        auto recipient = smtp::parse_path_argument(line);
        if (!recipient) return recipient.error();
        envelope.recipients.push_back(std::move(*recipient));
    }
    // The queue ID of then, so that Postfix's log of the delivery can be joined to the first one.
    if (entry.queue_id != "-") envelope.xforward["IDENT"] = entry.queue_id;
    return read(entry, std::move(settings), std::move(envelope));
}

result<message_ptr> quarantine::read(const state::quarantine_entry& entry, config::settings_ptr settings,
                                     smtp::envelope envelope) const {
    collector content{settings};
    auto read = files_.read_message(entry.id, [&](std::string_view piece) {
        content.add(piece);
        return !content.problem();
    });
    if (!read) return read.error();
    auto out = content.finish(std::move(envelope));
    if (!out) return out.error();
    if ((*out)->digest != entry.digest)
        return failure{errc::corrupt, "the message is not the one that was quarantined"};
    (*out)->in = entry.before_queue ? way::before_queue : way::after_queue;
    (*out)->sender = sender_of(*settings, entry.account);
    return message_ptr{std::move(*out)};
}

asio::awaitable<result<quarantine::begun_ptr>> quarantine::begin_release(release_request wanted,
                                                                         config::settings_ptr settings) {
    auto taken = co_await take(wanted.id);
    if (!taken) co_return taken.error();
    auto& [mine, entry] = *taken;
    if (entry.why == reason::virus && !wanted.forced)
        co_return failure{errc::denied,
                          wanted.id + " is kept for a virus: it leaves only where that is forced (--force)"};
    const bool is_due = entry.release_at != instant{} && entry.release_at <= clock_.now();
    if (wanted.timed && !is_due) co_return begun_ptr{};
    auto lines = chosen_lines(entry, wanted.recipients);
    if (!lines) co_return lines.error();

    auto& mark = entry.releasing.emplace();
    mark.token = "release " + entry.id + " " + new_reference();
    mark.rcpt_lines = std::move(*lines);
    if (wanted.redirect) mark.redirect = "<" + wanted.redirect->to_smtp() + ">";
    mark.keep = wanted.keep;
    auto what = load(entry, std::move(settings));
    if (!what) co_return what.error();
    if (auto marked = co_await index_.put(entry); !marked) co_return marked.error();
    co_return std::make_shared<begun>(begun{std::move(mine), std::move(entry), std::move(*what), wanted.timed});
}

// Who is gone is taken off; the entry goes with the last. The caller has the turn.
asio::awaitable<result<void>> quarantine::settle(state::quarantine_entry entry, std::vector<bool> gone) {
    entry.releasing.reset();
    auto left = entry;
    take_off(left, gone);
    if (left.recipients.empty()) co_return co_await do_erase(std::move(entry));
    if (left.recipients.size() < gone.size())
        if (auto written = files_.write_envelope(left); !written) co_return written;
    co_return co_await index_.put(std::move(left));
}

asio::awaitable<result<quarantine::release_report>> quarantine::end_release(begun_ptr what,
                                                                            std::vector<smtp::reply> replies) {
    auto& entry = what->entry;
    const auto& recipients = what->what->envelope.recipients;
    release_report report;
    std::vector<bool> taken;
    bool for_good = false;
    for (std::size_t i = 0; i < recipients.size(); ++i) {
        const auto reply = i < replies.size() ? replies[i] : smtp::make_reply(451, "4.3.0", "No reply");
        taken.push_back(reply.ok());
        for_good = for_good || reply.klass() == 5;
        if (reply.ok())
            report.delivered.push_back(recipients[i].address.key());
        else
            report.remaining.emplace_back(recipients[i].address.key(), reply);
    }
    auto gone = gone_by(entry, taken);
    report.kept = static_cast<std::size_t>(std::count(gone.begin(), gone.end(), false));
    if (what->timed) {
        const auto bounds = settings();
        const bool given_up = for_good || entry.at + bounds.retention < clock_.now();
        entry.release_at = given_up ? instant{} : clock_.now() + bounds.release_retry;
        if (given_up && report.kept > 0)
            log::warning("quarantine: a timed release is refused, or tried for too long; it is left to a person")
                .kv("id", entry.id);
    }
    const auto id = entry.id;
    const auto done = co_await settle(std::move(entry), std::move(gone));
    if (!done)
        log::error("quarantine: a delivered message could not be taken off")
            .kv("id", id)
            .kv("why", done.error().message());
    co_return report;
}

asio::awaitable<result<quarantine::release_report>> quarantine::release(release_request wanted,
                                                                        config::settings_ptr settings, sender send) {
    auto marked = co_await on_own_thread(begin_release(std::move(wanted), std::move(settings)));
    if (!marked) co_return marked.error();
    if (!*marked) co_return release_report{};
    auto replies = co_await send((*marked)->what, (*marked)->entry.releasing->token);
    co_return co_await on_own_thread(end_release(std::move(*marked), std::move(replies)));
}

// One that cannot be released now must not stand before the others.
asio::awaitable<result<void>> quarantine::postpone(std::string id, failure because) {
    auto taken = co_await take(id);
    if (!taken) co_return taken.error();
    auto& entry = taken->second;
    log::error("quarantine: not released in its time").kv("id", id).kv("why", because.message());
    entry.release_at = clock_.now() + settings().release_retry;
    co_return co_await index_.put(std::move(entry));
}

asio::awaitable<result<std::size_t>> quarantine::release_due(config::settings_ptr settings, sender send,
                                                             std::size_t most) {
    const auto due = index_.due(clock_.now(), most);
    if (!due) co_return due.error();
    for (const auto& id : *due) {
        release_request wanted;
        wanted.id = id;
        wanted.timed = true;
        const auto report = co_await release(std::move(wanted), settings, send);
        if (report) {
            if (!report->delivered.empty() || !report->remaining.empty())
                log::info("quarantine: released in its time")
                    .kv("id", id)
                    .kv("delivered", report->delivered.size())
                    .kv("remaining", report->remaining.size());
            continue;
        }
        if (report.error().code == errc::not_found) continue;
        if (auto later = co_await on_own_thread(postpone(id, report.error())); !later) co_return later.error();
    }
    co_return due->size();
}

} // namespace postsluice::contentfilter::act
