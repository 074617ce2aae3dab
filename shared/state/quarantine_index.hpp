// SPDX-License-Identifier: Apache-2.0
// The index of quarantined messages (`state` environment, written by contentfilter through its writer thread). The
// messages themselves are files in quarantine.directory, named by id; act/quarantine keeps both in step. An id has 1 to
// 64 octets (errc::malformed otherwise); put() replaces an entry of the same id. Reads are transactions of their own on
// the caller's thread, and bounded: search() looks at a part of the index and says where to go on, so that a hundred
// thousand entries keep nobody waiting and fill no memory.
#pragma once

#include "shared/core/reason.hpp"
#include "shared/state/store.hpp"
#include "shared/state/writer.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace postsluice::state {

/// A release under way, so that the next start can tell who got the message if we die over it.
struct quarantine_release {
    std::string token;                   ///< state::passages know by it who got the message
    std::vector<std::string> rcpt_lines; ///< those of the entry that it is for
    std::string redirect;                ///< RCPT TO argument that takes their place; empty: none
    bool keep = false;                   ///< the entry stays as it is, whoever gets the message
    bool operator==(const quarantine_release&) const = default;
};

struct quarantine_entry {
    std::string id; ///< the reference in the reply and the log
    instant at{};
    std::string account, queue_id, digest, subject;
    std::string mail_line;               ///< MAIL FROM argument as received: address and parameters
    std::vector<std::string> rcpt_lines; ///< RCPT TO arguments as received
    std::string sender;
    std::vector<std::string> recipients; ///< addresses of rcpt_lines, in their order
    reason why = reason::none;
    std::vector<std::string> findings; ///< "SYMBOL(score) evidence"
    std::uint64_t size = 0;
    bool before_queue = false; ///< it came by smtpd_proxy_filter
    bool held = false;         ///< for review (verdict hold), not for what it is
    instant release_at{};      ///< released by itself then; instant{}: only by hand
    std::optional<quarantine_release> releasing;
};

/// What of a message makes it the same one: its octets under the queue ID. Before the queue there is none; then it is
/// the sender's.
[[nodiscard]] std::string quarantine_key(std::string_view digest, std::string_view queue_id, std::string_view sender);

/// Every member that is set must match.
struct quarantine_query {
    std::string account;           ///< the name, lower case, or a glob with '*'
    std::string sender, recipient; ///< lower case: an address, "@domain", or a glob with '*'
    std::string subject;           ///< is part of it, in any (ASCII) case
    std::string symbol;            ///< of a finding, upper case
    std::optional<reason> why;
    std::optional<bool> held;
    std::optional<instant> since, until; ///< both inclusive
    [[nodiscard]] bool matches(const quarantine_entry& entry) const;
};
struct quarantine_page {
    std::vector<quarantine_entry> entries;
    std::string next; ///< where to go on; empty: that was all
};

class quarantine_index {
public:
    quarantine_index(store& where, writer& through)
        : store_{where}
        , writer_{through} {}
    boost::asio::awaitable<result<void>> put(quarantine_entry entry);
    boost::asio::awaitable<result<void>> erase(std::string id);
    [[nodiscard]] result<std::optional<quarantine_entry>> find(std::string_view id);
    /// The id of the entry with this quarantine_key().
    [[nodiscard]] result<std::optional<std::string>> find_key(std::string_view key);
    /// Newest first, from `after` (a page's `next`; empty: the newest) on. At most `most` entries, and no more work
    /// than a few thousand entries make: a page may hold less, or nothing, and still have a next one. errc::malformed:
    /// no such `after`.
    [[nodiscard]] result<quarantine_page> search(const quarantine_query& wanted, std::string_view after,
                                                 std::size_t most);
    /// Newest first; `account` empty: all.
    [[nodiscard]] result<std::vector<quarantine_entry>> list(std::string_view account, std::size_t most);
    /// Ids of entries from before `t` that await no timed release, the oldest first, at most `most`.
    [[nodiscard]] result<std::vector<std::string>> older_than(instant t, std::size_t most);
    /// Ids of entries with release_at not after `t`, the earliest first, at most `most`.
    [[nodiscard]] result<std::vector<std::string>> due(instant t, std::size_t most);

private:
    [[nodiscard]] result<std::vector<std::string>> ids_before(std::string_view prefix, instant t, std::size_t most);
    store& store_;
    writer& writer_;
};

} // namespace postsluice::state
