// SPDX-License-Identifier: Apache-2.0
#include "admin/doctor/run.hpp"

#include "shared/core/text.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace postsluice::admin::doctor {
namespace {

constexpr std::size_t most_output = 4U << 20U;
constexpr std::chrono::seconds most_time{20};

struct ends {
    int read = -1, write = -1;
    ends() {
        std::array<int, 2> both{};
        if (::pipe2(both.data(), O_CLOEXEC) == 0) read = both[0], write = both[1];
    }
    ends(const ends&) = delete;
    ends& operator=(const ends&) = delete;
    ~ends() {
        close_write();
        if (read >= 0) ::close(read);
    }
    void close_write() {
        if (write >= 0) ::close(write);
        write = -1;
    }
};

pid_t start(const std::vector<std::string>& command, const ends& out, const ends& err) {
    std::vector<std::string> owned = command;
    std::vector<char*> arguments;
    for (auto& word : owned)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    std::vector<std::string> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
    if (const char* config = std::getenv("MAIL_CONFIG")) environment.push_back(std::string{"MAIL_CONFIG="} + config);
    std::vector<char*> variables;
    for (auto& one : environment)
        variables.push_back(one.data());
    variables.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out.write, 1);
    ::posix_spawn_file_actions_adddup2(&actions, err.write, 2);
    pid_t pid = -1;
    const std::string name = command.front();
    // The usual places, whatever our own PATH: /usr/sbin is in no plain user's.
    int failed = ENOENT;
    for (const char* where : {"/usr/sbin/", "/usr/bin/", "/usr/local/sbin/", "/sbin/"}) {
        const auto path = name.starts_with('/') ? name : where + name;
        failed = ::posix_spawn(&pid, path.c_str(), &actions, nullptr, arguments.data(), variables.data());
        if (failed == 0) break;
    }
    ::posix_spawn_file_actions_destroy(&actions);
    errno = failed;
    return failed == 0 ? pid : -1;
}

/// Both outputs until both are closed; false: too late or too much.
errc drain(const ends& out, const ends& err, std::string& said, std::string& complaint) {
    const auto until = std::chrono::steady_clock::now() + most_time;
    std::array<pollfd, 2> both{{{out.read, POLLIN, 0}, {err.read, POLLIN, 0}}};
    std::array<std::string*, 2> into{&said, &complaint};
    std::array<char, 16384> chunk{};
    while (both[0].fd >= 0 || both[1].fd >= 0) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) return errc::timed_out;
        if (::poll(both.data(), both.size(), static_cast<int>(left.count())) < 0 && errno != EINTR)
            return errc::unavailable;
        for (std::size_t i = 0; i < both.size(); ++i) {
            if (both[i].fd < 0 || both[i].revents == 0) continue;
            const auto n = ::read(both[i].fd, chunk.data(), chunk.size());
            if (n <= 0) {
                both[i].fd = -1;
                continue;
            }
            into[i]->append(chunk.data(), static_cast<std::size_t>(n));
            if (into[i]->size() > most_output) return errc::too_large;
        }
    }
    return errc::closed;
}

} // namespace

result<std::string> run(const std::vector<std::string>& command) {
    ends out, err;
    if (out.read < 0 || err.read < 0) return failure{errc::unavailable, "no pipe"};
    const auto pid = start(command, out, err);
    if (pid < 0) return failure{errc::unavailable, command.front() + ": " + std::strerror(errno)};
    out.close_write();
    err.close_write();
    std::string said, complaint;
    const auto ended = drain(out, err, said, complaint);
    if (ended != errc::closed) ::kill(pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (ended != errc::closed) return failure{ended, command.front()};
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return failure{errc::unavailable, printable(split(complaint, '\n').front(), 300)};
    return said;
}

} // namespace postsluice::admin::doctor
