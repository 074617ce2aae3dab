// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/spf_process.hpp"

#include "shared/auth/spf_helper/protocol.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace postsluice::auth {

namespace asio = boost::asio;
namespace wire = spf_helper;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

struct spawn_setup { // posix_spawn's attributes and actions, released whatever happens
    posix_spawnattr_t attributes{};
    posix_spawn_file_actions_t actions{};
    spawn_setup() {
        posix_spawnattr_init(&attributes);
        posix_spawn_file_actions_init(&actions);
    }
    ~spawn_setup() {
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
    }
    spawn_setup(const spawn_setup&) = delete;
};

/// Starts `program` with nothing of ours: no environment, no descriptor but `end` as the channel, no blocked or ignored
/// signals.
result<pid_t> start_program(const std::filesystem::path& program, int end) {
    spawn_setup setup;
    posix_spawn_file_actions_adddup2(&setup.actions, end, wire::channel);
    posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&setup.actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&setup.actions, wire::channel + 1);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&setup.attributes, &none);
    posix_spawnattr_setsigdefault(&setup.attributes, &all);
    posix_spawnattr_setflags(&setup.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::string name = program.string();
    std::array<char*, 2> arguments{name.data(), nullptr};
    std::array<char*, 1> environment{nullptr};
    pid_t pid = 0;
    const int error =
        posix_spawn(&pid, name.c_str(), &setup.actions, &setup.attributes, arguments.data(), environment.data());
    if (error != 0) {
        return failure{errc::unavailable, name + ": " + std::strerror(error)};
    }
    return pid;
}

/// An idle helper has nothing to say: readable means that it ended or that something is wrong with it.
bool has_something(int fd) {
    pollfd event{fd, POLLIN, 0};
    return ::poll(&event, 1, 0) > 0;
}

/// Closes the socket when it is late: that ends every wait of the dialogue.
class watchdog {
public:
    watchdog(asio::any_io_executor executor, asio::local::stream_protocol::socket& socket,
             std::chrono::milliseconds timeout)
        : state_{std::make_shared<progress>()}
        , timer_{std::move(executor), timeout} {
        timer_.async_wait([state = state_, &socket](boost::system::error_code error) {
            if (error || state->done) {
                return;
            }
            state->late = true;
            boost::system::error_code ignored;
            socket.close(ignored);
        });
    }
    ~watchdog() { state_->done = true; } // the handler may be on its way already
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;
    [[nodiscard]] bool late() const noexcept { return state_->late; }

private:
    struct progress {
        bool late = false, done = false;
    };
    std::shared_ptr<progress> state_;
    asio::steady_timer timer_;
};

template <class Number>
void put(std::string& to, Number value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string answer_frame(const result<dns::answer>& got) {
    using wire::status;
    std::string out(1, static_cast<char>(wire::frame::answer));
    const bool no_name = !got && got.error().code == errc::malformed; // RFC 7208 section 4.8: as if it did not exist
    auto state = no_name ? status::no_such_name : status::trouble;
    if (got) {
        state = got->what == dns::outcome::records        ? status::records
                : got->what == dns::outcome::no_such_name ? status::no_such_name
                                                          : status::no_such_type;
    }
    out += static_cast<char>(state);
    put(out, static_cast<std::uint32_t>(got ? got->ttl.count() : 0));
    if (!got) {
        return out;
    }
    for (const auto& one : got->rdata) {
        if (one.size() > std::numeric_limits<std::uint16_t>::max() ||
            out.size() + one.size() + sizeof(std::uint16_t) > wire::max_frame) {
            break;
        }
        put(out, static_cast<std::uint16_t>(one.size()));
        out += one;
    }
    return out;
}

std::string evaluation_frame(const spf_question& what, const config::spf_settings& how) {
    std::string out(1, static_cast<char>(wire::frame::evaluate));
    out += static_cast<char>(how.max_terms);
    out += static_cast<char>(how.max_voids);
    const std::string sender = what.sender.empty() ? "postmaster@" + what.domain : what.sender;
    for (const auto& text : {what.address.to_string(), what.helo.empty() ? what.domain : what.helo, sender}) {
        out.append(text.substr(0, text.find('\0'))).append(1, '\0');
    }
    return out;
}

failure garbage(std::string what) {
    return {errc::protocol, "SPF helper: " + std::move(what)};
}

} // namespace

spf_process::spf_process(asio::any_io_executor executor, const config::spf_settings& how, const spf_lookup& lookup)
    : executor_{std::move(executor)}
    , how_{how}
    , lookup_{lookup}
    , socket_{executor_} {}

void spf_process::end() {
    boost::system::error_code ignored;
    socket_.close(ignored);
    const pid_t pid = std::exchange(pid_, 0);
    if (pid <= 0) {
        return;
    }
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

result<void> spf_process::spawn() {
    end();
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
        return failure{errc::unavailable, std::string{"socketpair: "} + std::strerror(errno)};
    }
    const auto pid = start_program(how_.helper, pair[1]);
    ::close(pair[1]);
    if (!pid) {
        ::close(pair[0]);
        return pid.error();
    }
    pid_ = *pid;
    boost::system::error_code error;
    socket_.assign(asio::local::stream_protocol{}, pair[0], error);
    if (error) {
        ::close(pair[0]);
        end();
        return failure{errc::unavailable, "socket: " + error.message()};
    }
    return {};
}

asio::awaitable<result<std::string>> spf_process::receive() {
    std::uint32_t size = 0;
    const auto [error, got] = co_await asio::async_read(socket_, asio::buffer(&size, sizeof size), as_result);
    if (error || size == 0 || size > wire::max_frame) {
        co_return garbage(error ? error.message() : "garbage");
    }
    std::string text(size, '\0');
    const auto [failed, rest] = co_await asio::async_read(socket_, asio::buffer(text), as_result);
    if (failed) {
        co_return garbage(failed.message());
    }
    co_return text;
}

asio::awaitable<result<void>> spf_process::send(std::string text) {
    std::string message;
    put(message, static_cast<std::uint32_t>(text.size()));
    message += text;
    const auto [error, sent] = co_await asio::async_write(socket_, asio::buffer(message), as_result);
    if (error) {
        co_return garbage(error.message());
    }
    co_return result<void>{};
}

asio::awaitable<result<void>> spf_process::greet() {
    if (pid_ > 0 && socket_.is_open() && !has_something(socket_.native_handle())) {
        co_return result<void>{};
    }
    if (pid_ > 0) {
        log::warning("SPF helper ended; started again").kv("pid", pid_);
    }
    if (auto started = spawn(); !started) {
        co_return started;
    }
    const auto hello = co_await receive();
    if (hello && *hello == wire::ready_word) {
        co_return result<void>{};
    }
    co_return failure{errc::unavailable, how_.helper.string() + ": no SPF helper, or it cannot confine itself"};
}

asio::awaitable<result<void>> spf_process::ensure_running(std::chrono::milliseconds timeout) {
    const watchdog watch{executor_, socket_, timeout};
    auto running = co_await greet();
    if (!running) {
        end();
    }
    co_return running;
}

// 'Q' type name NUL -> 'A'
asio::awaitable<result<void>> spf_process::answer(std::string question) {
    std::uint16_t type = 0;
    if (question.size() < 2 + sizeof type || question.back() != '\0') {
        co_return garbage("garbage");
    }
    std::memcpy(&type, question.data() + 1, sizeof type);
    std::string name = question.substr(1 + sizeof type, question.size() - 2 - sizeof type);
    const auto got = co_await lookup_(std::move(name), static_cast<dns::record_type>(type));
    co_return co_await send(answer_frame(got));
}

asio::awaitable<result<spf_verdict>> spf_process::dialogue(spf_question what) {
    if (auto running = co_await greet(); !running) {
        co_return running.error();
    }
    std::string ask = evaluation_frame(what, how_);
    if (auto sent = co_await send(std::move(ask)); !sent) {
        co_return sent.error();
    }
    for (int questions = 0; questions <= wire::max_questions; ++questions) {
        auto got = co_await receive();
        if (!got) {
            co_return got.error();
        }
        if (got->front() == static_cast<char>(wire::frame::question)) {
            if (auto done = co_await answer(std::move(*got)); !done) {
                co_return done.error();
            }
            continue;
        }
        if (got->front() != static_cast<char>(wire::frame::result) || got->size() < 3 || got->back() != '\0' ||
            (*got)[1] < 0 || (*got)[1] > static_cast<char>(spf_result::permerror)) {
            co_return garbage("garbage");
        }
        co_return spf_verdict{static_cast<spf_result>((*got)[1]), got->substr(2, got->size() - 3)};
    }
    co_return garbage("too many questions");
}

asio::awaitable<result<spf_verdict>> spf_process::evaluate(spf_question what, std::chrono::milliseconds timeout) {
    const watchdog watch{executor_, socket_, timeout};
    const std::string domain = what.domain;
    result<spf_verdict> out = co_await dialogue(std::move(what));
    if (watch.late()) {
        out = failure{errc::timed_out, "SPF evaluation"};
    }
    if (!out) {
        log::warning("SPF helper failed; it will be started again")
            .kv("pid", pid_)
            .kv("domain", domain)
            .kv("why", out.error().message());
        end();
    }
    co_return out;
}

} // namespace postsluice::auth
