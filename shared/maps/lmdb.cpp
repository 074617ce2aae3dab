// SPDX-License-Identifier: Apache-2.0
// lmdb: what postmap(1) wrote, read in Postfix's way (dict_lmdb(3)): one file NAME.lmdb, keys and values with or
// without a NUL at their end, no lock file. Postfix keeps readers and writers apart by locks on the file itself: a
// reader holds a shared lock for its transaction; a writer has an exclusive one for an instant, so that no reader is
// left in the snapshot whose pages it will use again. Ours are open-file-description locks: they meet Postfix's as any
// process's would, but threads of this process do not undo each other's.
//
// A file that somebody truncates under us (cp onto it) can, as in Postfix, end the process with SIGBUS; postmap writes
// in place within a transaction, mv replaces the file, and both are safe.
#include "shared/core/text.hpp"
#include "shared/maps/table.hpp"

#include <cerrno>
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <thread>

namespace postsluice::maps {

namespace {

// A writer's exclusive lock lasts microseconds. What lasts longer is a writer in trouble.
constexpr int lock_tries = 50;
constexpr std::chrono::milliseconds lock_pause{2};

struct environment_end {
    void operator()(MDB_env* e) const noexcept { ::mdb_env_close(e); }
};
struct transaction_end {
    void operator()(MDB_txn* t) const noexcept { ::mdb_txn_abort(t); }
};
using environment = std::unique_ptr<MDB_env, environment_end>;
using transaction = std::unique_ptr<MDB_txn, transaction_end>;

failure trouble(const std::string& path, int status) {
    if (status > 0) return file_failure(path, status);
    const bool damaged = status == MDB_INVALID || status == MDB_CORRUPTED || status == MDB_VERSION_MISMATCH ||
                         status == MDB_PAGE_NOTFOUND;
    return {damaged ? errc::corrupt : errc::unavailable, path + ": " + ::mdb_strerror(status)};
}

class shared_lock {
public:
    shared_lock(int descriptor, const std::string& path)
        : descriptor_{descriptor} {
        for (int i = 0; i < lock_tries; ++i) {
            if (set(F_RDLCK)) {
                held_ = true;
                return;
            }
            if (errno != EAGAIN && errno != EACCES) {
                wrong_ = file_failure(path, errno);
                return;
            }
            std::this_thread::sleep_for(lock_pause);
        }
        wrong_ = failure{errc::unavailable, path + ": a writer keeps it locked"};
    }
    shared_lock(const shared_lock&) = delete;
    shared_lock& operator=(const shared_lock&) = delete;
    ~shared_lock() {
        if (held_) (void)set(F_UNLCK);
    }
    [[nodiscard]] const std::optional<failure>& wrong() const noexcept { return wrong_; }

private:
    [[nodiscard]] bool set(short kind) const noexcept {
        struct ::flock what {};
        what.l_type = kind;
        what.l_whence = SEEK_SET;
        return ::fcntl(descriptor_, F_OFD_SETLK, &what) == 0;
    }
    int descriptor_;
    bool held_ = false;
    std::optional<failure> wrong_;
};

class lmdb final : public table {
public:
    lmdb(std::string path, environment opened)
        : path_{std::move(path)}
        , environment_{std::move(opened)} {
        (void)::mdb_env_get_fd(environment_.get(), &descriptor_);
    }

    answer get(std::string_view key) override {
        const shared_lock locked{descriptor_, path_};
        if (locked.wrong()) return *locked.wrong();
        MDB_txn* raw = nullptr;
        int status = ::mdb_txn_begin(environment_.get(), nullptr, MDB_RDONLY, &raw);
        if (status == MDB_MAP_RESIZED && (status = ::mdb_env_set_mapsize(environment_.get(), 0)) == 0)
            status = ::mdb_txn_begin(environment_.get(), nullptr, MDB_RDONLY, &raw);
        if (status != 0) return trouble(path_, status);
        const transaction reading{raw};
        MDB_dbi dbi = 0;
        if (status = ::mdb_dbi_open(raw, nullptr, 0, &dbi); status != 0) return trouble(path_, status);
        auto folded = to_lower(key);
        auto found = look(raw, dbi, {folded.size() + 1, folded.data()});
        if (found && !*found && !folded.empty()) found = look(raw, dbi, {folded.size(), folded.data()});
        return found;
    }

private:
    answer look(MDB_txn* reading, MDB_dbi dbi, MDB_val key) const {
        MDB_val value{};
        const int status = ::mdb_get(reading, dbi, &key, &value);
        if (status == MDB_NOTFOUND || status == MDB_BAD_VALSIZE) return std::optional<std::string>{};
        if (status != 0) return trouble(path_, status);
        std::string_view text{static_cast<const char*>(value.mv_data), value.mv_size};
        return std::optional{std::string{text.substr(0, text.find('\0'))}};
    }
    std::string path_;
    environment environment_;
    int descriptor_ = -1;
};

} // namespace

result<table_ptr> open_lmdb(const std::string& path) {
    const auto file = path + ".lmdb";
    struct ::stat about {};
    if (::stat(file.c_str(), &about) != 0) return file_failure(file, errno);
    if (!S_ISREG(about.st_mode) || about.st_size == 0) return failure{errc::corrupt, file + " is no map, or empty"};
    MDB_env* raw = nullptr;
    if (const int status = ::mdb_env_create(&raw); status != 0) return trouble(file, status);
    environment opened{raw};
    const int status = ::mdb_env_open(raw, file.c_str(), MDB_NOSUBDIR | MDB_NOLOCK | MDB_RDONLY, 0644);
    if (status != 0) return trouble(file, status);
    return table_ptr{std::make_unique<lmdb>(file, std::move(opened))};
}

} // namespace postsluice::maps
