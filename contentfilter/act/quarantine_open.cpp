// SPDX-License-Identifier: Apache-2.0
// What happens at the start: files and index are brought into step, interrupted releases are settled.
#include "contentfilter/act/quarantine_work.hpp"

#include "shared/log/log.hpp"

#include <algorithm>

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;

namespace {
constexpr std::size_t looked_at_once = 500;
}

asio::awaitable<result<void>> quarantine::adopt(std::string id) {
    auto entry = files_.read_envelope(id);
    if (!entry) {
        // Somebody else's file, or a damaged one: left where it is, for a person to look at.
        log::error("quarantine: message without an envelope")
            .kv("file", files_.message_path(id).string())
            .kv("why", entry.error().message());
        co_return result<void>{};
    }
    const auto twin = index_.find_key(state::quarantine_key(entry->digest, entry->queue_id, entry->sender));
    if (!twin) co_return twin.error();
    if (*twin) {
        auto other = index_.find(**twin);
        if (!other) co_return other.error();
        if (*other) co_return co_await adopt_twin(std::move(*entry), std::move(**other));
    }
    if (auto put = co_await index_.put(*entry); !put) co_return put;
    learn(*entry);
    log::warning("quarantine: message had no entry; it has one again").kv("id", id).kv("account", entry->account);
    co_return result<void>{};
}

// Two of one message would be delivered twice by a release of both.
asio::awaitable<result<void>> quarantine::adopt_twin(state::quarantine_entry twin, state::quarantine_entry of) {
    log::warning("quarantine: a second copy of a message is one with the first")
        .kv("id", twin.id)
        .kv("first", of.id)
        .kv("account", of.account);
    const auto id = twin.id;
    take_off(twin, released_to(twin.queue_id, twin.digest, twin.rcpt_lines));
    if (join(of, std::move(twin))) {
        if (auto written = files_.write_envelope(of); !written) co_return written;
        if (auto put = co_await index_.put(std::move(of)); !put) co_return put;
    }
    co_return files_.remove(id);
}

asio::awaitable<result<void>> quarantine::settle_interrupted(state::quarantine_entry entry) {
    const auto& release = *entry.releasing;
    const auto lines = release.redirect.empty() ? release.rcpt_lines : std::vector{release.redirect};
    std::vector<bool> taken(lines.size(), false);
    if (asked_) {
        auto known = asked_(release.token, entry.digest, lines);
        if (!known)
            log::error("passages not read").kv("id", entry.id).kv("why", known.error().message());
        else
            taken = std::move(*known);
    }
    log::warning("quarantine: a release was interrupted; who is not known to have got the message may have got it")
        .kv("id", entry.id)
        .kv("account", entry.account)
        .kv("delivered", std::count(taken.begin(), taken.end(), true))
        .kv("unknown", std::count(taken.begin(), taken.end(), false));
    auto gone = gone_by(entry, taken);
    co_return co_await settle(std::move(entry), std::move(gone));
}

asio::awaitable<result<void>> quarantine::do_open(delivered_before asked) {
    asked_ = std::move(asked);
    auto files = files_.tidy();
    if (!files) co_return files.error();
    std::string after;
    do {
        auto page = index_.search({}, after, looked_at_once);
        if (!page) co_return page.error();
        for (auto& entry : page->entries) {
            if (files->erase(entry.id) == 0) {
                log::warning("quarantine: entry without its message removed")
                    .kv("id", entry.id)
                    .kv("account", entry.account);
                if (auto erased = co_await index_.erase(entry.id); !erased) co_return erased;
                continue;
            }
            learn(entry);
            if (!entry.releasing) continue;
            if (auto settled = co_await settle_interrupted(std::move(entry)); !settled) co_return settled;
        }
        after = std::move(page->next);
    } while (!after.empty());
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

} // namespace postsluice::contentfilter::act
