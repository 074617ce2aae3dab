// SPDX-License-Identifier: Apache-2.0
// Opening an environment: the parent directory's flock keeps openers apart, so that only one of two daemons moves a
// corrupt environment aside and neither sees the other half way.
#include "shared/log/log.hpp"
#include "shared/state/store_lmdb.hpp"
#include "shared/state/umask_guard.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <thread>

namespace postsluice::state {
namespace {

constexpr unsigned max_readers = 512;
constexpr int open_attempts = 9;
constexpr milliseconds guard_timeout{5000};
constexpr std::string_view schema_key{"\0schema", 7};
constexpr std::size_t schema_size = 5; // version octet, schema number

// flock on the parent directory, given up after a while: a stopped process may hold it.
class opener_guard {
public:
    explicit opener_guard(const std::filesystem::path& parent) {
        fd_ = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const auto end = std::chrono::steady_clock::now() + guard_timeout;
        while (fd_ >= 0 && ::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
            if (std::chrono::steady_clock::now() > end) {
                ::close(fd_);
                fd_ = -1;
                errno = ETIMEDOUT;
                return;
            }
            std::this_thread::sleep_for(milliseconds{2});
        }
    }
    opener_guard(const opener_guard&) = delete;
    opener_guard& operator=(const opener_guard&) = delete;
    ~opener_guard() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] bool held() const noexcept { return fd_ >= 0; }

private:
    int fd_ = -1;
};

// LMDB's locks are the process's: a second MDB_env on the same files would drop them when it closes.
class open_list {
public:
    void add(const std::filesystem::path& directory) {
        const std::lock_guard hold{mutex_};
        if (!open_.insert(directory.string()).second) broken("a process opens an environment once");
    }
    void remove(const std::filesystem::path& directory) {
        const std::lock_guard hold{mutex_};
        open_.erase(directory.string());
    }

private:
    std::mutex mutex_;
    std::set<std::string> open_;
};

open_list& opened() {
    static open_list list;
    return list;
}

ino_t inode_of(const std::filesystem::path& file) {
    struct stat st {};
    return ::stat(file.c_str(), &st) == 0 ? st.st_ino : 0;
}

result<void> move_aside(const std::filesystem::path& directory, std::string_view why) {
    const auto now = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
    const std::string base = directory.string() + ".corrupt-" + to_iso8601(now);
    for (int n = 0; n < 100; ++n) {
        const std::string target = n == 0 ? base : base + "." + std::to_string(n);
        if (std::filesystem::exists(target)) continue;
        if (::rename(directory.c_str(), target.c_str()) != 0) break;
        log::error("state corrupt").kv("environment", directory.string()).kv("moved_to", target).kv("detail", why);
        if (::mkdir(directory.c_str(), 0770) != 0) break;
        return {};
    }
    return to_failure(errno, "cannot be moved aside", directory);
}

// A file that lost its end would answer reads with SIGBUS. Filled up with zeros (never cut: the peer may be writing),
// lost pages are read as corrupt ones instead.
int fill_up(MDB_env* env) {
    MDB_envinfo info{};
    MDB_stat stat{};
    mdb_filehandle_t fd = -1;
    struct stat st {};
    if (::mdb_env_info(env, &info) != 0 || ::mdb_env_stat(env, &stat) != 0 || ::mdb_env_get_fd(env, &fd) != 0)
        return EINVAL;
    if (::fstat(fd, &st) != 0) return errno;
    const auto needed = static_cast<off_t>((info.me_last_pgno + 1) * stat.ms_psize);
    return st.st_size >= needed ? 0 : ::posix_fallocate(fd, needed - 1, 1);
}

bool is_transient(int rc) noexcept {
    static constexpr std::array lasting{EACCES, EPERM, EROFS, ENOSPC, EDQUOT, ENOTDIR, ENOMEM, ELOOP, ENAMETOOLONG};
    return rc != 0 && !means_corrupt(rc) && std::find(lasting.begin(), lasting.end(), rc) == lasting.end();
}

int try_open(environment& e, const store_options& options) {
    const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t usable = std::max<std::size_t>(options.map_size.value / page, 16);
    const std::size_t reserve = std::max<std::size_t>(usable / 32, 256); // room for clearing up when the map is full
    e.usable_pages = usable;
    if (const int rc = ::mdb_env_create(&e.env); rc != 0) return rc;
    ::mdb_env_set_mapsize(e.env, (usable + reserve) * page);
    ::mdb_env_set_maxreaders(e.env, max_readers);
    const unsigned flags = MDB_NOTLS | (options.how == durability::background ? MDB_NOSYNC : 0U);
    int rc = ::mdb_env_open(e.env, options.directory.c_str(), flags, 0660);
    if (rc == 0) rc = fill_up(e.env);
    if (rc != 0) { // after a failed open nothing but close is allowed
        ::mdb_env_close(e.env);
        e.env = nullptr;
    }
    return rc;
}

int open_with_backoff(environment& e, const store_options& options) {
    int rc = 0;
    milliseconds pause{1};
    for (int attempt = 0; attempt < open_attempts; ++attempt, pause *= 2) {
        rc = try_open(e, options);
        if (!is_transient(rc)) return rc;
        std::this_thread::sleep_for(pause);
    }
    return rc;
}

std::string encode_schema(std::uint32_t number) {
    std::string out{'\1'};
    for (int shift = 0; shift < 32; shift += 8)
        out.push_back(static_cast<char>(number >> shift & 0xff));
    return out;
}

// Reads the schema record and both edges of the tree. MDB_NOTFOUND: a new environment.
int read_schema(environment& e, std::uint32_t& number) {
    MDB_txn* txn = nullptr;
    int rc = ::mdb_txn_begin(e.env, nullptr, MDB_RDONLY, &txn);
    if (rc != 0) return rc;
    rc = ::mdb_dbi_open(txn, nullptr, 0, &e.table);
    MDB_stat stat{};
    if (rc == 0) rc = ::mdb_stat(txn, e.table, &stat);
    MDB_val key{schema_key.size(), const_cast<char*>(schema_key.data())}, value{};
    if (rc == 0) rc = ::mdb_get(txn, e.table, &key, &value);
    if (rc == 0) {
        const auto* octets = static_cast<const unsigned char*>(value.mv_data);
        if (value.mv_size != schema_size) rc = MDB_CORRUPTED;
        for (std::size_t i = 1; rc == 0 && i < schema_size; ++i)
            number |= std::uint32_t{octets[i]} << (8 * (i - 1));
        MDB_cursor* cursor = nullptr;
        if (rc == 0) rc = ::mdb_cursor_open(txn, e.table, &cursor);
        if (rc == 0) rc = ::mdb_cursor_get(cursor, &key, &value, MDB_LAST);
        if (cursor != nullptr) ::mdb_cursor_close(cursor);
        if (rc == MDB_NOTFOUND) rc = MDB_CORRUPTED;
    } else if (rc == MDB_NOTFOUND && stat.ms_entries != 0) {
        rc = MDB_CORRUPTED; // somebody else's, or no longer itself
    }
    // Commit, not abort: the table's handle stays.
    const int ended = ::mdb_txn_commit(txn);
    return rc != 0 ? rc : ended;
}

int write_schema(environment& e, std::uint32_t number) {
    MDB_txn* txn = nullptr;
    if (const int rc = ::mdb_txn_begin(e.env, nullptr, 0, &txn); rc != 0) return rc;
    const std::string text = encode_schema(number);
    MDB_val key{schema_key.size(), const_cast<char*>(schema_key.data())};
    MDB_val value{text.size(), const_cast<char*>(text.data())};
    if (const int rc = ::mdb_put(txn, e.table, &key, &value, MDB_NOOVERWRITE); rc != 0 && rc != MDB_KEYEXIST) {
        ::mdb_txn_abort(txn);
        return rc;
    }
    return ::mdb_txn_commit(txn);
}

result<void> check_schema(const store_options& options, std::uint32_t found) {
    if (found == options.schema) return {};
    const bool newer = found > options.schema;
    return failure{newer ? errc::newer_schema : errc::unsupported,
                   options.directory.string() + " has schema " + std::to_string(found) + ", this program knows " +
                       std::to_string(options.schema) + "; run the " + (newer ? "newer" : "older") +
                       " version of postsluice, or stop both daemons and move the directory aside to start empty"};
}

int open_checked(environment& e, const store_options& options, std::uint32_t& found) {
    int rc = open_with_backoff(e, options);
    if (rc != 0) return rc;
    int dead = 0;
    ::mdb_reader_check(e.env, &dead);
    rc = read_schema(e, found);
    if (rc == MDB_NOTFOUND) {
        found = options.schema;
        rc = write_schema(e, found);
    }
    if (rc == 0) return 0;
    ::mdb_env_close(e.env);
    e.env = nullptr;
    return rc;
}

result<void> make_directory(const std::filesystem::path& directory) {
    std::error_code ec;
    std::filesystem::create_directories(directory.parent_path(), ec);
    if (::mkdir(directory.c_str(), 0770) == 0 || errno == EEXIST) return {};
    return to_failure(errno, "cannot be made", directory);
}

} // namespace

environment::~environment() {
    if (env != nullptr) {
        drop_idle();
        ::mdb_env_close(env);
    }
    opened().remove(directory);
}

void environment::drop_idle() {
    const std::lock_guard hold{pool_mutex};
    for (MDB_txn* txn : idle)
        ::mdb_txn_abort(txn);
    idle.clear();
}

result<std::shared_ptr<environment>> open_environment(const store_options& options, ino_t distrusted) {
    const umask_guard group_only;
    if (auto made = make_directory(options.directory); !made) return made.error();
    const auto directory = std::filesystem::weakly_canonical(options.directory);
    opened().add(directory);
    auto e = std::make_shared<environment>(); // from here on its end takes it off the list
    e->directory = directory;
    const opener_guard alone{directory.parent_path()};
    if (!alone.held()) return to_failure(errno, "another process is opening it", directory);
    const auto data = directory / "data.mdb";
    if (distrusted != 0 && inode_of(data) == distrusted) {
        if (auto moved = move_aside(directory, "damaged pages were read"); !moved) return moved.error();
    }
    std::uint32_t found = 0;
    int rc = open_checked(*e, options, found);
    if (means_corrupt(rc)) {
        if (auto moved = move_aside(directory, ::mdb_strerror(rc)); !moved) return moved.error();
        found = 0;
        rc = open_checked(*e, options, found);
    }
    if (rc == EIO) return failure{errc::unavailable, directory.string() + ": open: " + ::mdb_strerror(rc)};
    if (rc != 0) return to_failure(rc, "open", directory);
    if (auto known = check_schema(options, found); !known) return known.error();
    e->inode = inode_of(data);
    static std::atomic<std::uint64_t> openings{0};
    e->opening = ++openings;
    return e;
}

} // namespace postsluice::state
