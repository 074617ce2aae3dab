// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/quarantine.hpp"

#include "contentfilter/mime/fields.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <limits>

// g++ 12 takes Asio's pair of allocation functions for a mismatch once one of them is inlined (GCC PR 109224).
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;

namespace {

constexpr std::size_t most_findings = 100, longest_text = 200;
constexpr std::size_t expired_at_once = 500;

std::string key_of(std::string_view digest, std::string_view queue_id) {
    return std::string{digest} + " " + std::string{queue_id};
}

state::quarantine_entry entry_of(const message& what, reason why, std::vector<std::string> findings, std::string id,
                                 instant now) {
    state::quarantine_entry out;
    out.id = std::move(id);
    out.at = now;
    out.account = what.sender.account;
    out.queue_id = what.queue_id;
    out.digest = what.digest;
    if (const auto* subject = what.header.find("Subject"))
        out.subject = printable(mime::decode_text(subject->unfolded()), longest_text);
    out.mail_line = what.envelope.sender.raw;
    out.sender = what.envelope.sender.address.key();
    for (const auto& recipient : what.envelope.recipients) {
        out.rcpt_lines.push_back(recipient.raw);
        out.recipients.push_back(recipient.address.key());
    }
    out.why = why;
    if (findings.size() > most_findings) findings.resize(most_findings);
    for (auto& finding : findings)
        finding = printable(finding, longest_text);
    out.findings = std::move(findings);
    out.size = what.content->size();
    return out;
}

} // namespace

asio::awaitable<void> quarantine::wait_for_turn(std::string key) {
    for (;;) {
        const auto [at, free] = turns_.try_emplace(key);
        if (free) co_return;
        auto timer = std::make_shared<asio::steady_timer>(pool_.get_executor(), asio::steady_timer::time_point::max());
        at->second.push_back(timer);
        co_await timer->async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

void quarantine::end_turn(const std::string& key) {
    const auto at = turns_.find(key);
    const auto waiting = std::move(at->second);
    turns_.erase(at);
    for (const auto& timer : waiting)
        timer->cancel();
}

quarantine::quarantine(state::quarantine_index& index, const clock& time, const config::quarantine_settings& settings)
    : index_{index}
    , clock_{time}
    , files_{settings.directory}
    , settings_{settings} {}

quarantine::~quarantine() {
    pool_.join();
}

asio::awaitable<result<void>> quarantine::open() {
    co_return co_await asio::co_spawn(pool_, do_open(), asio::use_awaitable);
}
asio::awaitable<result<void>> quarantine::expire() {
    co_return co_await asio::co_spawn(pool_, do_expire(), asio::use_awaitable);
}
asio::awaitable<result<void>> quarantine::remove(std::string id) {
    co_return co_await asio::co_spawn(pool_, do_remove(std::move(id)), asio::use_awaitable);
}
asio::awaitable<result<quarantine::kept>> quarantine::keep(message_ptr what, reason why,
                                                           std::vector<std::string> findings, std::string reference) {
    co_return co_await asio::co_spawn(pool_, do_keep(std::move(what), why, std::move(findings), std::move(reference)),
                                      asio::use_awaitable);
}

void quarantine::use(const config::quarantine_settings& settings) {
    const std::lock_guard guard{mutex_};
    settings_ = settings;
}

quarantine::totals quarantine::total() const {
    const std::lock_guard guard{mutex_};
    return {known_.size(), octets_, settings_.max_bytes.value};
}

void quarantine::learn(const state::quarantine_entry& entry) {
    forget(entry.id);
    const std::lock_guard guard{mutex_};
    auto key = key_of(entry.digest, entry.queue_id);
    by_key_[key] = entry.id;
    octets_ += entry.size;
    known_[entry.id] = {std::move(key), entry.size};
}

void quarantine::forget(const std::string& id) {
    const std::lock_guard guard{mutex_};
    const auto at = known_.find(id);
    if (at == known_.end()) return;
    octets_ -= at->second.size;
    if (const auto key = by_key_.find(at->second.key); key != by_key_.end() && key->second == id) by_key_.erase(key);
    known_.erase(at);
}

std::optional<std::string> quarantine::id_of(const std::string& key) const {
    const std::lock_guard guard{mutex_};
    const auto at = by_key_.find(key);
    return at == by_key_.end() ? std::nullopt : std::optional{at->second};
}

asio::awaitable<result<quarantine::kept>>
quarantine::do_keep(message_ptr what, reason why, std::vector<std::string> findings, std::string reference) {
    const auto key = key_of(what->digest, what->queue_id);
    co_await wait_for_turn(key);
    const turn mine{*this, key};
    if (const auto there = id_of(key)) co_return co_await do_merge(what, *there);
    if (what->content->size() > total().limit) co_return failure{errc::disk_full, "larger than quarantine.max_bytes"};

    const auto entry = entry_of(*what, why, std::move(findings), std::move(reference), clock_.now());
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
asio::awaitable<result<quarantine::kept>> quarantine::do_merge(message_ptr what, std::string id) {
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
    if (changed) {
        if (auto written = files_.write_envelope(entry); !written) co_return written.error();
        if (auto indexed = co_await index_.put(entry); !indexed) co_return indexed.error();
    }
    co_return kept{std::move(id), true};
}

// The file first: as long as it is there, so is the message. The caller has the turn.
asio::awaitable<result<void>> quarantine::do_erase(std::string id) {
    if (auto removed = files_.remove(id); !removed) co_return removed;
    auto erased = co_await index_.erase(id);
    if (erased) forget(id);
    co_return erased;
}

asio::awaitable<result<void>> quarantine::do_remove(std::string id) {
    auto found = index_.find(id);
    if (!found) co_return found.error();
    if (!*found) co_return failure{errc::not_found, "there is no message " + printable(id, 64) + " in quarantine"};
    const auto key = key_of((*found)->digest, (*found)->queue_id);
    co_await wait_for_turn(key);
    const turn mine{*this, key};
    co_return co_await do_erase(std::move(id));
}

asio::awaitable<result<void>> quarantine::do_expire() {
    config::quarantine_settings bounds;
    {
        const std::lock_guard guard{mutex_};
        bounds = settings_;
    }
    auto old = index_.older_than(clock_.now() - bounds.retention, expired_at_once);
    if (!old) co_return old.error();
    for (const auto& id : *old) {
        log::info("quarantine: expired").kv("id", id);
        if (auto removed = co_await do_remove(id); !removed && removed.error().code != errc::not_found)
            co_return removed;
    }
    if (total().octets <= total().limit) co_return result<void>{};
    auto newest_first = index_.older_than(clock_.now() + seconds{1}, std::numeric_limits<std::size_t>::max());
    if (!newest_first) co_return newest_first.error();
    for (auto now = total(); now.octets > now.limit && !newest_first->empty(); now = total()) {
        const auto id = std::move(newest_first->back());
        newest_first->pop_back();
        log::warning("quarantine: over max_bytes, the oldest is removed")
            .kv("id", id)
            .kv("octets", now.octets)
            .kv("limit", now.limit);
        if (auto removed = co_await do_remove(id); !removed && removed.error().code != errc::not_found)
            co_return removed;
    }
    co_return result<void>{};
}

} // namespace postsluice::contentfilter::act
