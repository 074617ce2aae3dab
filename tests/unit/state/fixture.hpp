// SPDX-License-Identifier: Apache-2.0
// What the state's tests share: a directory of their own, coroutines run to their end, other processes, and the log's
// lines.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/log/log.hpp"
#include "shared/state/journaled_store.hpp"
#include "shared/state/store.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::state::test {

class temp_directory {
public:
    temp_directory() {
        std::string name = (std::filesystem::temp_directory_path() / "postsluice-state-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    temp_directory(const temp_directory&) = delete;
    temp_directory& operator=(const temp_directory&) = delete;
    ~temp_directory() {
        std::error_code ec;
        std::filesystem::remove_all(path_, ec);
    }
    std::filesystem::path operator/(const char* name) const { return path_ / name; }
    const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

/// Runs `work` on `io` until everything there has ended.
template <class T>
T run(boost::asio::io_context& io, boost::asio::awaitable<T> work) {
    std::optional<T> out;
    std::exception_ptr thrown;
    boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
        thrown = e;
        out.emplace(std::move(value));
    });
    io.restart();
    io.run();
    if (thrown) std::rethrow_exception(thrown);
    BOOST_REQUIRE(out.has_value());
    return std::move(*out);
}

/// The log's lines since it began to listen.
class log_lines {
public:
    log_lines() {
        log::capture([this](log::level, const std::string& line) {
            const std::lock_guard hold{mutex_};
            lines_.push_back(line);
        });
    }
    log_lines(const log_lines&) = delete;
    log_lines& operator=(const log_lines&) = delete;
    ~log_lines() { log::capture({}); }
    bool contain(std::string_view text) {
        const std::lock_guard hold{mutex_};
        for (const auto& line : lines_) {
            if (line.find(text) != std::string::npos) return true;
        }
        return false;
    }

private:
    std::mutex mutex_;
    std::vector<std::string> lines_;
};

/// Two ends that wait for each other; a wait of more than two minutes fails.
class signal_pipe {
public:
    signal_pipe() { BOOST_REQUIRE(::pipe(fds_) == 0); }
    signal_pipe(const signal_pipe&) = delete;
    signal_pipe& operator=(const signal_pipe&) = delete;
    ~signal_pipe() {
        ::close(fds_[0]);
        ::close(fds_[1]);
    }
    void give() { (void)!::write(fds_[1], "x", 1); }
    bool take() {
        pollfd p{fds_[0], POLLIN, 0};
        char c = 0;
        return ::poll(&p, 1, 120'000) == 1 && ::read(fds_[0], &c, 1) == 1;
    }

private:
    int fds_[2]{};
};

/// Another process. Fork before this process opens the environment: LMDB must not be used across a fork.
class child_process {
public:
    explicit child_process(const std::function<int()>& body)
        : pid_{::fork()} {
        BOOST_REQUIRE(pid_ >= 0);
        if (pid_ != 0) return;
        ::alarm(300);
        int code = 99;
        try {
            code = body();
        } catch (...) {
            code = 98;
        }
        ::_exit(code);
    }
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;
    ~child_process() {
        if (pid_ > 0) kill(SIGKILL);
    }
    void kill(int sig) {
        ::kill(pid_, sig);
        if (sig == SIGKILL) (void)wait();
        if (sig == SIGSTOP) ::waitpid(pid_, nullptr, WUNTRACED);
    }
    /// Exit code, or 128 + the signal.
    int wait() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

private:
    pid_t pid_;
};

inline std::unique_ptr<store> open_store(const std::filesystem::path& directory,
                                         durability how = durability::background, std::uint64_t map_size = 16U << 20U) {
    auto opened = store::open({.directory = directory, .map_size = {map_size}, .how = how});
    BOOST_REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message()));
    return std::move(*opened);
}

/// With a journal before it, as policyd's counters have. Small, so that much goes to the environment meanwhile.
inline std::unique_ptr<store> open_journaled_store(const std::filesystem::path& directory, std::size_t size = 4096,
                                                   durability how = durability::background,
                                                   std::uint64_t map_size = 16U << 20U) {
    auto opened = open_journaled(open_store(directory, how, map_size), {directory, size, how == durability::synced});
    BOOST_REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message()));
    return std::move(*opened);
}

inline result<void> put(store& where, std::string_view key, std::string_view value) {
    auto txn = where.write();
    if (!txn) return txn.error();
    if (auto done = txn->put(key, value); !done) return done;
    return txn->commit();
}

inline std::optional<std::string> get(store& where, std::string_view key) {
    const auto txn = where.read();
    if (!txn) return std::nullopt;
    const auto value = txn->get(key);
    return value ? std::optional<std::string>{*value} : std::nullopt;
}

} // namespace postsluice::state::test
