// SPDX-License-Identifier: Apache-2.0
// What store*.cpp share about LMDB; included by nothing else. An `environment` is one open MDB_env. Transactions hold
// it by shared_ptr, so it closes when the last of them has ended; LMDB forbids a second one on the same files in one
// process, therefore a reopen waits until the old one is gone.
#pragma once

#include "shared/state/store.hpp"

#include <lmdb.h>
#include <sys/types.h>

#include <atomic>
#include <mutex>
#include <vector>

namespace postsluice::state {

struct environment {
    MDB_env* env = nullptr;
    MDB_dbi table = 0;
    std::filesystem::path directory;
    ino_t inode = 0;                   ///< of data.mdb
    std::uint64_t opening = 0;         ///< its number in this process
    std::size_t usable_pages = 0;      ///< above it only the reserve is left
    std::atomic<bool> corrupt{false};  ///< damaged pages were met
    std::atomic<bool> unusable{false}; ///< MDB_PANIC, or replaced on disk
    std::mutex pool_mutex;
    std::vector<MDB_txn*> idle; ///< reset readers, each with its reader slot

    environment() = default;
    environment(const environment&) = delete;
    environment& operator=(const environment&) = delete;
    ~environment();
    void drop_idle();
    /// Pages that are in use by neither data nor the free list's own pages, as `txn` sees it.
    [[nodiscard]] std::size_t free_pages(MDB_txn* txn) const;
    /// Remembers what rc says about the environment; returns the failure for the caller.
    failure note(int rc, std::string_view doing);
};

struct lmdb_transaction final : transaction {
    std::shared_ptr<environment> where;
    MDB_txn* txn = nullptr;
    bool writes = false;
    bool inner = false;      ///< nested
    bool erase_only = false; ///< the map is full but for the reserve
    bool met_damage = false;

    ~lmdb_transaction() override;
    bool damaged() const noexcept override { return met_damage; }
    std::optional<std::string_view> get(std::string_view key) override;
    void scan(std::string_view prefix, std::string_view from,
              const std::function<bool(std::string_view, std::string_view)>& visit) override;
    result<void> put(std::string_view key, std::string_view value) override;
    result<void> erase(std::string_view key) override;
    result<void> commit() override;
    result<std::unique_ptr<transaction>> nested() override;
    void use_reserve() noexcept override { erase_only = false; }
};

/// Opens the directory's environment, creates what is missing, moves aside what is corrupt. `distrusted`: inode of a
/// data file that is known to be damaged, 0 for none.
[[nodiscard]] result<std::shared_ptr<environment>> open_environment(const store_options& options, ino_t distrusted);

/// The failure that LMDB's or the system's return code means.
[[nodiscard]] failure to_failure(int rc, std::string_view doing, const std::filesystem::path& directory);
[[nodiscard]] bool means_corrupt(int rc) noexcept;

/// A broken invariant: says which, and aborts.
[[noreturn]] void broken(std::string_view invariant);

} // namespace postsluice::state
