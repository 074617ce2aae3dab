// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/secret_file.hpp"

#include "shared/core/descriptor.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>

namespace postsluice::auth {

namespace {

failure file_failure(const std::filesystem::path& file, int error, std::string_view doing) {
    const auto code = error == EACCES || error == EPERM ? errc::denied
                      : error == ENOENT                 ? errc::not_found
                      : error == ENOSPC                 ? errc::disk_full
                                                        : errc::unavailable;
    return failure{code, file.string() + ": " + std::string{doing} + ": " + std::strerror(error)};
}

std::int64_t nanoseconds(const timespec& t) noexcept {
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto wrote = ::write(fd, text.data(), text.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return true;
}

/// Whoever knows the secret can do what we do.
result<void> check_mode(const struct stat& info, const std::filesystem::path& file) {
    if (!S_ISREG(info.st_mode)) return failure{errc::denied, file.string() + ": is not a file"};
    if ((info.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        return failure{errc::denied,
                       file.string() + ": others may read it, or the group may write it; chmod it to 0600 or 0640"};
    if (info.st_uid != ::geteuid() && info.st_uid != 0)
        return failure{errc::denied, file.string() + ": belongs to another user"};
    return {};
}

using placing = std::function<int(const char* aside, const char* file)>; ///< 0, or an errno

/// Aside and synced, then put in place, then the directory synced.
result<void> put_in_place(const std::filesystem::path& file, std::string_view text, const placing& place) {
    const std::filesystem::path aside{file.string() + ".new." + std::to_string(::getpid())};
    (void)::unlink(aside.c_str()); // left by one who died with our number
    {
        const descriptor out{::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
        if (out.get() < 0) return file_failure(aside, errno, "cannot be made");
        if (::fchmod(out.get(), 0600) != 0 || !write_all(out.get(), text) || ::fsync(out.get()) != 0) {
            const int error = errno;
            (void)::unlink(aside.c_str());
            return file_failure(aside, error, "cannot be written");
        }
    }
    const int error = place(aside.c_str(), file.c_str());
    (void)::unlink(aside.c_str());
    if (error != 0) return file_failure(file, error, "cannot be made");
    const auto parent = file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."};
    const descriptor directory{::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (directory.get() < 0 || ::fsync(directory.get()) != 0) return file_failure(parent, errno, "cannot be synced");
    return {};
}

} // namespace

file_version version_of(const std::filesystem::path& file) noexcept {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) return {};
    return {info.st_dev, info.st_ino, info.st_size, nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
}

result<std::string> read_secret_file(const std::filesystem::path& file, std::size_t max_octets) {
    const descriptor in{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (in.get() < 0) return file_failure(file, errno, "cannot be opened");
    struct stat info {};
    if (::fstat(in.get(), &info) != 0) return file_failure(file, errno, "cannot be read");
    if (auto safe = check_mode(info, file); !safe) return safe.error();
    std::string text(max_octets + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const auto got = ::read(in.get(), text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_failure(file, errno, "cannot be read");
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    if (size > max_octets) return failure{errc::too_large, file.string() + ": is too large for keys"};
    text.resize(size);
    return text;
}

// Linked, which fails where the name is taken: two makers make one file, and no half one.
result<void> make_secret_file(const std::filesystem::path& file, std::string_view text) {
    return put_in_place(file, text, [](const char* aside, const char* target) {
        return ::link(aside, target) == 0 || errno == EEXIST ? 0 : errno;
    });
}

result<void> replace_secret_file(const std::filesystem::path& file, std::string_view text) {
    return put_in_place(file, text,
                        [](const char* aside, const char* target) { return ::rename(aside, target) == 0 ? 0 : errno; });
}

} // namespace postsluice::auth
