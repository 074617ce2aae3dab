// SPDX-License-Identifier: Apache-2.0
#include "shared/log/log.hpp"
#include "shared/state/store_lmdb.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

namespace postsluice::state {
namespace {

constexpr int begin_attempts = 4;
constexpr int resize_waits = 100; // of a millisecond each
constexpr std::size_t few_pages = 32;
constexpr seconds reopen_pause{1};

// Shared with calls that are under way: a writer thread may be blocked in begin while its store goes away.
struct shared_core {
    store_options options;
    std::mutex mutex;
    std::mutex copying; ///< one copy at a time: they share the name of the file aside
    std::shared_ptr<environment> current;
    std::chrono::steady_clock::time_point next_reopen{};
};

// The environment to use now, reopened where the last one cannot be used any more and nobody uses it.
result<std::shared_ptr<environment>> acquire(shared_core& core) {
    const std::lock_guard hold{core.mutex};
    if (core.current && !core.current->unusable && !core.current->corrupt) return core.current;
    ino_t distrusted = 0;
    if (core.current) {
        if (core.current.use_count() > 1) {
            return failure{errc::unavailable, core.options.directory.string() + ": is about to be reopened"};
        }
        if (core.current->corrupt) distrusted = core.current->inode;
        core.current.reset();
    }
    const auto now = std::chrono::steady_clock::now();
    if (now < core.next_reopen)
        return failure{errc::unavailable, core.options.directory.string() + ": cannot be opened"};
    auto opened = open_environment(core.options, distrusted);
    if (!opened) {
        core.next_reopen = now + reopen_pause; // a request in between must not wait for the next failure
        return opened.error();
    }
    core.current = *opened;
    log::warning("state reopened").kv("environment", core.options.directory.string());
    return core.current;
}

// Takes over a map size that another process enlarged; LMDB allows it only while this process has no transaction.
bool take_over_size(shared_core& core, const std::shared_ptr<environment>& e) {
    const std::lock_guard hold{core.mutex}; // keeps new transactions out
    for (int i = 0; i < resize_waits && e.use_count() > 2; ++i)
        std::this_thread::sleep_for(milliseconds{1});
    if (e.use_count() > 2) return false;
    e->drop_idle();
    return ::mdb_env_set_mapsize(e->env, 0) == 0;
}

int begin_txn(environment& e, bool writes, MDB_txn*& txn) {
    if (writes) return ::mdb_txn_begin(e.env, nullptr, 0, &txn);
    {
        const std::lock_guard hold{e.pool_mutex};
        if (!e.idle.empty()) {
            txn = e.idle.back();
            e.idle.pop_back();
        }
    }
    if (txn == nullptr) return ::mdb_txn_begin(e.env, nullptr, MDB_RDONLY, &txn);
    const int rc = ::mdb_txn_renew(txn);
    if (rc != 0) {
        ::mdb_txn_abort(txn);
        txn = nullptr;
    }
    return rc;
}

result<std::unique_ptr<lmdb_transaction>> begin(std::shared_ptr<shared_core> core, bool writes) {
    int rc = 0;
    for (int attempt = 0; attempt < begin_attempts; ++attempt) {
        auto e = acquire(*core);
        if (!e) return e.error();
        auto i = std::make_unique<lmdb_transaction>();
        i->where = *e;
        i->writes = writes;
        rc = begin_txn(**e, writes, i->txn);
        if (rc == 0) return i;
        i->txn = nullptr;
        i.reset();
        int dead = 0;
        if (rc == MDB_READERS_FULL) ::mdb_reader_check((*e)->env, &dead);
        if (rc == MDB_MAP_RESIZED && !take_over_size(*core, *e)) break;
        (void)(*e)->note(rc, "begin");
        if (rc != MDB_READERS_FULL && rc != MDB_MAP_RESIZED && rc != MDB_PANIC) break;
    }
    return to_failure(rc, "begin", core->options.directory);
}

result<void> sync_file(int fd, const std::filesystem::path& name) {
    if (::fsync(fd) == 0) return {};
    return to_failure(errno, "fsync", name);
}

class lmdb_store final : public store {
public:
    explicit lmdb_store(std::shared_ptr<shared_core> core)
        : core_{std::move(core)} {}

    result<read_txn> read() override {
        auto i = begin(core_, false);
        if (!i) return i.error();
        return read_txn{std::move(*i)};
    }

    // May block in begin; nothing after it touches *this (see shared_core).
    result<write_txn> write() override {
        const auto core = core_;
        auto i = begin(core, true);
        if (!i) return i.error();
        auto& e = *(*i)->where;
        MDB_envinfo info{};
        if (::mdb_env_info(e.env, &info) == 0 && info.me_last_pgno >= e.usable_pages) {
            const auto reader = begin(core, false); // LMDB shows its free list to readers only
            (*i)->erase_only = !reader || e.free_pages((*reader)->txn) < few_pages;
        }
        return write_txn{std::move(*i)};
    }

    result<void> sync() override {
        const auto e = acquire(*core_);
        if (!e) return e.error();
        if (const int rc = ::mdb_env_sync((*e)->env, 1); rc != 0) return (*e)->note(rc, "sync");
        return {};
    }

    result<void> copy_to(const std::filesystem::path& target) override {
        const auto e = acquire(*core_);
        if (!e) return e.error();
        const std::lock_guard alone{core_->copying};
        const auto aside = target.string() + ".new";
        const int fd = ::open(aside.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0660);
        if (fd < 0) return to_failure(errno, "cannot be made", aside);
        auto done = copy_into(**e, fd);
        if (done) done = sync_file(fd, aside);
        ::close(fd);
        if (done && ::rename(aside.c_str(), target.c_str()) != 0) done = to_failure(errno, "rename", target);
        if (!done) {
            ::unlink(aside.c_str());
            return done;
        }
        const int directory = ::open(target.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0) return to_failure(errno, "open", target.parent_path());
        done = sync_file(directory, target.parent_path());
        ::close(directory);
        return done;
    }

    void tend() override {
        const auto e = acquire(*core_);
        if (!e) {
            log::error("state unavailable").kv("detail", e.error().message());
            return;
        }
        int dead = 0;
        ::mdb_reader_check((*e)->env, &dead);
        if (dead > 0) log::info("stale readers cleared").kv("environment", (*e)->directory.string()).kv("count", dead);
        struct stat st {};
        const bool there = ::stat(((*e)->directory / "data.mdb").c_str(), &st) == 0;
        if (there && st.st_ino == (*e)->inode) return;
        log::error("state replaced on disk").kv("environment", (*e)->directory.string());
        (*e)->unusable = true;
    }

    double fill() override {
        auto i = begin(core_, false);
        if (!i) return 1.0;
        auto& e = *(*i)->where;
        MDB_envinfo info{};
        if (::mdb_env_info(e.env, &info) != 0) return 1.0;
        const std::size_t taken = info.me_last_pgno + 1;
        const std::size_t used = taken - std::min(taken, e.free_pages((*i)->txn));
        return std::min(1.0, static_cast<double>(used) / static_cast<double>(e.usable_pages));
    }

    // As a reader sees it. mdb_env_info() tells of a commit while its meta page is still on the way to the disk, when
    // readers are still given the one before: who took that for the version of what he read would never look again.
    result<store_version> version() override {
        const auto i = begin(core_, false);
        if (!i) return i.error();
        return store_version{(*i)->where->opening, ::mdb_txn_id((*i)->txn)};
    }

    bool commits_are_durable() const noexcept override { return true; }
    void when_durable(std::function<void(result<void>)> done) override { done({}); }

private:
    static result<void> copy_into(environment& e, int fd) {
        int rc = ::mdb_env_copyfd2(e.env, fd, MDB_CP_COMPACT);
        if (rc == MDB_INCOMPATIBLE) { // the compactor's count of pages differs: a whole copy is as good
            if (::ftruncate(fd, 0) != 0 || ::lseek(fd, 0, SEEK_SET) != 0) return to_failure(errno, "copy", e.directory);
            rc = ::mdb_env_copyfd2(e.env, fd, 0);
        }
        if (rc != 0) return e.note(rc, "copy");
        return {};
    }

    std::shared_ptr<shared_core> core_;
};

} // namespace

result<std::unique_ptr<store>> store::open(const store_options& options) {
    auto core = std::make_shared<shared_core>();
    core->options = options;
    auto opened = open_environment(options, 0);
    if (!opened) return opened.error();
    core->current = std::move(*opened);
    return std::unique_ptr<store>{std::make_unique<lmdb_store>(std::move(core))};
}

} // namespace postsluice::state
