// SPDX-License-Identifier: Apache-2.0
// A name server that says what a test wants it to say: UDP on a port of its own, served by a thread. A real one is in
// tests/integration/test_url_lists.py.
#pragma once

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace postsluice::contentfilter::testing {

class false_dns {
public:
    /// The address of a name (lower case, without the last dot); nothing: it does not exist.
    using answers = std::function<std::optional<std::string>(const std::string&)>;

    explicit false_dns(answers says)
        : says_{std::move(says)}
        , socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
            ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
            throw std::runtime_error{"false DNS"};
        port_ = ntohs(address.sin_port);
        thread_ = std::thread{[this] { run(); }};
    }
    ~false_dns() {
        stopping_ = true;
        thread_.join();
        ::close(socket_);
    }
    false_dns(const false_dns&) = delete;

    [[nodiscard]] std::string server() const { return "127.0.0.1@" + std::to_string(port_); }
    /// The names that were asked about, each once.
    [[nodiscard]] std::vector<std::string> asked() const {
        const std::lock_guard guard{mutex_};
        return asked_;
    }

private:
    static std::string name_in(const std::string& question) {
        std::string out;
        for (std::size_t at = 12; at < question.size() && question[at] != 0;) {
            const auto label = static_cast<unsigned char>(question[at]);
            out += (out.empty() ? "" : ".") + question.substr(at + 1, label);
            at += label + 1U;
        }
        return to_lower(out);
    }
    std::string answer_to(const std::string& question) {
        const auto name = name_in(question);
        {
            const std::lock_guard guard{mutex_};
            if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) asked_.push_back(name);
        }
        const auto address = says_(name);
        auto out = question.substr(0, 12 + name.size() + 2 + 4); // without what else was asked for
        out.replace(2, 10, std::string("\x81\x80\0\1\0\0\0\0\0\0", 10));
        if (!address) {
            out[3] = static_cast<char>(0x83);
            return out;
        }
        out[7] = 1;
        in_addr octets{};
        ::inet_pton(AF_INET, address->c_str(), &octets);
        return out + std::string("\xc0\x0c\0\1\0\1\0\0\0\1\0\4", 12) +
               std::string(reinterpret_cast<const char*>(&octets), sizeof octets);
    }
    void run() {
        while (!stopping_) {
            pollfd event{socket_, POLLIN, 0};
            if (::poll(&event, 1, 20) <= 0) continue;
            std::array<char, 4096> buffer{};
            sockaddr_in from{};
            socklen_t size = sizeof from;
            const auto n =
                ::recvfrom(socket_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
            if (n < 17) continue;
            const auto answer = answer_to({buffer.data(), static_cast<std::size_t>(n)});
            (void)::sendto(socket_, answer.data(), answer.size(), 0, reinterpret_cast<const sockaddr*>(&from), size);
        }
    }

    answers says_;
    int socket_;
    int port_ = 0;
    std::atomic<bool> stopping_{false};
    mutable std::mutex mutex_;
    std::vector<std::string> asked_;
    std::thread thread_;
};

} // namespace postsluice::contentfilter::testing
