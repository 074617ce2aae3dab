// SPDX-License-Identifier: Apache-2.0
#include "shared/state/maintenance.hpp"

#include "shared/log/log.hpp"
#include "shared/state/journaled_store.hpp"
#include "shared/state/umask_guard.hpp"
#include "shared/state/yield.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace postsluice::state {
namespace {

namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;

constexpr int copy_share = 100; // copying takes one part in so many
constexpr milliseconds owner_timeout{2000};
constexpr std::string_view clean_mark = "clean";
constexpr std::string_view synced_mark = "synced"; // every commit is on disk: no crash can hurt

failure system_failure(const fs::path& what, int code) {
    const errc kind = code == EACCES || code == EPERM || code == EROFS ? errc::denied
                      : code == ENOSPC || code == EDQUOT               ? errc::disk_full
                                                                       : errc::unavailable;
    return {kind, what.string() + ": " + std::strerror(code)};
}

fs::path beside(const fs::path& directory, std::string_view suffix) {
    return directory.string() + std::string{suffix};
}

result<void> sync_path(const fs::path& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return system_failure(path, errno);
    const int rc = ::fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    if (rc != 0) return system_failure(path, rc);
    return {};
}

// Aside, fsync, rename: after a crash there is the old mark or the new one.
result<void> write_mark(const fs::path& mark, std::string_view text) {
    const auto aside = mark.string() + ".new";
    const int fd = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0660);
    if (fd < 0) return system_failure(aside, errno);
    errno = ENOSPC; // what a short write means
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
    const int code = errno;
    ::close(fd);
    if (!written) return system_failure(aside, code);
    if (::rename(aside.c_str(), mark.c_str()) != 0) return system_failure(mark, errno);
    return sync_path(mark.parent_path());
}

std::string read_mark(const fs::path& mark) {
    std::ifstream in{mark};
    std::string text;
    std::getline(in, text);
    return text;
}

// The lock of the process that uses the environment. One that is just ending is waited for.
result<int> become_owner(const fs::path& file) {
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0660);
    if (fd < 0) return system_failure(file, errno);
    const auto end = steady::now() + owner_timeout;
    while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (steady::now() > end) {
            ::close(fd);
            return failure{errc::exists, file.string() + ": another process uses this environment"};
        }
        std::this_thread::sleep_for(milliseconds{10});
    }
    return fd;
}

result<void> restore_from_copy(const fs::path& directory, const fs::path& copy) {
    std::error_code ec;
    const auto crashed = beside(directory, ".crashed");
    fs::remove_all(crashed, ec);
    if (::rename(directory.c_str(), crashed.c_str()) != 0 && errno != ENOENT) return system_failure(directory, errno);
    if (!fs::exists(copy)) {
        log::error("state lost in a machine crash")
            .kv("environment", directory.string())
            .kv("copy", "none")
            .kv("moved_to", crashed.string());
        return {};
    }
    if (::mkdir(directory.c_str(), 0770) != 0) return system_failure(directory, errno);
    const auto data = directory / "data.mdb";
    fs::copy_file(copy, data, ec);
    if (ec) return system_failure(data, ec.value());
    if (auto synced = sync_path(data); !synced) return synced;
    const auto age = fs::file_time_type::clock::now() - fs::last_write_time(copy, ec);
    log::warning("state restored from its copy after a machine crash")
        .kv("environment", directory.string())
        .kv("copy_age_s", std::chrono::duration_cast<seconds>(age).count())
        .kv("moved_to", crashed.string());
    return {};
}

bool machine_crashed(const fs::path& directory, const fs::path& mark, std::string_view boot_id) {
    const auto text = read_mark(mark);
    if (!fs::exists(directory / "data.mdb")) return !text.empty() && text != clean_mark; // it was there
    if (text == clean_mark || text == synced_mark || text == "open " + std::string{boot_id}) return false;
    if (!text.empty()) return true;
    log::warning("state has no mark; taken as it is").kv("environment", directory.string());
    return false;
}

} // namespace

maintenance::maintenance(store& where, maintenance_options options)
    : store_{where}
    , options_{std::move(options)}
    , thread_{[this] { run(); }} {}

maintenance::~maintenance() {
    {
        const std::lock_guard hold{mutex_};
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void maintenance::run() {
    yield_to_answers();
    const bool background = !options_.copy.empty();
    auto next_sync = steady::now() + options_.sync_interval;
    auto next_tend = steady::now() + options_.tend_interval;
    auto next_copy = steady::now(); // the copy of the last run may be old
    bool sync_failed = false;
    const auto say = [](const char* event, const result<void>& outcome) {
        if (!outcome) log::error(event).kv("detail", outcome.error().message());
    };
    for (;;) {
        {
            std::unique_lock hold{mutex_};
            const auto next = background ? std::min({next_sync, next_tend, next_copy}) : next_tend;
            if (wake_.wait_until(hold, next, [this] { return stopping_; })) return;
        }
        if (background && steady::now() >= next_sync) {
            const auto outcome = store_.sync();
            if (!sync_failed) say("state sync failed", outcome); // once, not every second
            sync_failed = !outcome;
            next_sync = steady::now() + options_.sync_interval;
        }
        if (steady::now() >= next_tend) {
            store_.tend();
            next_tend = steady::now() + options_.tend_interval;
        }
        if (background && steady::now() >= next_copy) {
            const auto begun = steady::now();
            say("state copy failed", store_.copy_to(options_.copy));
            const auto took = steady::now() - begun;
            next_copy = steady::now() + std::max<steady::duration>(options_.copy_interval, took * copy_share);
        }
    }
}

result<std::unique_ptr<background_environment>>
background_environment::open(store_options options, std::string_view boot_id, maintenance_options schedule) {
    const umask_guard group_only;
    std::unique_ptr<background_environment> self{new background_environment};
    std::error_code ec;
    options.directory = fs::absolute(options.directory);
    options.copy = beside(options.directory, ".copy");
    const bool synced = schedule.synced;
    options.how = synced ? durability::synced : durability::background;
    schedule.copy = options.copy;
    fs::create_directories(options.directory.parent_path(), ec);
    const auto owner = become_owner(beside(options.directory, ".owner"));
    if (!owner) return owner.error();
    self->owner_ = *owner;
    const auto mark = beside(options.directory, ".mark");
    if (machine_crashed(options.directory, mark, boot_id)) {
        if (auto back = restore_from_copy(options.directory, schedule.copy); !back) return back.error();
        self->restored_ = true;
    }
    if (auto marked = write_mark(mark, (synced ? std::string{synced_mark} : "open " + std::string{boot_id}) + "\n");
        !marked)
        return marked.error();
    auto opened = store::open(options);
    if (!opened) return opened.error();
    if (schedule.journal_size.value != 0) {
        opened = open_journaled(std::move(*opened), {options.directory, schedule.journal_size.value, synced});
        if (!opened) return opened.error();
    }
    self->mark_ = mark; // from here on an orderly end may call it clean
    self->store_ = std::move(*opened);
    self->maintenance_ = std::make_unique<maintenance>(*self->store_, std::move(schedule));
    return self;
}

background_environment::~background_environment() {
    maintenance_.reset();
    if (store_) {
        auto done = store_->sync();
        store_.reset();
        if (done) done = write_mark(mark_, std::string{clean_mark} + "\n");
        if (!done) log::error("state is not marked clean").kv("detail", done.error().message());
    }
    if (owner_ >= 0) ::close(owner_);
}

} // namespace postsluice::state
