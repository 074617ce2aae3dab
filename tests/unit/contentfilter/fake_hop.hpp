// SPDX-License-Identifier: Apache-2.0
// A next hop on a unix socket that answers as a test tells it, and the blocking line socket below it.
#pragma once

#include "shared/net/endpoint.hpp"

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace postsluice::contentfilter::testing {

constexpr int patience_ms = 20000;

/// Blocking octets in lines over a unix socket.
class line_socket {
public:
    explicit line_socket(int fd)
        : fd_{fd} {}
    explicit line_socket(const std::filesystem::path& path)
        : fd_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error{"connect " + path.string()};
    }
    ~line_socket() { close(); }
    line_socket(const line_socket&) = delete;
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    void half_close() { ::shutdown(fd_, SHUT_WR); }
    void interrupt() { ::shutdown(fd_, SHUT_RDWR); }
    bool send(std::string_view octets) {
        while (!octets.empty()) {
            const auto sent = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            octets.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    /// One line without CRLF; nothing at the end of the stream.
    std::optional<std::string> line() {
        for (;;) {
            if (const auto end = in_.find("\r\n", at_); end != std::string::npos) {
                auto out = in_.substr(at_, end - at_);
                at_ = end + 2;
                if (at_ > 65536) in_.erase(0, std::exchange(at_, 0));
                return out;
            }
            pollfd ready{fd_, POLLIN, 0};
            if (::poll(&ready, 1, patience_ms) <= 0) throw std::runtime_error{"nothing came in time"};
            char room[65536];
            const auto got = ::recv(fd_, room, sizeof room, 0);
            if (got <= 0) return std::nullopt;
            in_.append(room, static_cast<std::size_t>(got));
        }
    }

private:
    int fd_;
    std::string in_;
    std::size_t at_ = 0;
};

/// What the next hop got with one final dot.
struct delivery {
    std::string mail;
    std::vector<std::string> recipients;
    std::string xforward, content; ///< content: unstuffed, as it was sent
    std::uint64_t size = 0;        ///< of the content, also where it was not kept
};

/// A next hop on a unix socket. Replies are by the command's beginning ("RCPT TO:<b@", "DATA", "DOT", "GREETING", ...),
/// the first that fits, once or always; an empty reply closes. Without one it accepts everything.
class fake_hop {
public:
    explicit fake_hop(std::filesystem::path socket, bool lmtp = false)
        : path_{std::move(socket)}
        , lmtp_{lmtp} {
        listener_ = net::open_listener(net::endpoint::parse("unix:" + path_.string()).value()).value();
        ::fcntl(listener_, F_SETFL, 0);
        acceptor_ = std::thread{[this] { accept_all(); }};
    }
    ~fake_hop() {
        stopping_ = true;
        ::shutdown(listener_, SHUT_RDWR);
        acceptor_.join();
        {
            const std::lock_guard guard{mutex_};
            for (const auto& one : open_)
                one->interrupt();
        }
        for (auto& one : threads_)
            one.join();
        ::close(listener_);
        ::unlink(path_.c_str());
    }
    void answer(std::string command, std::string reply, bool once = false) {
        const std::lock_guard guard{mutex_};
        rules_.push_back({std::move(command), std::move(reply), once});
    }
    void forget_rules() {
        const std::lock_guard guard{mutex_};
        rules_.clear();
    }
    std::vector<delivery> deliveries() {
        const std::lock_guard guard{mutex_};
        return deliveries_;
    }
    std::size_t connections() {
        const std::lock_guard guard{mutex_};
        return open_.size();
    }
    std::atomic<bool> keep_content{true};
    std::atomic<std::size_t> data_commands{0};
    std::function<void()> before_data; ///< set before there is mail: called where DATA is to be answered

private:
    struct rule {
        std::string command, reply;
        bool once;
    };
    void accept_all() {
        while (!stopping_) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            const std::lock_guard guard{mutex_};
            open_.push_back(std::make_shared<line_socket>(fd));
            threads_.emplace_back([this, with = open_.back()] {
                try {
                    serve(*with);
                } catch (const std::exception&) {
                }
                with->interrupt();
            });
        }
    }
    /// False: the connection is to end.
    bool say(line_socket& to, const std::string& command, const std::string& otherwise) {
        std::string reply = otherwise;
        {
            const std::lock_guard guard{mutex_};
            const auto at = std::find_if(rules_.begin(), rules_.end(),
                                         [&](const rule& r) { return command.starts_with(r.command); });
            if (at != rules_.end()) {
                reply = at->reply;
                if (at->once) rules_.erase(at);
            }
        }
        return !reply.empty() && to.send(reply + "\r\n");
    }
    bool last_was_positive(const std::string& command) {
        const std::lock_guard guard{mutex_};
        const auto at =
            std::find_if(rules_.begin(), rules_.end(), [&](const rule& r) { return command.starts_with(r.command); });
        return at == rules_.end() || at->reply.starts_with("2") || at->reply.starts_with("3");
    }
    void serve(line_socket& with) {
        if (!say(with, "GREETING", "220 next.example.org ESMTP")) return;
        delivery now;
        while (const auto line = with.line()) {
            const bool positive = last_was_positive(*line);
            if (line->starts_with("XFORWARD"))
                now.xforward += line->substr(8);
            else if (line->starts_with("MAIL"))
                now.mail = line->substr(10);
            else if (line->starts_with("RCPT") && positive)
                now.recipients.push_back(line->substr(8));
            if (line->starts_with("EHLO") || line->starts_with("LHLO")) {
                if (!say(with, *line,
                         "250-next\r\n250-PIPELINING\r\n250-SIZE "
                         "209715200\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n"
                         "250-ENHANCEDSTATUSCODES\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"))
                    return;
            } else if (*line == "DATA") {
                ++data_commands;
                if (before_data) before_data();
                const bool none = now.recipients.empty();
                if (!say(with, "DATA", none ? "554 5.5.1 no valid recipients" : "354 go on")) return;
                if (none || !positive) continue;
                if (!take_content(with, now)) return;
            } else if (*line == "QUIT") {
                say(with, "QUIT", "221 bye");
                return;
            } else {
                if (*line == "RSET") now = {};
                if (!say(with, *line, "250 2.0.0 Ok")) return;
            }
        }
    }
    bool take_content(line_socket& with, delivery& now) {
        for (;;) {
            auto line = with.line();
            if (!line) return false; // broken off: nothing is delivered
            if (*line == ".") break;
            if (line->starts_with(".")) line->erase(0, 1);
            now.size += line->size() + 2;
            if (keep_content) now.content += *line + "\r\n";
        }
        std::size_t number = 0;
        {
            const std::lock_guard guard{mutex_};
            number = deliveries_.size() + 1;
        }
        const bool positive = last_was_positive("DOT");
        // Delivered before it is said: a reply that is lost does not undo it.
        if (positive || lmtp_ || closes("DOT")) {
            const std::lock_guard guard{mutex_};
            deliveries_.push_back(now);
        }
        for (std::size_t i = 0; i < (lmtp_ ? now.recipients.size() : 1); ++i)
            if (!say(with, "DOT " + now.recipients[i], "250 2.0.0 Ok: queued as NEXT" + std::to_string(number)))
                return false;
        now = {};
        return true;
    }
    bool closes(const std::string& command) {
        const std::lock_guard guard{mutex_};
        const auto at =
            std::find_if(rules_.begin(), rules_.end(), [&](const rule& r) { return command.starts_with(r.command); });
        return at != rules_.end() && at->reply.empty();
    }

    std::filesystem::path path_;
    bool lmtp_;
    int listener_ = -1;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::vector<rule> rules_;
    std::vector<delivery> deliveries_;
    std::vector<std::shared_ptr<line_socket>> open_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

} // namespace postsluice::contentfilter::testing
