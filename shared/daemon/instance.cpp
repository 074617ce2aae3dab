// SPDX-License-Identifier: Apache-2.0
#include "shared/daemon/daemon.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace postsluice::daemon {
namespace {

[[noreturn]] void fail(const std::string& what, int error) {
    throw std::runtime_error{what + ": " + std::strerror(error)}; // NOLINT(concurrency-mt-unsafe)
}

// May run as root inside a directory of the unprivileged user: so it follows no link, and changes the owner only of a
// file that it made itself (an existing name could be a hard link to somebody else's file).
int open_lock(const std::string& file, const std::string& directory) {
    int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (fd >= 0) {
        struct ::stat owner {};
        if (::geteuid() == 0 && ::stat(directory.c_str(), &owner) == 0 &&
            ::fchown(fd, owner.st_uid, owner.st_gid) != 0) {
            const int why = errno;
            ::close(fd);
            fail(file, why);
        }
        return fd;
    }
    if (errno == EEXIST) fd = ::open(file.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) fail(file, errno);
    struct ::stat what {};
    if (::fstat(fd, &what) != 0 || !S_ISREG(what.st_mode) || what.st_nlink != 1) {
        ::close(fd);
        throw std::runtime_error{file + ": is not a plain file; remove it"};
    }
    return fd;
}

std::string holder(int fd) {
    std::array<char, 32> text{};
    const auto got = ::pread(fd, text.data(), text.size() - 1, 0);
    const std::string pid{text.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
    const auto end = pid.find_first_not_of("0123456789");
    return end == 0 || pid.empty() ? "unknown" : pid.substr(0, end);
}

} // namespace

single_instance::single_instance(const std::filesystem::path& state_directory, std::string_view program) {
    const std::string file = (state_directory / (std::string{program} + ".lock")).string();
    fd_ = open_lock(file, state_directory.string());
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
        const int why = errno;
        const std::string pid = holder(fd_);
        ::close(fd_);
        if (why != EWOULDBLOCK) fail(file, why);
        throw std::runtime_error{"another " + std::string{program} + " (pid " + pid + ") works on " +
                                 state_directory.string()};
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
        const int why = errno;
        ::close(fd_);
        fail(file, why);
    }
}

// The file stays: removing it would let two starters lock two files of one name.
single_instance::~single_instance() {
    ::close(fd_);
}

} // namespace postsluice::daemon
