// SPDX-License-Identifier: Apache-2.0
#include "admin/key_rotation.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postsluice::admin {

namespace {

namespace fs = std::filesystem;

failure failed(const fs::path& what) {
    const int why = errno;
    const auto code = why == EEXIST                    ? errc::exists
                      : why == ENOENT                  ? errc::not_found
                      : why == EACCES || why == EPERM  ? errc::denied
                      : why == ENOSPC || why == EDQUOT ? errc::disk_full
                                                       : errc::unavailable;
    return {code, what.string() + ": " + std::strerror(why)};
}

bool same_file(const fs::path& a, const fs::path& b) {
    std::error_code ignored;
    return fs::equivalent(a, b, ignored);
}

/// So that what was done is so after a power failure, too.
result<void> sync_directory(const fs::path& at) {
    const int of = ::open(at.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (of < 0) return failed(at);
    const int synced = ::fsync(of);
    const auto outcome = synced == 0 ? result<void>{} : result<void>{failed(at)};
    ::close(of);
    return outcome;
}

/// Beside the keys, and for the same users.
result<void> make_folder(const fs::path& at) {
    struct stat parent {};
    if (::stat(at.parent_path().c_str(), &parent) != 0) return failed(at.parent_path());
    if (::mkdir(at.c_str(), 0700) != 0) {
        if (errno == EEXIST) return {};
        return failed(at);
    }
    if (::geteuid() == 0 && ::chown(at.c_str(), parent.st_uid, parent.st_gid) != 0) return failed(at);
    if (::chmod(at.c_str(), parent.st_mode & 07777) != 0) return failed(at);
    return {};
}

timespec to_timespec(instant t) {
    const auto since = t.time_since_epoch();
    const auto whole = std::chrono::floor<seconds>(since);
    return {static_cast<time_t>(whole.count()), static_cast<long>(std::chrono::nanoseconds{since - whole}.count())};
}

/// The time first: a file that lies in old says when it came there, whenever the power went.
result<void> retire(const fs::path& directory, const std::string& selector, instant now) {
    const auto file = directory / (selector + ".pem");
    const auto folder = directory / auth::folder_of(auth::key_role::retired);
    const auto to = folder / (selector + ".pem");
    std::error_code ignored;
    if (!fs::exists(file, ignored) && fs::exists(to, ignored)) return {}; // done already
    const timespec times[] = {to_timespec(now), to_timespec(now)};
    if (::utimensat(AT_FDCWD, file.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return failed(file);
    if (const auto made = make_folder(folder); !made) return made;
    if (::renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) return failed(to);
    return sync_directory(folder);
}

} // namespace

result<rotation_lock> rotation_lock::take(const fs::path& domain_directory) {
    const int of = ::open(domain_directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (of < 0) return failed(domain_directory);
    rotation_lock out{of};
    if (::flock(of, LOCK_EX | LOCK_NB) == 0) return out;
    if (errno == EWOULDBLOCK)
        return failure{errc::exists, domain_directory.string() + ": another rotation is under way"};
    return failed(domain_directory);
}

rotation_lock::~rotation_lock() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

result<void> switch_keys(const fs::path& domain_directory, const std::string& next, const std::string& retired,
                         instant now) {
    const auto prepared = domain_directory / auth::folder_of(auth::key_role::next) / (next + ".pem");
    const auto in_force = domain_directory / (next + ".pem");
    if (::link(prepared.c_str(), in_force.c_str()) != 0) {
        auto why = failed(in_force);
        if (why.code != errc::exists || !same_file(prepared, in_force)) return why; // else: done already
    }
    if (const auto synced = sync_directory(domain_directory); !synced) return synced;
    if (!retired.empty())
        if (const auto done = retire(domain_directory, retired, now); !done) return done;
    if (::unlink(prepared.c_str()) != 0) return failed(prepared);
    return sync_directory(domain_directory);
}

result<void> remove_retired(const fs::path& domain_directory, const std::string& selector) {
    const auto file = domain_directory / auth::folder_of(auth::key_role::retired) / (selector + ".pem");
    if (::unlink(file.c_str()) != 0) return failed(file);
    return {};
}

} // namespace postsluice::admin
