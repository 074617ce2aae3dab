// SPDX-License-Identifier: Apache-2.0
// What leaves the quarantine by itself: by age, and for room.
#include "contentfilter/act/quarantine_work.hpp"

#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;

namespace {

constexpr std::size_t looked_at_once = 500;

// Somebody may ask where it is.
void log_deletion(const state::quarantine_entry& entry, std::string_view why) {
    log::warning("quarantine: deleted")
        .kv("id", entry.id)
        .kv("why", why)
        .kv("at", to_iso8601(entry.at))
        .kv("account", entry.account)
        .kv("from", printable(entry.sender, 320))
        .kv("nrcpt", entry.recipients.size());
}

} // namespace

asio::awaitable<result<void>> quarantine::expire() {
    co_return co_await on_own_thread(do_expire());
}

std::uint64_t quarantine::octets_to_come() const {
    const std::lock_guard guard{mutex_};
    return octets_to_come_;
}

bool quarantine::over_bounds() const {
    const std::lock_guard guard{mutex_};
    return entries_ + entries_to_come_ > settings_.max_messages ||
           octets_ + octets_to_come_ > settings_.max_bytes.value;
}

// What somebody works on is passed over: who waited here would keep others waiting.
asio::awaitable<result<bool>> quarantine::erase_idle(std::string id, std::string_view why) {
    auto found = index_.find(id);
    if (!found || !*found) co_return false; // gone, or its record is damaged: the next start looks at that
    auto& entry = **found;
    const auto mine = turns_->take(state::quarantine_key(entry.digest, entry.queue_id, entry.sender));
    if (!mine) co_return false;
    log_deletion(entry, why);
    if (auto erased = co_await do_erase(std::move(entry)); !erased) co_return erased.error();
    co_return true;
}

asio::awaitable<result<void>> quarantine::make_room() {
    const failure full{errc::disk_full, "the quarantine is full"};
    const auto bounds = settings();
    if (octets_to_come() > bounds.max_bytes.value) co_return full; // nothing that could be deleted would help
    while (over_bounds()) {
        const auto old = index_.older_than(clock_.now() - bounds.keep_at_least, looked_at_once);
        if (!old) co_return old.error();
        std::size_t erased = 0;
        for (auto id = old->begin(); id != old->end() && over_bounds(); ++id) {
            const auto done = co_await erase_idle(*id, "over the bounds, and the oldest");
            if (!done) co_return done.error();
            if (*done) ++erased;
        }
        if (erased == 0) co_return full;
    }
    co_return result<void>{};
}

asio::awaitable<result<void>> quarantine::do_expire() {
    const auto old = index_.older_than(clock_.now() - settings().retention, looked_at_once);
    if (!old) co_return old.error();
    for (const auto& id : *old)
        if (const auto done = co_await erase_idle(id, "older than quarantine.retention"); !done) co_return done.error();
    // A reload may have made the bounds tighter.
    if (auto made = co_await make_room(); !made && made.error().code != errc::disk_full) co_return made;
    co_return result<void>{};
}

} // namespace postsluice::contentfilter::act
