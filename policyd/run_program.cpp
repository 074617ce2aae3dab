// SPDX-License-Identifier: Apache-2.0
#include "policyd/run_program.hpp"

#include "shared/core/units.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

using stream = asio::posix::stream_descriptor;

// glibc 2.36 declares pidfd_open() without C linkage.
int open_pidfd(pid_t process) noexcept {
    return static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> out;
    out.reserve(words.size() + 1);
    for (auto& word : words) {
        out.push_back(word.data());
    }
    out.push_back(nullptr);
    return out;
}

/// What posix_spawn is told; released at the end.
class spawn_rules {
public:
    explicit spawn_rules(int output) {
        ::posix_spawn_file_actions_init(&files_);
        ::posix_spawnattr_init(&attributes_);
        sigset_t none{}, all{};
        sigemptyset(&none);
        sigfillset(&all);
        add(::posix_spawn_file_actions_addchdir_np(&files_, "/"));
        add(::posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
        add(::posix_spawn_file_actions_adddup2(&files_, output, STDOUT_FILENO));
        add(::posix_spawn_file_actions_adddup2(&files_, output, STDERR_FILENO));
        add(::posix_spawn_file_actions_addclosefrom_np(&files_, STDERR_FILENO + 1));
        add(::posix_spawnattr_setsigmask(&attributes_, &none));
        add(::posix_spawnattr_setsigdefault(&attributes_, &all));
        add(::posix_spawnattr_setpgroup(&attributes_, 0));
        constexpr auto flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
        add(::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags)));
    }
    spawn_rules(const spawn_rules&) = delete;
    spawn_rules& operator=(const spawn_rules&) = delete;
    ~spawn_rules() {
        ::posix_spawn_file_actions_destroy(&files_);
        ::posix_spawnattr_destroy(&attributes_);
    }
    /// 0, or errno.
    int spawn(pid_t& child, program_call& what) {
        if (error_ != 0) {
            return error_;
        }
        auto argv = pointers(what.argv), environment = pointers(what.environment);
        return ::posix_spawn(&child, what.argv.front().c_str(), &files_, &attributes_, argv.data(), environment.data());
    }

private:
    void add(int error) noexcept { error_ = error_ == 0 ? error : error_; }
    posix_spawn_file_actions_t files_{};
    posix_spawnattr_t attributes_{};
    int error_ = 0;
};

/// One program that runs. Its handlers share it; whoever waits learns from `ended`.
class running : public std::enable_shared_from_this<running> {
public:
    running(const asio::any_io_executor& executor, program_call what)
        : what_{std::move(what)}
        , output_{executor}
        , process_{executor}
        , deadline_{executor}
        , ended{executor, asio::steady_timer::time_point::max()} {}
    running(const running&) = delete;
    running& operator=(const running&) = delete;
    ~running() {
        if (child_ > 0) { // the loop is over before the program
            (void)::kill(-child_, SIGKILL);
            (void)::waitpid(child_, nullptr, 0);
        }
    }

    void start() {
        std::array<int, 2> ends{-1, -1};
        int error = ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0 ? 0 : errno;
        if (error == 0) {
            (void)::fcntl(ends[1], F_SETFL, 0); // the program's end blocks, as programs expect
            spawn_rules rules{ends[1]};
            error = rules.spawn(child_, what_);
            ::close(ends[1]);
            output_.assign(ends[0]);
            output_.non_blocking(true); // or asio would wait in read_some(), whatever the descriptor says
        }
        const int watched = error == 0 ? open_pidfd(child_) : -1;
        if (error == 0 && watched < 0) {
            error = errno;
            (void)::kill(-child_, SIGKILL);
            (void)::waitpid(child_, nullptr, 0);
        }
        if (error != 0) {
            child_ = -1;
            end(program_outcome::ending::not_started, error);
            return;
        }
        process_.assign(watched);
        read();
        watch();
    }

    program_outcome outcome;

private:
    void read() {
        output_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](auto error, std::size_t n) {
            self->keep(n);
            if (!error) {
                self->read();
            }
        });
    }
    void keep(std::size_t n) {
        const auto room = std::min(n, what_.max_output - outcome.output.size());
        outcome.output.append(buffer_.data(), room);
        outcome.cut = outcome.cut || room < n;
    }
    void watch() {
        process_.async_wait(stream::wait_read, [self = shared_from_this()](auto error) {
            if (!error) {
                self->reap();
            }
        });
        deadline_.expires_after(what_.timeout);
        deadline_.async_wait([self = shared_from_this()](auto error) {
            if (!error && self->child_ > 0) {
                self->late_ = true;
                (void)::kill(-self->child_, SIGKILL); // reap() follows
            }
        });
    }
    void reap() {
        int status = 0;
        const pid_t gone = ::waitpid(child_, &status, 0); // it is readable: this does not wait
        child_ = -1;
        using ending = program_outcome::ending;
        if (gone < 0) {
            end(ending::killed, 0);
        } else if (late_) {
            end(ending::timed_out, 0);
        } else if (WIFEXITED(status)) {
            end(ending::exited, WEXITSTATUS(status));
        } else {
            end(ending::killed, WTERMSIG(status));
        }
    }
    void end(program_outcome::ending how, int code) {
        outcome.how = how;
        outcome.code = code;
        if (output_.is_open()) { // what it said last may still lie in the pipe
            for (int round = 0; round < 64 && outcome.output.size() < what_.max_output; ++round) {
                boost::system::error_code error;
                const auto n = output_.read_some(asio::buffer(buffer_), error);
                if (error || n == 0) {
                    break;
                }
                keep(n);
            }
        }
        boost::system::error_code ignored;
        output_.close(ignored);
        process_.close(ignored);
        deadline_.cancel();
        finished = true;
        ended.cancel();
    }

    program_call what_;
    stream output_, process_;
    asio::steady_timer deadline_;
    std::array<char, 4096> buffer_{};
    pid_t child_ = -1;
    bool late_ = false;

public:
    bool finished = false;
    asio::steady_timer ended; ///< cancelled at the end
};

} // namespace

std::string describe(const program_outcome& of, milliseconds timeout) {
    using ending = program_outcome::ending;
    switch (of.how) {
    case ending::exited:
        return "exited with status " + std::to_string(of.code);
    case ending::killed:
        return "was killed by signal " + std::to_string(of.code);
    case ending::timed_out:
        return "ran longer than " + to_string(std::chrono::ceil<seconds>(timeout)) + " and was killed";
    case ending::not_started:
        break;
    }
    return std::string{"cannot be started: "} + std::strerror(of.code);
}

asio::awaitable<program_outcome> run_program(program_call what) {
    const auto executor = co_await asio::this_coro::executor;
    auto it = std::make_shared<running>(executor, std::move(what));
    it->start();
    while (!it->finished) {
        (void)co_await it->ended.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return std::move(it->outcome);
}

} // namespace postsluice::policyd
