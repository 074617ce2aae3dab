// SPDX-License-Identifier: Apache-2.0
#include "admin/atomic_file.hpp"

#include "shared/core/descriptor.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace postsluice::admin {
namespace {

namespace fs = std::filesystem;

failure failed(const fs::path& file, int error) {
    const auto code = error == EACCES || error == EPERM || error == EROFS ? errc::denied
                      : error == ENOSPC || error == EDQUOT                ? errc::disk_full
                      : error == ENOENT                                   ? errc::not_found
                                                                          : errc::unavailable;
    return failure{code, file.string() + ": " + std::strerror(error)};
}

/// 0, or errno.
int write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno != EINTR) return errno;
        if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
    }
    return 0;
}

/// Best effort: a file system may have none.
void copy_attributes(const fs::path& from, int to) {
    std::vector<char> names(4096), value(65536);
    const auto length = ::listxattr(from.c_str(), names.data(), names.size());
    for (const char* name = names.data(); length > 0 && name < names.data() + length; name += std::strlen(name) + 1) {
        const auto size = ::getxattr(from.c_str(), name, value.data(), value.size());
        if (size >= 0) (void)::fsetxattr(to, name, value.data(), static_cast<std::size_t>(size), 0);
    }
}

/// 0, or errno: `fd` gets the text, and whose `file` is.
int fill(int fd, const fs::path& file, std::string_view text, mode_t mode) {
    struct stat about {};
    if (::stat(file.c_str(), &about) == 0) {
        if (::fchown(fd, about.st_uid, about.st_gid) != 0) return errno;
        copy_attributes(file, fd);
        mode = about.st_mode & 07777;
    } else if (errno != ENOENT) {
        return errno;
    }
    if (::fchmod(fd, mode) != 0) return errno;
    if (const int error = write_all(fd, text)) return error;
    return ::fsync(fd) == 0 ? 0 : errno;
}

/// Best effort.
void backdate(int fd, std::chrono::seconds age) {
    const timespec then{::time(nullptr) - age.count(), 0};
    const std::array<timespec, 2> both{then, then};
    (void)::futimens(fd, both.data());
}

int sync_directory(const fs::path& directory) {
    const descriptor at{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    return at.get() >= 0 && ::fsync(at.get()) == 0 ? 0 : errno;
}

} // namespace

result<void> write_file(const fs::path& name, std::string_view text, mode_t mode, std::chrono::seconds age) {
    std::error_code none;
    const auto canonical = fs::canonical(name, none);
    const auto& file = none ? name : canonical;
    auto beside = file.string() + std::string{temporary_mark} + "XXXXXX";
    const descriptor at{::mkostemp(beside.data(), O_CLOEXEC)};
    if (at.get() < 0) return failed(file, errno);
    int error = fill(at.get(), file, text, mode);
    if (error == 0 && age.count() != 0) backdate(at.get(), age);
    if (error == 0 && ::rename(beside.c_str(), file.c_str()) != 0) error = errno;
    if (error != 0) {
        ::unlink(beside.c_str());
        return failed(file, error);
    }
    if ((error = sync_directory(file.parent_path())) != 0) return failed(file, error);
    return {};
}

result<std::string> read_file(const fs::path& file) {
    std::ifstream in{file, std::ios::binary};
    if (!in) return failed(file, errno);
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    if (in.bad()) return failed(file, EIO);
    return text;
}

result<void> remove_file(const fs::path& file) {
    std::error_code error;
    fs::remove_all(file, error);
    if (error) return failed(file, error.value());
    if (const int synced = sync_directory(file.parent_path())) return failed(file, synced);
    return {};
}

} // namespace postsluice::admin
