// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/quarantine_work.hpp"

#include "contentfilter/mime/fields.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <algorithm>

// g++ 12 takes Asio's own operator new and delete of coroutine frames for a mismatched pair once they are inlined (GCC
// PR 109224).
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;

namespace {

constexpr std::size_t most_findings = 100, longest_text = 200;

state::quarantine_entry entry_of(const message& what, quarantine::cause because, instant now) {
    state::quarantine_entry out;
    out.id = std::move(because.reference);
    out.at = now;
    out.account = what.sender.account;
    out.queue_id = what.queue_id;
    out.before_queue = what.in == way::before_queue;
    out.digest = what.digest;
    if (const auto* subject = what.header.find("Subject"))
        out.subject = printable(mime::decode_text(subject->unfolded()), longest_text);
    out.mail_line = what.envelope.sender.raw;
    out.sender = what.envelope.sender.address.key();
    for (const auto& recipient : what.envelope.recipients) {
        out.rcpt_lines.push_back(recipient.raw);
        out.recipients.push_back(recipient.address.key());
    }
    out.why = because.why;
    if (because.findings.size() > most_findings) because.findings.resize(most_findings);
    for (auto& finding : because.findings)
        finding = printable(finding, longest_text);
    out.findings = std::move(because.findings);
    out.size = what.content->size();
    out.held = because.held;
    out.release_at = because.why == reason::virus ? instant{} : because.release_at;
    return out;
}

} // namespace

quarantine::quarantine(state::quarantine_index& index, const clock& time, const config::quarantine_settings& settings)
    : index_{index}
    , clock_{time}
    , files_{settings.directory}
    , settings_{settings} {}

quarantine::~quarantine() {
    turns_->close(); // who waits for a release that will not end now
    pool_.join();
}

asio::awaitable<result<void>> quarantine::open(delivered_before asked) {
    co_return co_await on_own_thread(do_open(std::move(asked)));
}
asio::awaitable<result<void>> quarantine::remove(std::string id) {
    co_return co_await on_own_thread(do_remove(std::move(id)));
}
asio::awaitable<result<void>> quarantine::stop_timer(std::string id) {
    co_return co_await on_own_thread(do_stop_timer(std::move(id)));
}
asio::awaitable<result<quarantine::kept>> quarantine::keep(message_ptr what, cause because) {
    co_return co_await on_own_thread(do_keep(std::move(what), std::move(because)));
}

config::quarantine_settings quarantine::settings() const {
    const std::lock_guard guard{mutex_};
    return settings_;
}

void quarantine::use(const config::quarantine_settings& settings) {
    const std::lock_guard guard{mutex_};
    settings_ = settings;
}

quarantine::totals quarantine::total() const {
    const std::lock_guard guard{mutex_};
    return {entries_, octets_, settings_.max_messages, settings_.max_bytes.value};
}

void quarantine::learn(const state::quarantine_entry& entry) {
    const std::lock_guard guard{mutex_};
    ++entries_;
    octets_ += entry.size;
}

void quarantine::forget(const state::quarantine_entry& entry) {
    const std::lock_guard guard{mutex_};
    entries_ -= std::min<std::size_t>(entries_, 1);
    octets_ -= std::min(octets_, entry.size);
}

asio::awaitable<result<quarantine::kept>> quarantine::do_keep(message_ptr what, cause because) {
    const auto key = state::quarantine_key(what->digest, what->queue_id, what->envelope.sender.address.key());
    const auto mine = co_await turns::wait(turns_, key);
    const auto there = index_.find_key(key);
    if (!there) co_return there.error();
    if (*there) co_return co_await do_merge(what, std::move(because), **there);

    const reservation room{*this, what->content->size()};
    if (auto made = co_await make_room(); !made) co_return made.error();
    const auto entry = entry_of(*what, std::move(because), clock_.now());
    if (auto written = files_.write(entry, *what->content); !written) co_return written.error();
    const auto indexed = co_await index_.put(entry);
    if (!indexed) {
        // A write that is late may still happen: then the message has to be there. Otherwise nobody will ever ask for
        // it.
        if (indexed.error().code != errc::timed_out) (void)files_.remove(entry.id);
        co_return indexed.error();
    }
    learn(entry);
    co_return kept{entry.id, false};
}

// The message is here already. New recipients join it; those that are there were told 250, or their reply was lost.
// What turns out to be a virus now is kept as one.
asio::awaitable<result<quarantine::kept>> quarantine::do_merge(message_ptr what, cause because, std::string id) {
    auto found = index_.find(id);
    if (!found) co_return found.error();
    auto there = *found ? result<state::quarantine_entry>{std::move(**found)} : files_.read_envelope(id);
    if (!there) co_return there.error();
    auto& entry = *there;
    bool changed = !*found; // an entry that vanished is put back
    for (const auto& recipient : what->envelope.recipients) {
        if (std::find(entry.rcpt_lines.begin(), entry.rcpt_lines.end(), recipient.raw) != entry.rcpt_lines.end())
            continue;
        entry.rcpt_lines.push_back(recipient.raw);
        entry.recipients.push_back(recipient.address.key());
        changed = true;
    }
    if (because.why == reason::virus && entry.why != reason::virus) {
        auto now = entry_of(*what, std::move(because), clock_.now());
        entry.why = now.why;
        entry.findings = std::move(now.findings);
        entry.held = now.held;
        entry.release_at = now.release_at;
        changed = true;
    }
    if (changed) {
        if (auto written = files_.write_envelope(entry); !written) co_return written.error();
        if (auto indexed = co_await index_.put(entry); !indexed) co_return indexed.error();
    }
    co_return kept{std::move(id), true};
}

// The file first: as long as it is there, so is the message. The caller has the turn.
asio::awaitable<result<void>> quarantine::do_erase(state::quarantine_entry entry) {
    if (auto removed = files_.remove(entry.id); !removed) co_return removed;
    auto erased = co_await index_.erase(entry.id);
    if (erased) forget(entry);
    co_return erased;
}

asio::awaitable<result<std::pair<turns::turn, state::quarantine_entry>>> quarantine::take(std::string id) {
    const failure gone{errc::not_found, "there is no message " + printable(id, 64) + " in quarantine"};
    auto found = index_.find(id);
    if (!found) co_return found.error();
    if (!*found) co_return gone;
    const auto key = state::quarantine_key((*found)->digest, (*found)->queue_id, (*found)->sender);
    auto mine = co_await turns::wait(turns_, key);
    found = index_.find(id); // it may have changed while we waited
    if (!found) co_return found.error();
    if (!*found) co_return gone;
    co_return std::pair{std::move(mine), std::move(**found)};
}

asio::awaitable<result<void>> quarantine::do_remove(std::string id) {
    auto taken = co_await take(std::move(id));
    if (!taken) co_return taken.error();
    co_return co_await do_erase(std::move(taken->second));
}

asio::awaitable<result<void>> quarantine::do_stop_timer(std::string id) {
    auto taken = co_await take(std::move(id));
    if (!taken) co_return taken.error();
    auto& entry = taken->second;
    if (entry.release_at == instant{}) co_return result<void>{};
    entry.release_at = instant{};
    if (auto written = files_.write_envelope(entry); !written) co_return written;
    co_return co_await index_.put(entry);
}

} // namespace postsluice::contentfilter::act
