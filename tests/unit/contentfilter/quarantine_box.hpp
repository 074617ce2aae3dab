// SPDX-License-Identifier: Apache-2.0
// For the tests of the quarantine alone: it, its state in a scratch directory, and a next hop that answers as it is
// told.
#pragma once

#include "filter_fixture.hpp"

namespace postsluice::contentfilter::testing {

namespace fs = std::filesystem;

/// A quarantine on a real state directory, which can be closed and opened again.
struct box {
    scratch_directory scratch;
    log_capture log;
    std::shared_ptr<config::settings> settings = default_settings(scratch.path);
    manual_clock time;
    std::unique_ptr<state::environments> environments;
    std::unique_ptr<act::quarantine> kept;
    std::vector<message_ptr> sent;
    std::vector<std::string> tokens;
    seconds patience{60}; // with the state's writer: a busy disk takes its time

    box() {
        settings->contentfilter.spool_memory = byte_count{64};
        open();
    }
    void open() {
        environments = state::environments::open({.directory = settings->state.directory,
                                                  .map_size = byte_count{64U << 20U},
                                                  .writer_timeout = patience},
                                                 state::user::contentfilter)
                           .value();
        kept = std::make_unique<act::quarantine>(environments->quarantine(), time, settings->quarantine);
        const act::quarantine::delivered_before asked = [this](const std::string& token, const std::string& digest,
                                                               const std::vector<std::string>& lines) {
            return environments->passed().delivered(token, digest, {lines.begin(), lines.end()});
        };
        run_awaitable(kept->open(asked)).value();
    }
    void close() {
        kept.reset();
        environments.reset();
    }
    message_ptr make(const std::string& text, const std::string& queue_id, const std::vector<std::string>& recipients) {
        std::vector<mail_address> to;
        for (const auto& one : recipients)
            to.push_back(mail_address::from_internal(one));
        auto envelope = smtp::make_envelope(mail_address::from_internal("bob@example.org"), to);
        envelope.sender.raw += " RET=HDRS";
        if (!queue_id.empty()) envelope.xforward["IDENT"] = queue_id;
        collector c{settings};
        c.add(text);
        auto made = c.finish(std::move(envelope)).value();
        made->sender = sender_of(*settings, "bob@example.org");
        return made;
    }
    result<act::quarantine::kept> keep(const std::string& text, const std::string& id,
                                       const std::string& queue_id = "Q1",
                                       const std::vector<std::string>& recipients = {"a@example.net"},
                                       reason why = reason::spam) {
        return run_awaitable(kept->keep(make(text, queue_id, recipients), {why, {"GTUBE(20.0) x"}, id}));
    }
    result<act::quarantine::kept> hold(const std::string& text, const std::string& id, const std::string& queue_id,
                                       instant release_at,
                                       const std::vector<std::string>& recipients = {"a@example.net"}) {
        return run_awaitable(kept->keep(make(text, queue_id, recipients), {reason::score, {}, id, true, release_at}));
    }
    act::quarantine::sender answering(std::vector<smtp::reply> replies) {
        return [this, replies](message_ptr what, std::string token) {
            return deliver(this, replies, std::move(what), std::move(token));
        };
    }
    result<act::quarantine::release_report> release(act::quarantine::release_request what,
                                                    std::vector<smtp::reply> replies) {
        return run_awaitable(kept->release(std::move(what), settings, answering(std::move(replies))));
    }
    result<act::quarantine::release_report> release(const std::string& id, std::vector<smtp::reply> replies) {
        act::quarantine::release_request what;
        what.id = id;
        return release(std::move(what), std::move(replies));
    }
    std::size_t release_due(std::vector<smtp::reply> replies) {
        return run_awaitable(kept->release_due(settings, answering(std::move(replies)), 10)).value();
    }
    static asio::awaitable<std::vector<smtp::reply>> deliver(box* self, std::vector<smtp::reply> replies,
                                                             message_ptr what, std::string token) {
        self->sent.push_back(std::move(what));
        self->tokens.push_back(std::move(token));
        co_return replies;
    }
    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> out;
        for (const auto& one : fs::directory_iterator{settings->quarantine.directory})
            out.push_back(one.path().filename().string());
        std::sort(out.begin(), out.end());
        return out;
    }
    [[nodiscard]] std::vector<state::quarantine_entry> entries() const {
        return environments->quarantine().list("", 1000).value();
    }
};

inline const auto ok = smtp::make_reply(250, "2.0.0", "Ok");
inline const auto no = smtp::make_reply(450, "4.2.0", "later");
inline const std::string text = "Subject: =?utf-8?Q?M=C3=BCll?=\r\n\r\nbody\r\n" + std::string(1000, 'x') + "\r\n";

} // namespace postsluice::contentfilter::testing
