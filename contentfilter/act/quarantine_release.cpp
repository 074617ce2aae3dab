// SPDX-License-Identifier: Apache-2.0
// The other half of quarantine: what happens at the start, and on release.
#include "contentfilter/act/quarantine.hpp"

#include "contentfilter/intake/collector.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <limits>

// g++ 12 takes Asio's pair of allocation functions for a mismatch once one of them is inlined (GCC PR 109224).
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;

asio::awaitable<result<void>> quarantine::adopt(std::string id) {
    auto entry = files_.read_envelope(id);
    if (!entry) {
        // Somebody else's file, or a damaged one: left where it is, for a person to look at.
        log::error("quarantine: message without an envelope")
            .kv("file", files_.message_path(id).string())
            .kv("why", entry.error().message());
        co_return result<void>{};
    }
    if (auto put = co_await index_.put(*entry); !put) co_return put;
    learn(*entry);
    log::warning("quarantine: message had no entry; it has one again").kv("id", id).kv("account", entry->account);
    co_return result<void>{};
}

asio::awaitable<result<void>> quarantine::do_open() {
    auto files = files_.tidy();
    if (!files) co_return files.error();
    auto entries = index_.list("", std::numeric_limits<std::size_t>::max());
    if (!entries) co_return entries.error();
    for (auto& entry : *entries) {
        if (files->erase(entry.id) == 0) {
            log::warning("quarantine: entry without its message removed")
                .kv("id", entry.id)
                .kv("account", entry.account);
            if (auto erased = co_await index_.erase(entry.id); !erased) co_return erased;
            continue;
        }
        if (entry.released) {
            log::warning("quarantine: a release was interrupted; the message may have been delivered")
                .kv("id", entry.id)
                .kv("account", entry.account);
            entry.released = false;
            if (auto put = co_await index_.put(entry); !put) co_return put;
        }
        learn(entry);
    }
    for (const auto& id : *files)
        if (auto adopted = co_await adopt(id); !adopted) co_return adopted;
    co_return result<void>{};
}

result<std::string> quarantine::head(const std::string& id, std::size_t most) const {
    std::string out;
    auto read = files_.read_message(id, [&](std::string_view piece) {
        out.append(piece.substr(0, most - out.size()));
        return out.size() < most;
    });
    if (!read) return read.error();
    return out;
}

result<message_ptr> quarantine::load(const state::quarantine_entry& entry, config::settings_ptr settings) const {
    smtp::envelope envelope;
    auto from = smtp::parse_path_argument(entry.mail_line);
    if (!from) return from.error();
    envelope.sender = std::move(*from);
    for (const auto& line : entry.rcpt_lines) {
        auto recipient = smtp::parse_path_argument(line);
        if (!recipient) return recipient.error();
        envelope.recipients.push_back(std::move(*recipient));
    }
    // The queue ID of then, so that Postfix's log of the delivery can be joined to the first one.
    if (entry.queue_id != "-") envelope.xforward["IDENT"] = entry.queue_id;
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
    (*out)->sender = sender_of(*settings, entry.account);
    return message_ptr{std::move(*out)};
}

asio::awaitable<result<quarantine::release_report>> quarantine::release(std::string id, config::settings_ptr settings,
                                                                        sender send) {
    co_return co_await asio::co_spawn(pool_, do_release(std::move(id), std::move(settings), std::move(send)),
                                      asio::use_awaitable);
}

asio::awaitable<result<quarantine::release_report>> quarantine::do_release(std::string id,
                                                                           config::settings_ptr settings, sender send) {
    const failure gone{errc::not_found, "there is no message " + id + " in quarantine"};
    auto found = index_.find(id);
    if (!found) co_return found.error();
    if (!*found) co_return gone;
    const std::string key = (*found)->digest + " " + (*found)->queue_id;
    co_await wait_for_turn(key);
    const turn mine{*this, key};
    found = index_.find(id); // it may have changed while we waited
    if (!found) co_return found.error();
    if (!*found) co_return gone;
    auto entry = std::move(**found);
    auto what = load(entry, std::move(settings));
    if (!what) co_return what.error();

    // Marked before the first octet leaves: if we die now, the next start says what is uncertain.
    entry.released = true;
    if (auto marked = co_await index_.put(entry); !marked) co_return marked.error();
    const auto replies = co_await send(*what);

    release_report report;
    auto left = entry;
    left.rcpt_lines.clear();
    left.recipients.clear();
    left.released = false;
    for (std::size_t i = 0; i < entry.recipients.size(); ++i) {
        if (i < replies.size() && replies[i].ok()) {
            report.delivered.push_back(entry.recipients[i]);
            continue;
        }
        report.remaining.emplace_back(entry.recipients[i],
                                      i < replies.size() ? replies[i] : smtp::make_reply(451, "4.3.0", "No reply"));
        left.rcpt_lines.push_back(entry.rcpt_lines[i]);
        left.recipients.push_back(entry.recipients[i]);
    }
    result<void> done;
    if (left.recipients.empty()) {
        done = co_await do_erase(entry.id);
    } else {
        if (!report.delivered.empty()) done = files_.write_envelope(left);
        if (done) done = co_await index_.put(left);
    }
    if (!done)
        log::error("quarantine: a delivered message could not be taken off")
            .kv("id", id)
            .kv("why", done.error().message());
    co_return report;
}

} // namespace postsluice::contentfilter::act
