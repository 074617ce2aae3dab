// SPDX-License-Identifier: Apache-2.0
// The index of quarantined messages (`state` environment, written by contentfilter through its writer thread). The
// messages themselves are files in quarantine.directory, named by id; act/quarantine keeps both in step. An id has 1 to
// 64 octets (errc::malformed otherwise); put() replaces an entry of the same id.
#pragma once

#include "shared/core/reason.hpp"
#include "shared/state/store.hpp"
#include "shared/state/writer.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace postsluice::state {

struct quarantine_entry {
    std::string id; ///< the reference in the reply and the log
    instant at{};
    std::string account, queue_id, digest, subject;
    std::string mail_line;               ///< MAIL FROM argument as received: address and parameters
    std::vector<std::string> rcpt_lines; ///< RCPT TO arguments as received
    std::string sender;
    std::vector<std::string> recipients;
    reason why = reason::none;
    std::vector<std::string> findings;
    std::uint64_t size = 0;
    bool released = false; ///< a release is under way or done; see act/quarantine
};

class quarantine_index {
public:
    quarantine_index(store& where, writer& through)
        : store_{where}
        , writer_{through} {}
    boost::asio::awaitable<result<void>> put(quarantine_entry entry);
    boost::asio::awaitable<result<void>> erase(std::string id);
    [[nodiscard]] result<std::optional<quarantine_entry>> find(std::string_view id);
    /// Newest first; `account` empty: all.
    [[nodiscard]] result<std::vector<quarantine_entry>> list(std::string_view account, std::size_t most);
    /// Ids of entries from before `t`, at most `most`.
    [[nodiscard]] result<std::vector<std::string>> older_than(instant t, std::size_t most);

private:
    store& store_;
    writer& writer_;
};

} // namespace postsluice::state
