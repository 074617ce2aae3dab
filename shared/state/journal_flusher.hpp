// SPDX-License-Identifier: Apache-2.0
// Brings journals to the disk in a thread of its own: one fdatasync at a time, for everything that was committed before
// it began; what is committed meanwhile waits for the next one. After a failed fdatasync nobody knows what is on the
// disk: everything fails until the journal's changes have been written down elsewhere (made_safe()).
#pragma once

#include "shared/state/journal.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace postsluice::state {

class journal_flusher {
public:
    using callback = std::function<void(result<void>)>;
    journal_flusher();
    /// Completes what waits.
    ~journal_flusher();
    journal_flusher(const journal_flusher&) = delete;
    journal_flusher& operator=(const journal_flusher&) = delete;

    /// Something was appended to the file.
    void touched(const std::shared_ptr<journal_file>& file);
    /// Calls `done`, on the flusher's thread, when everything appended until now is on the disk.
    void when_flushed(callback done);
    /// Whatever the journals up to this generation hold is on the disk by another way.
    void made_safe(std::uint64_t generation);

private:
    void run();
    result<void> flush(const std::vector<std::shared_ptr<journal_file>>& files);
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<callback> waiting_;
    std::vector<std::shared_ptr<journal_file>> files_;
    std::uint64_t unsafe_ = 0; // newest generation that failed to be synced
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace postsluice::state
