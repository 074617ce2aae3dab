// SPDX-License-Identifier: Apache-2.0
// The claims of refunds.hpp that wait for policyd, on disk: <state>/refunds, mode 0600, one a line. A claim is added
// before the client hears its reply, so a stop has nothing to hand over and a kill loses nothing; the next start reads
// it. The file is no exact copy of what waits: settled claims stay in it until none waits, or until it has twice as
// many lines as may wait and is written anew. That is safe, for policyd gives each ticket back once, however often it
// is asked; and so appending is all it takes, where an exact copy would need a store with transactions. Nothing is
// synced: a claim is worth something for policyd.lease only, and a machine that lost power lost counters, too. A line
// that a crash or a full disk tore is left out, and harms no other. Blocking, for microseconds; not thread-safe.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"

#include <deque>
#include <filesystem>
#include <string>

namespace postsluice::contentfilter::act {

/// A charge to be taken back.
struct refund_claim {
    std::string sealed;  ///< the ticket as policyd wrote it
    std::string account; ///< for the log
    instant until{};     ///< then it cannot be taken back any more
};

class refund_file {
public:
    explicit refund_file(std::filesystem::path name)
        : name_{std::move(name)} {}

    /// The newest `most` claims, oldest first; none where there is no file. Once, before anything else.
    [[nodiscard]] std::deque<refund_claim> read(std::size_t most);
    /// Errors are those of the file system: what waits is in memory alone then.
    [[nodiscard]] result<void> add(const refund_claim& one);
    [[nodiscard]] result<void> replace(const std::deque<refund_claim>& all);
    [[nodiscard]] std::size_t lines() const noexcept { return lines_; }

private:
    [[nodiscard]] result<void> write(const std::filesystem::path& to, int flags, std::string_view text) const;
    std::filesystem::path name_;
    std::size_t lines_ = 0;
};

} // namespace postsluice::contentfilter::act
