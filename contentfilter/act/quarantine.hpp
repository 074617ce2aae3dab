// SPDX-License-Identifier: Apache-2.0
// Messages that we keep instead of delivering. We have answered 250 for them, so the copy here is the only one: files
// synced, directory synced, index committed, and only then the reply (quarantine_files.hpp). The file is the message;
// the index says what is known of it.
//  - Never two copies of one message: the same bytes (SHA-256) under the same queue ID are the entry that is there
//    already, with the recipients that it lacked. So neither a reply that was lost nor slices of one message make a
//    second one, also where the entry is not to be seen yet (the state's writer is late: errc::timed_out, and the
//    message is tried again), and whoever got the message by a release is not kept it for again.
//  - open() brings both into step: a message without an entry (a crash before the commit, a lost index) gets its entry
//    again, from ID.env; an entry without a message was being removed. A release that was interrupted is settled: who
//    is known to have got the message is taken off, the others stay.
//  - release() is all or nothing for each recipient: who was delivered to is taken off the entry, and the entry goes
//    with the last. release_due() does the same by itself for mail whose time has come.
//  - Bounded by age, octets and number: what awaits a timed release is never deleted, and for room nothing younger than
//    keep_at_least; where that leaves no room, keep() fails with errc::disk_full, and the message waits in its queue.
// Files and index are worked on by one thread of its own, since fsync blocks; callers await from any executor. What
// release() sends is sent on the caller's.
#pragma once

#include "contentfilter/act/quarantine_files.hpp"
#include "contentfilter/act/turns.hpp"
#include "contentfilter/intake/message.hpp"
#include "shared/core/clock.hpp"
#include "shared/smtp/reply.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <functional>
#include <map>
#include <mutex>

namespace postsluice::contentfilter::act {

class quarantine {
public:
    quarantine(state::quarantine_index& index, const clock& time, const config::quarantine_settings& settings);
    ~quarantine(); ///< finishes what is under way

    /// Of RCPT TO arguments, in their order: true where the release `token` of these bytes is known to have been taken
    /// by the next hop; by a queue ID in the token's place, where any release of the message was.
    using delivered_before = std::function<result<std::vector<bool>>(
        const std::string& token, const std::string& digest, const std::vector<std::string>& rcpt_lines)>;
    /// Reconciles files and index. Call it once, before anything else. Without `asked`, of a release nobody is known to
    /// have got the message.
    boost::asio::awaitable<result<void>> open(delivered_before asked = {});

    struct cause {
        reason why = reason::none;
        std::vector<std::string> findings;
        std::string reference; ///< becomes the id
        bool held = false;
        instant release_at{}; ///< instant{}: only by hand, as whatever is kept for a virus
    };
    struct kept {
        std::string id;              ///< empty: all had got the message by a release, and nothing was kept
        bool repeated = false;       ///< it was there already
        std::vector<bool> delivered; ///< of the envelope's recipients: who had
    };
    /// Called between the message being on disk and its entry being seen: whatever is to be true of an entry as soon as
    /// somebody finds it. Not where the entry was there already. On our thread; after a crash in between the next
    /// start makes the entry, and the message comes again.
    using announcement = std::function<boost::asio::awaitable<void>()>;
    /// errc::disk_full: no room on the disk, or within the bounds.
    boost::asio::awaitable<result<kept>> keep(message_ptr what, cause because, announcement tell = {});

    [[nodiscard]] result<std::optional<state::quarantine_entry>> find(std::string_view id) const {
        return index_.find(id);
    }
    [[nodiscard]] result<state::quarantine_page> search(const state::quarantine_query& wanted, std::string_view after,
                                                        std::size_t most) const {
        return index_.search(wanted, after, most);
    }
    [[nodiscard]] std::filesystem::path path(const std::string& id) const { return files_.message_path(id); }
    /// The first octets of the message.
    [[nodiscard]] result<std::string> head(const std::string& id, std::size_t most) const;
    /// The message as it was received. errc::corrupt where it is another one now.
    [[nodiscard]] result<message_ptr> read(const state::quarantine_entry& entry, config::settings_ptr settings) const {
        return read(entry, std::move(settings), {});
    }
    boost::asio::awaitable<result<void>> remove(std::string id);
    /// Takes the timer off: the message leaves only by hand.
    boost::asio::awaitable<result<void>> stop_timer(std::string id);

    struct release_request {
        std::string id;
        std::vector<std::string> recipients;  ///< of the entry's, lower case; empty: all
        std::optional<mail_address> redirect; ///< takes their place
        bool keep = false;                    ///< the entry stays as it is
        bool timed = false;                   ///< only where its time has come
        bool forced = false;                  ///< also what is kept for a virus
    };
    /// Delivers a message: the reply for each recipient of its envelope, in order. `token` names the release for
    /// delivered_before.
    using sender = std::function<boost::asio::awaitable<std::vector<smtp::reply>>(message_ptr, std::string token)>;
    struct release_report {
        std::vector<std::string> delivered;
        std::vector<std::pair<std::string, smtp::reply>> remaining; ///< who should have got it, and did not
        std::size_t kept = 0;                                       ///< recipients that are still in quarantine
    };
    /// errc::not_found: no such message, or it has no such recipient. errc::denied: it is kept for a virus, and nobody
    /// forced it.
    boost::asio::awaitable<result<release_report>> release(release_request wanted, config::settings_ptr settings,
                                                           sender send);
    /// Releases what is due, `most` at most; what cannot be delivered now is due again after release_retry, what was
    /// refused for good stays until a person looks at it. How many were tried.
    boost::asio::awaitable<result<std::size_t>> release_due(config::settings_ptr settings, sender send,
                                                            std::size_t most);

    /// Removes what is older than `retention`, and the oldest while all are over the bounds.
    boost::asio::awaitable<result<void>> expire();

    struct totals {
        std::size_t entries = 0;
        std::uint64_t octets = 0;
        std::size_t max_entries = 0;
        std::uint64_t max_octets = 0;
    };
    [[nodiscard]] totals total() const;
    /// New bounds; the directory stays what it was.
    void use(const config::quarantine_settings& settings);

private:
    /// Room that a message under way will take.
    class reservation;
    /// A release between its two halves: marked in the index, not yet settled.
    struct begun {
        turns::turn mine;
        state::quarantine_entry entry; ///< with the mark
        message_ptr what;
        bool timed = false;
    };
    using begun_ptr = std::shared_ptr<begun>;

    template <class Value>
    boost::asio::awaitable<Value> on_own_thread(boost::asio::awaitable<Value> what);
    boost::asio::awaitable<result<void>> do_open(delivered_before asked);
    boost::asio::awaitable<result<kept>> do_keep(message_ptr what, cause because, announcement tell);
    boost::asio::awaitable<result<void>> do_merge(message_ptr what, state::quarantine_entry with, std::string id);
    boost::asio::awaitable<result<void>> do_remove(std::string id);
    boost::asio::awaitable<result<void>> do_erase(state::quarantine_entry entry);
    boost::asio::awaitable<result<void>> do_stop_timer(std::string id);
    boost::asio::awaitable<result<begun_ptr>> begin_release(release_request wanted, config::settings_ptr settings);
    boost::asio::awaitable<result<release_report>> end_release(begun_ptr what, std::vector<smtp::reply> replies);
    boost::asio::awaitable<result<void>> settle(state::quarantine_entry entry, std::vector<bool> gone);
    boost::asio::awaitable<result<void>> settle_interrupted(state::quarantine_entry entry);
    boost::asio::awaitable<result<void>> postpone(std::string id, failure because);
    boost::asio::awaitable<result<void>> do_expire();
    boost::asio::awaitable<result<void>> make_room();
    boost::asio::awaitable<result<bool>> erase_idle(std::string id, std::string_view why);
    boost::asio::awaitable<result<void>> adopt(std::string id);
    boost::asio::awaitable<result<void>> adopt_twin(state::quarantine_entry twin, state::quarantine_entry of);
    /// The message's entry, also where its write is late.
    [[nodiscard]] result<std::optional<std::string>> find_key(const std::string& key);
    /// Of `rcpt_lines`: who got the message by a release. Nobody, where that cannot be told.
    [[nodiscard]] std::vector<bool> released_to(const std::string& queue_id, const std::string& digest,
                                                const std::vector<std::string>& rcpt_lines) const;
    /// The entry, and the turn with it. errc::not_found.
    boost::asio::awaitable<result<std::pair<turns::turn, state::quarantine_entry>>> take(std::string id);
    [[nodiscard]] config::quarantine_settings settings() const;
    [[nodiscard]] bool over_bounds() const;
    [[nodiscard]] std::uint64_t octets_to_come() const;
    /// What counts is the message on disk, whenever its entry is written.
    void learn(const state::quarantine_entry& entry);
    void forget(const state::quarantine_entry& entry);
    [[nodiscard]] result<message_ptr> read(const state::quarantine_entry& entry, config::settings_ptr settings,
                                           smtp::envelope envelope) const;
    [[nodiscard]] result<message_ptr> load(const state::quarantine_entry& entry, config::settings_ptr settings) const;

    state::quarantine_index& index_;
    const clock& clock_;
    quarantine_files files_;
    delivered_before asked_;
    std::map<std::string, std::string> late_; ///< quarantine_key() -> id, of messages whose entry was written late
    mutable std::mutex mutex_;                // of what follows
    config::quarantine_settings settings_;
    std::size_t entries_ = 0, entries_to_come_ = 0;
    std::uint64_t octets_ = 0, octets_to_come_ = 0;
    std::shared_ptr<turns> turns_ = std::make_shared<turns>();
    boost::asio::thread_pool pool_{1}; // last: it ends first
};

} // namespace postsluice::contentfilter::act
