// SPDX-License-Identifier: Apache-2.0
// What an environment needs beside its transactions, on a thread of its own: stale readers cleared, and, under
// background durability, a sync every second, and now and then a compact copy that a machine crash falls back to.
//
// Without fsync on commit a kill loses nothing (the page cache has it), but a crash of the machine may leave any
// mixture of pages. So the environment carries a mark: "open <boot id>" while it is used, "clean" after an orderly end.
// At the next open a mark "open" of another boot means that the machine crashed: the files are moved to NAME.crashed,
// and the copy takes their place (at most copy_interval old, or the time of 100 copies where that is longer: copying
// gets 1 % of the time).
#pragma once

#include "shared/state/store.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace postsluice::state {

struct maintenance_options {
    milliseconds sync_interval{1000};
    milliseconds copy_interval{300'000};
    milliseconds tend_interval{30'000};
    bool synced = false;        ///< every commit is on disk before it is acknowledged
    byte_count journal_size{0}; ///< of a journal before the environment (journaled_store.hpp); 0: there is none
    std::filesystem::path copy; ///< empty: neither syncs nor copies, only tends
};

class maintenance {
public:
    maintenance(store& where, maintenance_options options);
    ~maintenance();
    maintenance(const maintenance&) = delete;
    maintenance& operator=(const maintenance&) = delete;

private:
    void run();
    store& store_;
    maintenance_options options_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::thread thread_;
};

/// An environment with background (or, where wanted, synced) durability, used by one process: errc::exists where
/// another one has it.
class background_environment {
public:
    /// `options.how` and `options.copy` are set here. The copy
    /// is NAME.copy, the mark NAME.mark, both beside the environment's directory.
    [[nodiscard]] static result<std::unique_ptr<background_environment>>
    open(store_options options, std::string_view boot_id, maintenance_options schedule = {});
    /// Syncs, closes, and marks the environment clean where that went well.
    ~background_environment();
    background_environment(const background_environment&) = delete;
    background_environment& operator=(const background_environment&) = delete;

    [[nodiscard]] store& get() noexcept { return *store_; }
    /// Did the open fall back to the copy (or to nothing) after a machine crash?
    [[nodiscard]] bool restored() const noexcept { return restored_; }

private:
    background_environment() = default;
    std::filesystem::path mark_;
    int owner_ = -1; ///< holds the lock on NAME.owner
    bool restored_ = false;
    std::unique_ptr<store> store_;
    std::unique_ptr<maintenance> maintenance_;
};

} // namespace postsluice::state
