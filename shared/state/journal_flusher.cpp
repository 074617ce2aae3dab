// SPDX-License-Identifier: Apache-2.0
#include "shared/state/journal_flusher.hpp"

#include "shared/log/log.hpp"

#include <algorithm>
#include <utility>

namespace postsluice::state {

journal_flusher::journal_flusher()
    : thread_{[this] { run(); }} {}

journal_flusher::~journal_flusher() {
    {
        const std::lock_guard hold{mutex_};
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void journal_flusher::touched(const std::shared_ptr<journal_file>& file) {
    const std::lock_guard hold{mutex_};
    if (files_.empty() || files_.back() != file) files_.push_back(file);
}

void journal_flusher::when_flushed(callback done) {
    {
        const std::lock_guard hold{mutex_};
        waiting_.push_back(std::move(done));
    }
    wake_.notify_one();
}

void journal_flusher::made_safe(std::uint64_t generation) {
    const std::lock_guard hold{mutex_};
    if (unsafe_ <= generation) unsafe_ = 0;
}

result<void> journal_flusher::flush(const std::vector<std::shared_ptr<journal_file>>& files) {
    for (const auto& file : files) {
        const auto done = file->sync();
        if (done) continue;
        log::error("journal not synced").kv("why", done.error().message());
        const std::lock_guard hold{mutex_};
        unsafe_ = std::max(unsafe_, file->generation());
    }
    const std::lock_guard hold{mutex_};
    if (unsafe_ == 0) return {};
    return failure{errc::unavailable, "the journal cannot be brought to the disk"};
}

void journal_flusher::run() {
    for (;;) {
        std::unique_lock hold{mutex_};
        wake_.wait(hold, [this] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        const auto waiting = std::exchange(waiting_, {});
        const auto files = std::exchange(files_, {});
        hold.unlock();
        const auto outcome = flush(files);
        for (const auto& done : waiting)
            done(outcome);
    }
}

} // namespace postsluice::state
