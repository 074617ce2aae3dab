// SPDX-License-Identifier: Apache-2.0
// The files of the quarantine, without the index. Per message two, in one directory (mode 0700):
//   ID.eml   the message as it was received, octet by octet (0600)
//   ID.env   what the index knows about it, as text: so that a lost index can be built again, and with it every
//   envelope
// Both are written aside (ID.eml.new), synced, renamed, ID.env first; then the directory is synced. An ID.eml is
// therefore whole, and has its ID.env. They are removed in the other order. All calls block: they belong on the
// quarantine's own thread.
#pragma once

#include "contentfilter/intake/spool.hpp"
#include "shared/state/quarantine_index.hpp"

#include <filesystem>
#include <functional>
#include <set>
#include <string>

namespace postsluice::contentfilter::act {

class quarantine_files {
public:
    /// Makes the directory where missing. Throws std::runtime_error where it cannot be used.
    explicit quarantine_files(std::filesystem::path directory);

    /// errc::disk_full, errc::unavailable; nothing is left behind then.
    [[nodiscard]] result<void> write(const state::quarantine_entry& entry, const spool& content);
    /// Replaces ID.env.
    [[nodiscard]] result<void> write_envelope(const state::quarantine_entry& entry);
    /// No error where they are not there.
    [[nodiscard]] result<void> remove(const std::string& id);
    /// errc::not_found, errc::corrupt.
    [[nodiscard]] result<state::quarantine_entry> read_envelope(const std::string& id) const;
    /// Calls `visit` with pieces of ID.eml.
    [[nodiscard]] result<void> read_message(const std::string& id,
                                            const std::function<bool(std::string_view)>& visit) const;
    [[nodiscard]] bool has(const std::string& id) const;
    /// Ids of all whole messages. Removes what an interrupted write or removal left.
    [[nodiscard]] result<std::set<std::string>> tidy();
    [[nodiscard]] std::filesystem::path message_path(const std::string& id) const { return directory_ / (id + ".eml"); }

private:
    [[nodiscard]] std::filesystem::path envelope_path(const std::string& id) const {
        return directory_ / (id + ".env");
    }
    [[nodiscard]] result<void> sync_directory() const;
    std::filesystem::path directory_;
};

[[nodiscard]] std::string to_text(const state::quarantine_entry& entry);
/// errc::corrupt where it is none.
[[nodiscard]] result<state::quarantine_entry> parse_entry(std::string_view text);

} // namespace postsluice::contentfilter::act
