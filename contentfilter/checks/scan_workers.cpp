// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/scan_workers.hpp"

#include "contentfilter/worker/protocol.hpp"
#include "shared/daemon/vital.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <future>
#include <stdexcept>
#include <thread>

#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t piece_size = 262144;

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

/// Starts `program` with nothing of ours: no environment, no descriptors but `end` as the channel, no blocked or
/// ignored signals.
result<pid_t> start_program(const std::filesystem::path& program, byte_count memory, int end) {
    spawn_setup setup;
    posix_spawn_file_actions_adddup2(&setup.actions, end,
                                     worker::channel); // also clears close-on-exec where both are the same
    posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&setup.actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&setup.actions, worker::channel + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&setup.attributes, &none);
    posix_spawnattr_setsigdefault(&setup.attributes, &all);
    posix_spawnattr_setflags(&setup.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::string name = program.string();
    std::string octets = std::to_string(memory.value);
    std::array<char*, 3> arguments{name.data(), octets.data(), nullptr};
    std::array<char*, 1> environment{nullptr};
    pid_t pid = 0;
    const int error =
        posix_spawn(&pid, name.c_str(), &setup.actions, &setup.attributes, arguments.data(), environment.data());
    if (error != 0) return failure{errc::unavailable, name + ": " + std::strerror(error)};
    return pid;
}

/// What is sent: a head, then octets that lie in memory or in a spool.
struct request {
    worker::request_head head;
    std::string octets;
    std::shared_ptr<const spool> file; // instead of octets
    [[nodiscard]] std::uint64_t size() const { return file ? file->size() : octets.size(); }
};

/// An idle worker has nothing to say: readable means that it ended or that something is wrong with it.
bool has_something(int fd) {
    pollfd event{fd, POLLIN, 0};
    return ::poll(&event, 1, 0) > 0;
}

} // namespace

/// Everything below but processes() runs on the one thread of `context`.
struct scan_workers::impl {
    struct slot {
        explicit slot(asio::io_context& context)
            : socket{context} {}
        asio::local::stream_protocol::socket socket;
        std::atomic<pid_t> pid{0};
        bool busy = false;
        std::chrono::steady_clock::time_point asked;
    };
    /// Takes a slot for one request and gives it back, whatever happens.
    struct lease {
        impl& owner;
        slot& held;
        lease(impl& o, slot& s)
            : owner{o}
            , held{s} {
            held.busy = true;
        }
        ~lease() {
            held.busy = false;
            held.asked = std::chrono::steady_clock::now();
            if (!owner.waiting.empty()) owner.waiting.front()->cancel();
        }
        lease(const lease&) = delete;
    };

    options how;
    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    std::deque<slot> slots;
    std::deque<asio::steady_timer*> waiting;
    std::thread thread;

    explicit impl(options o)
        : how{std::move(o)} {}
    ~impl() {
        context.stop();
        if (thread.joinable()) thread.join();
        for (auto& s : slots)
            end(s);
    }

    void end(slot& s) {
        boost::system::error_code ignored;
        s.socket.close(ignored);
        const pid_t pid = s.pid;
        if (pid <= 0) return;
        ::kill(pid, SIGKILL);
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        s.pid = 0; // now that it is waited for: who reads the id meanwhile reads that of a process that exists
    }

    result<void> start(slot& s) {
        end(s);
        std::array<int, 2> pair{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
            return failure{errc::unavailable, std::string{"socketpair: "} + std::strerror(errno)};
        auto pid = start_program(how.program, how.memory, pair[1]);
        ::close(pair[1]);
        if (!pid) {
            ::close(pair[0]);
            return pid.error();
        }
        s.pid = *pid;
        boost::system::error_code error;
        s.socket.assign(asio::local::stream_protocol{}, pair[0], error);
        if (error) {
            ::close(pair[0]);
            end(s);
            return failure{errc::unavailable, "socket: " + error.message()};
        }
        return {};
    }

    /// One message of the worker's; garbage and the end of the stream are errc::protocol.
    static asio::awaitable<result<std::string>> receive(slot& s) {
        std::uint32_t size = 0;
        auto [error, got] = co_await asio::async_read(s.socket, asio::buffer(&size, sizeof size), as_result);
        if (error || size == 0 || size > worker::max_answer)
            co_return failure{errc::protocol, error ? "scan worker: " + error.message() : "scan worker: garbage"};
        std::string text(size, '\0');
        auto [failed, rest] = co_await asio::async_read(s.socket, asio::buffer(text), as_result);
        if (failed) co_return failure{errc::protocol, "scan worker: " + failed.message()};
        co_return text;
    }

    static asio::awaitable<result<std::string>> send_and_receive(slot& s, std::shared_ptr<const request> what) {
        const auto size = static_cast<std::uint32_t>(sizeof what->head + what->size());
        std::string message(sizeof size + sizeof what->head, '\0');
        std::memcpy(message.data(), &size, sizeof size);
        std::memcpy(message.data() + sizeof size, &what->head, sizeof what->head);
        message += what->octets;
        for (std::uint64_t at = 0;;) {
            auto [error, sent] = co_await asio::async_write(s.socket, asio::buffer(message), as_result);
            if (error) co_return failure{errc::protocol, "scan worker: " + error.message()};
            if (!what->file || at >= what->file->size()) break;
            auto piece = what->file->read(at, piece_size);
            if (!piece) co_return piece.error();
            if (piece->empty()) co_return failure{errc::internal, "the spool is shorter than it was"};
            message = std::move(*piece);
            at += message.size();
        }
        co_return co_await receive(s);
    }

    asio::awaitable<result<void>> ensure_running(slot& s) {
        if (s.pid > 0 && !has_something(s.socket.native_handle())) co_return result<void>{};
        if (auto started = start(s); !started) co_return started;
        auto hello = co_await receive(s);
        if (hello && *hello == worker::ready_word) co_return result<void>{};
        co_return failure{errc::unavailable, how.program.string() + ": not a scan worker, or it cannot confine itself"};
    }

    asio::awaitable<result<std::string>> exchange(slot& s, std::shared_ptr<const request> what) {
        // Closing the socket is what ends every wait below. The handler may be on its way when the answer comes: `done`
        // disarms it.
        struct progress {
            bool late = false, done = false;
        };
        auto state = std::make_shared<progress>();
        asio::steady_timer deadline{context, how.timeout};
        deadline.async_wait([state, &s](boost::system::error_code error) {
            if (error || state->done) return;
            state->late = true;
            boost::system::error_code ignored;
            s.socket.close(ignored);
        });
        result<std::string> answer = std::string{};
        if (auto running = co_await ensure_running(s); !running)
            answer = running.error();
        else if (what)
            answer = co_await send_and_receive(s, std::move(what));
        state->done = true;
        if (state->late) answer = failure{errc::timed_out, "scan worker"};
        if (!answer) {
            log::warning("scan-worker-failed")
                .kv("pid", static_cast<long>(s.pid.load()))
                .kv("detail", answer.error().message());
            end(s);
        }
        co_return answer;
    }

    static asio::awaitable<result<std::string>> serve(impl* self, std::shared_ptr<const request> what) {
        const auto patience = std::chrono::steady_clock::now() + self->how.timeout;
        for (;;) {
            const auto free =
                std::find_if(self->slots.begin(), self->slots.end(), [](const slot& s) { return !s.busy; });
            if (free != self->slots.end()) {
                const lease held{*self, *free};
                auto answer = co_await self->exchange(*free, what);
                if (!answer) co_return answer.error();
                if (answer->front() == worker::flag_last) self->end(*free);
                if (what->head.kind == worker::request_kind::type && answer->find('\0', 1) == std::string::npos) {
                    self->end(*free);
                    co_return failure{errc::protocol, "scan worker: garbage"};
                }
                co_return answer->substr(1);
            }
            if (std::chrono::steady_clock::now() >= patience)
                co_return failure{errc::timed_out, "no scan worker was free"};
            if (self->waiting.size() >= self->how.max_waiting)
                co_return failure{errc::unavailable, "too many files wait for a scan worker"};
            asio::steady_timer turn{self->context, patience};
            self->waiting.push_back(&turn);
            co_await turn.async_wait(as_result);
            std::erase(self->waiting, &turn);
        }
    }

    /// For ever.
    static asio::awaitable<void> end_idle(impl* self) {
        asio::steady_timer timer{self->context};
        for (;;) {
            timer.expires_after(self->how.idle / 4);
            if (const auto [error] = co_await timer.async_wait(as_result); error) co_return;
            const auto now = std::chrono::steady_clock::now();
            for (auto& s : self->slots)
                if (!s.busy && s.pid > 0 && now - s.asked >= self->how.idle) self->end(s);
        }
    }

    static asio::awaitable<result<void>> start_all(impl* self) {
        for (auto& s : self->slots) {
            const lease held{*self, s};
            auto outcome = co_await self->exchange(s, {});
            if (!outcome) co_return outcome.error();
        }
        co_return result<void>{};
    }
};

scan_workers::scan_workers(options how)
    : impl_{std::make_unique<impl>(std::move(how))} {
    auto* self = impl_.get();
    for (std::size_t i = 0; i < std::max<std::size_t>(self->how.processes, 1); ++i)
        self->slots.emplace_back(self->context);
    self->thread = std::thread{[self] { daemon::run_vital(self->context); }};
    auto started = asio::co_spawn(self->context, impl::start_all(self), asio::use_future);
    if (auto outcome = started.get(); !outcome) throw std::runtime_error{"scan worker: " + outcome.error().message()};
    asio::co_spawn(self->context, impl::end_idle(self), asio::detached);
}

scan_workers::~scan_workers() = default;

asio::awaitable<result<file_kind>> scan_workers::identify(std::string octets) {
    octets.resize(std::min(octets.size(), looks_at));
    if (octets.empty()) co_return file_kind{"application/x-empty", ""};
    auto what = std::make_shared<request>();
    what->octets = std::move(octets);
    auto answer = co_await asio::co_spawn(impl_->context, impl::serve(impl_.get(), what), asio::use_awaitable);
    if (!answer) co_return answer.error();
    const auto nul = answer->find('\0'); // serve() saw that there is one
    co_return file_kind{answer->substr(0, nul), answer->substr(nul + 1)};
}

asio::awaitable<result<std::string>> scan_workers::inspect(worker::request_kind kind, worker::unpack_bounds bounds,
                                                           std::shared_ptr<const spool> file) {
    auto what = std::make_shared<request>();
    what->head = {kind, bounds};
    what->file = std::move(file);
    co_return co_await asio::co_spawn(impl_->context, impl::serve(impl_.get(), what), asio::use_awaitable);
}

std::chrono::milliseconds scan_workers::timeout() const noexcept {
    return impl_->how.timeout;
}

std::vector<pid_t> scan_workers::processes() const {
    std::vector<pid_t> pids;
    for (const auto& s : impl_->slots)
        pids.push_back(s.pid);
    return pids;
}

} // namespace postsluice::contentfilter
