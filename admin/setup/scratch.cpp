// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/scratch.hpp"

#include "admin/setup/wait.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace postsluice::admin::setup {
namespace {

namespace fs = std::filesystem;

constexpr const char* place = "/run";
constexpr std::string_view prefix = "postsluice-setup-";

int locked(const fs::path& directory) {
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    if (fd >= 0) ::close(fd);
    return -1;
}

void remove_leftovers() {
    std::error_code error;
    std::vector<fs::path> left;
    for (const auto& one : fs::directory_iterator{place, error})
        if (one.path().filename().string().starts_with(prefix)) left.push_back(one.path());
    for (const auto& one : left) {
        const int fd = locked(one);
        if (fd < 0) continue;
        fs::remove_all(one, error);
        ::close(fd);
    }
}

} // namespace

// Between its name and its lock a directory looks like a leftover to a setup that begins just then: that one removes
// it, and another is made.
result<scratch> scratch::make() {
    constexpr int tries = 5;
    remove_leftovers();
    failure why;
    for (int n = 0; n < tries; ++n) {
        auto name = std::string{place} + '/' + std::string{prefix} + "XXXXXX";
        scratch out;
        if (::mkdtemp(name.data()) == nullptr) return failure{errc::denied, name + ": " + std::strerror(errno)};
        out.path_ = name;
        out.lock_ = locked(out.path_);
        if (out.lock_ >= 0 && ::chmod(name.c_str(), 0755) == 0) return out;
        why = {errc::denied, name + ": " + std::strerror(errno)};
    }
    return why;
}

scratch::scratch(scratch&& other) noexcept
    : path_{std::exchange(other.path_, {})}
    , lock_{std::exchange(other.lock_, -1)} {}

scratch::~scratch() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
    if (lock_ >= 0) ::close(lock_);
}

result<child> child::start(const std::vector<std::string>& command, std::chrono::seconds stop_timeout) {
    std::vector<std::string> words = command;
    std::vector<char*> arguments;
    for (auto& word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const auto parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return failure{errc::unavailable, std::strerror(errno)};
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (::getppid() != parent) ::_exit(127); // it went before we asked
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    return child{pid, stop_timeout};
}

child::child(child&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)}
    , stop_timeout_{other.stop_timeout_} {}

bool child::alive() {
    if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) != 0) pid_ = -1;
    return pid_ > 0;
}

child::~child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    (void)wait_for(stop_timeout_, [this] { return !alive(); });
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

} // namespace postsluice::admin::setup
