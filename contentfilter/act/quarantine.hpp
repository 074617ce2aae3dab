// SPDX-License-Identifier: Apache-2.0
// Messages that we keep instead of delivering. We have answered 250 for them, so the copy here is the only one: files
// synced, directory synced, index committed, and only then the reply (quarantine_files.hpp). The file is the message;
// the index says what is known of it.
//  - Never two copies of one message: the same bytes (SHA-256) under the same queue ID are the entry that is there
//  already, with the
//    recipients that it lacked. So neither a reply that was lost nor slices of one message make a second one.
//  - open() brings both into step: a message without an entry (a crash before the commit, a lost index) gets its entry
//  again, from
//    ID.env; an entry without a message was being removed. A release that was interrupted may have delivered: it stays,
//    and the log says so.
//  - release() is all or nothing for each recipient: who was delivered to is taken off the entry, and the entry goes
//  with the last.
// Everything runs on one thread of its own, since fsync blocks; callers await from any executor.
#pragma once

#include "contentfilter/act/quarantine_files.hpp"
#include "contentfilter/intake/message.hpp"
#include "shared/core/clock.hpp"
#include "shared/smtp/reply.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <functional>
#include <list>
#include <map>
#include <mutex>

namespace postsluice::contentfilter::act {

class quarantine {
public:
    quarantine(state::quarantine_index& index, const clock& time, const config::quarantine_settings& settings);
    ~quarantine(); ///< finishes what is under way

    /// Reconciles files and index. Call it once, before anything else.
    boost::asio::awaitable<result<void>> open();

    struct kept {
        std::string id;
        bool repeated = false; ///< it was there already
    };
    /// `reference` becomes the id. errc::disk_full: no room, or larger than all of the quarantine may be.
    boost::asio::awaitable<result<kept>> keep(message_ptr what, reason why, std::vector<std::string> findings,
                                              std::string reference);

    [[nodiscard]] result<std::optional<state::quarantine_entry>> find(std::string_view id) const {
        return index_.find(id);
    }
    [[nodiscard]] result<std::vector<state::quarantine_entry>> list(std::string_view account, std::size_t most) const {
        return index_.list(account, most);
    }
    [[nodiscard]] std::filesystem::path path(const std::string& id) const { return files_.message_path(id); }
    /// The first octets of the message.
    [[nodiscard]] result<std::string> head(const std::string& id, std::size_t most) const;
    boost::asio::awaitable<result<void>> remove(std::string id);

    /// Delivers a message: the reply for each recipient of its envelope, in order.
    using sender = std::function<boost::asio::awaitable<std::vector<smtp::reply>>(message_ptr)>;
    struct release_report {
        std::vector<std::string> delivered;
        std::vector<std::pair<std::string, smtp::reply>> remaining;
    };
    boost::asio::awaitable<result<release_report>> release(std::string id, config::settings_ptr settings, sender send);

    /// Removes what is older than `retention`, and the oldest while all are over `max_bytes`.
    boost::asio::awaitable<result<void>> expire();

    struct totals {
        std::size_t entries = 0;
        std::uint64_t octets = 0, limit = 0;
    };
    [[nodiscard]] totals total() const;
    /// New retention and max_bytes; the directory stays what it was.
    void use(const config::quarantine_settings& settings);

private:
    struct known {
        std::string key; ///< digest and queue ID
        std::uint64_t size = 0;
    };
    /// Who holds it works on a message alone; others that want the same one wait.
    class turn {
    public:
        turn(quarantine& of, std::string key)
            : of_{of}
            , key_{std::move(key)} {}
        ~turn() { of_.end_turn(key_); }
        turn(const turn&) = delete;

    private:
        quarantine& of_;
        std::string key_;
    };
    boost::asio::awaitable<result<void>> do_open();
    boost::asio::awaitable<result<kept>> do_keep(message_ptr what, reason why, std::vector<std::string> findings,
                                                 std::string reference);
    boost::asio::awaitable<result<kept>> do_merge(message_ptr what, std::string id);
    boost::asio::awaitable<result<void>> do_remove(std::string id);
    boost::asio::awaitable<result<void>> do_erase(std::string id);
    boost::asio::awaitable<result<release_report>> do_release(std::string id, config::settings_ptr settings,
                                                              sender send);
    boost::asio::awaitable<result<void>> do_expire();
    boost::asio::awaitable<result<void>> adopt(std::string id);
    boost::asio::awaitable<void> wait_for_turn(std::string key);
    void end_turn(const std::string& key);
    void learn(const state::quarantine_entry& entry);
    void forget(const std::string& id);
    [[nodiscard]] std::optional<std::string> id_of(const std::string& key) const;
    [[nodiscard]] result<message_ptr> load(const state::quarantine_entry& entry, config::settings_ptr settings) const;

    state::quarantine_index& index_;
    const clock& clock_;
    quarantine_files files_;
    mutable std::mutex mutex_; // of what follows
    config::quarantine_settings settings_;
    std::map<std::string, known> known_;        ///< by id
    std::map<std::string, std::string> by_key_; ///< key -> id
    std::uint64_t octets_ = 0;
    // Touched on the pool's one thread only: whose turn it is with a message, and who waits for his.
    std::map<std::string, std::list<std::shared_ptr<boost::asio::steady_timer>>> turns_;
    boost::asio::thread_pool pool_{1}; // last: it ends first
};

} // namespace postsluice::contentfilter::act
