// SPDX-License-Identifier: Apache-2.0
// A scanner that says what a test wants it to say: a unix socket in a scratch directory, served by a thread. The real
// ones are in tests/integration/test_scanners.py.
#pragma once

#include "check_fixture.hpp"
#include "contentfilter/checks/external_scanners.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace postsluice::contentfilter::testing {

/// One connection: `serve` reads and writes as it likes; the connection ends when it returns.
class false_scanner {
public:
    class peer {
    public:
        explicit peer(int fd)
            : fd_{fd} {}
        /// Up to and with `end`; empty at the end of the stream.
        std::string until(std::string_view end) {
            while (rest_.find(end) == std::string::npos)
                if (!fill()) return {};
            return cut(rest_.find(end) + end.size());
        }
        std::string octets(std::size_t count) {
            while (rest_.size() < count)
                if (!fill()) return {};
            return cut(count);
        }
        void say(std::string_view text) const {
            while (!text.empty()) {
                const auto n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
                if (n <= 0) return;
                text.remove_prefix(static_cast<std::size_t>(n));
            }
        }
        void say_slowly(std::string_view text) const {
            for (const char c : text)
                say({&c, 1});
        }

    private:
        bool fill() {
            char buffer[4096];
            const auto n = ::recv(fd_, buffer, sizeof buffer, 0);
            if (n > 0) rest_.append(buffer, static_cast<std::size_t>(n));
            return n > 0;
        }
        std::string cut(std::size_t count) {
            auto out = rest_.substr(0, count);
            rest_.erase(0, count);
            return out;
        }
        int fd_;
        std::string rest_;
    };

    explicit false_scanner(std::function<void(peer&)> serve)
        : serve_{std::move(serve)}
        , listening_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const auto path = (dir_.path / "s").string();
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        if (::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listening_, 16) != 0)
            throw std::runtime_error{"false scanner"};
        thread_ = std::thread{[this] { run(); }};
    }
    ~false_scanner() {
        stopping_ = true;
        {
            const std::lock_guard lock{mutex_};
            if (current_ >= 0) ::shutdown(current_, SHUT_RDWR);
        }
        thread_.join();
        ::close(listening_);
    }
    [[nodiscard]] std::string endpoint() const { return "unix:" + (dir_.path / "s").string(); }
    [[nodiscard]] int connections() const { return connections_; }

private:
    void run() {
        while (!stopping_) {
            pollfd event{listening_, POLLIN, 0};
            if (::poll(&event, 1, 20) <= 0) continue;
            const int fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            ++connections_;
            {
                const std::lock_guard lock{mutex_};
                current_ = fd;
            }
            peer p{fd};
            if (!stopping_) serve_(p);
            const std::lock_guard lock{mutex_};
            current_ = -1;
            ::close(fd);
        }
    }

    scratch_directory dir_;
    std::function<void(peer&)> serve_;
    int listening_;
    std::atomic<bool> stopping_{false};
    std::atomic<int> connections_{0};
    std::mutex mutex_;
    int current_ = -1;
    std::thread thread_;
};

/// Resources with the scanners of `settings`.
inline std::shared_ptr<const check_resources> with_scanners(const config::settings& settings) {
    auto made = std::make_shared<check_resources>();
    made->scanners = external_scanners::start(settings);
    return made;
}

/// The message of `text`, with `settings` as its own.
inline message_ptr message_with(std::string_view text, const config::settings& settings) {
    auto made = std::make_shared<message>(*make_message(text));
    made->settings = std::make_shared<config::settings>(settings);
    made->digest = std::string{text}; // stands for its SHA-256
    return made;
}

} // namespace postsluice::contentfilter::testing
