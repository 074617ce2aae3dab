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
asio::awaitable<result<quarantine::kept>> quarantine::keep(message_ptr what, cause because, announcement tell) {
    co_return co_await on_own_thread(do_keep(std::move(what), std::move(because), std::move(tell)));
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

result<std::optional<std::string>> quarantine::find_key(const std::string& key) {
    auto there = index_.find_key(key);
    if (!there) return there.error();
    const auto late = late_.find(key);
    if (late == late_.end()) return there;
    if (!*there && files_.has(late->second)) return std::optional{late->second};
    late_.erase(late);
    return there;
}

std::vector<bool> quarantine::released_to(const std::string& queue_id, const std::string& digest,
                                          const std::vector<std::string>& rcpt_lines) const {
    if (asked_ && queue_id != "-") {
        auto known = asked_(queue_id, digest, rcpt_lines);
        if (known) return std::move(*known);
        // A duplicate is better than a loss.
        log::error("passages not read").kv("queue_id", queue_id).kv("why", known.error().message());
    }
    return std::vector<bool>(rcpt_lines.size(), false);
}

asio::awaitable<result<quarantine::kept>> quarantine::do_keep(message_ptr what, cause because, announcement tell) {
    const auto key = state::quarantine_key(what->digest, what->queue_id, what->envelope.sender.address.key());
    const auto mine = co_await turns::wait(turns_, key);
    const auto there = find_key(key);
    if (!there) co_return there.error();
    auto entry = entry_of(*what, std::move(because), clock_.now());
    auto released = released_to(what->queue_id, what->digest, entry.rcpt_lines);
    take_off(entry, released);
    if (*there) {
        if (auto merged = co_await do_merge(what, std::move(entry), **there); !merged) co_return merged.error();
        co_return kept{**there, true, std::move(released)};
    }
    if (entry.rcpt_lines.empty()) co_return kept{{}, true, std::move(released)};

    const reservation room{*this, what->content->size()};
    if (auto made = co_await make_room(); !made) co_return made.error();
    if (auto written = files_.write(entry, *what->content); !written) co_return written.error();
    if (tell) co_await tell();
    const auto indexed = co_await index_.put(entry);
    // A write that is late may still happen: then the message has to be there, and be the one that a repeat finds.
    const bool late = !indexed && indexed.error().code == errc::timed_out;
    if (late) late_.emplace(key, entry.id);
    if (indexed || late)
        learn(entry);
    else
        (void)files_.remove(entry.id); // nobody will ever ask for it
    if (!indexed) co_return indexed.error();
    co_return kept{std::move(entry.id), false, std::move(released)};
}

void take_off(state::quarantine_entry& entry, const std::vector<bool>& gone) {
    std::size_t left = 0;
    for (std::size_t i = 0; i < gone.size(); ++i) {
        if (gone[i]) continue;
        if (left != i) {
            entry.rcpt_lines[left] = std::move(entry.rcpt_lines[i]);
            entry.recipients[left] = std::move(entry.recipients[i]);
        }
        ++left;
    }
    entry.rcpt_lines.resize(left);
    entry.recipients.resize(left);
}

bool join(state::quarantine_entry& into, state::quarantine_entry from) {
    bool changed = false;
    for (std::size_t i = 0; i < from.rcpt_lines.size(); ++i) {
        if (std::find(into.rcpt_lines.begin(), into.rcpt_lines.end(), from.rcpt_lines[i]) != into.rcpt_lines.end())
            continue;
        into.rcpt_lines.push_back(std::move(from.rcpt_lines[i]));
        into.recipients.push_back(std::move(from.recipients[i]));
        changed = true;
    }
    if (from.why != reason::virus || into.why == reason::virus) return changed;
    into.why = from.why;
    into.findings = std::move(from.findings);
    into.held = from.held;
    into.release_at = from.release_at;
    return true;
}

// The message is here already. New recipients join it; those that are there were told 250, or their reply was lost.
asio::awaitable<result<void>> quarantine::do_merge(message_ptr what, state::quarantine_entry with, std::string id) {
    auto found = index_.find(id);
    if (!found) co_return found.error();
    auto entry = *found ? result<state::quarantine_entry>{std::move(**found)} : files_.read_envelope(id);
    if (!entry) co_return entry.error();
    bool changed = join(*entry, std::move(with));
    changed = changed || !*found; // an entry that vanished is put back
    if (!files_.has(id)) {        // its end is written late: this one is new, behind that
        if (auto written = files_.write(*entry, *what->content); !written) co_return written.error();
        learn(*entry);
        changed = true;
    } else if (changed) {
        if (auto written = files_.write_envelope(*entry); !written) co_return written.error();
    }
    if (!changed) co_return result<void>{};
    co_return co_await index_.put(std::move(*entry));
}

// The file first: as long as it is there, so is the message. The caller has the turn.
asio::awaitable<result<void>> quarantine::do_erase(state::quarantine_entry entry) {
    const bool there = files_.has(entry.id);
    const auto removed = files_.remove(entry.id);
    if (there && !files_.has(entry.id)) forget(entry);
    if (!removed) co_return removed;
    late_.erase(state::quarantine_key(entry.digest, entry.queue_id, entry.sender));
    co_return co_await index_.erase(std::move(entry.id));
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
