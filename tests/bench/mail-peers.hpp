// SPDX-License-Identifier: Apache-2.0
// The two ends of mail-load: a client that sends one message, and a server that takes any number, keeps nothing, and
// tells which message came with how many DKIM-Signature fields. Driven by epoll; neither throws for what a peer says.
#pragma once

#include "sockets.hpp"

#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <sys/uio.h>
#include <utility>
#include <vector>

namespace bench {

struct client_script {
    std::string from, rcpt, login;
    bool lmtp = false;
};

/// Connects without waiting for it; `message` must outlive it.
class client {
public:
    enum class state { going, taken, refused };

    client(const address& where, const client_script& how, std::uint64_t number, const std::string& message)
        : fd_{make_socket(where)}
        , number_{number}
        , field_{"X-Bench: " + std::to_string(number) + "\r\n"}
        , message_{message} {
        const std::string hello = (how.lmtp ? "LHLO" : "EHLO") + std::string{" client.example.org\r\n"};
        commands_ = {hello};
        if (!how.login.empty()) {
            commands_.push_back("XCLIENT LOGIN=" + how.login + "\r\n");
            commands_.push_back(hello);
        }
        commands_.push_back("MAIL FROM:<" + how.from + ">\r\n");
        commands_.push_back("RCPT TO:<" + how.rcpt + ">\r\n");
        commands_.emplace_back("DATA\r\n");
        if (::connect(fd_, raw(where), where.size) != 0) {
            fail("connect");
        }
        (void)::fcntl(fd_, F_SETFL, O_NONBLOCK);
    }
    client(const client&) = delete;
    client& operator=(const client&) = delete;
    ~client() { ::close(fd_); }

    [[nodiscard]] int descriptor() const { return fd_; }
    [[nodiscard]] std::uint64_t number() const { return number_; }
    [[nodiscard]] bool writing() const { return writing_; }
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

    state step(std::uint32_t events) {
        if (writing_ && (events & EPOLLOUT) != 0) {
            write_content();
        }
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) {
            return state::going;
        }
        std::array<char, 4096> buffer{};
        const auto n = ::read(fd_, buffer.data(), buffer.size());
        if (n <= 0) {
            trouble_ = "the server closed the connection";
            return n < 0 && errno == EAGAIN ? state::going : state::refused;
        }
        got_.append(buffer.data(), static_cast<std::size_t>(n));
        if (!reply_is_whole()) {
            return state::going;
        }
        trouble_ = std::exchange(got_, {});
        return next();
    }

private:
    // The last line of a reply has a blank after its code.
    [[nodiscard]] bool reply_is_whole() const {
        if (!got_.ends_with("\r\n")) {
            return false;
        }
        const auto before = got_.rfind("\r\n", got_.size() - 3);
        const auto last = before == std::string::npos ? 0 : before + 2;
        return got_.size() > last + 3 && got_[last + 3] == ' ';
    }

    state next() {
        const bool to_content = at_ == commands_.size() && !sent_content_;
        if (trouble_.front() != (to_content ? '3' : '2')) {
            return state::refused;
        }
        if (to_content) {
            sent_content_ = true;
            write_content();
        } else if (sent_content_) {
            (void)!::write(fd_, "QUIT\r\n", 6);
            return state::taken;
        } else {
            const auto& command = commands_[at_++];
            (void)!::write(fd_, command.data(), command.size());
        }
        return state::going;
    }

    void write_content() {
        while (written_ < field_.size() + message_.size()) {
            const auto of_field = std::min(written_, field_.size());
            const auto of_message = written_ - of_field;
            std::array<iovec, 2> parts{
                {{field_.data() + of_field, field_.size() - of_field},
                 {const_cast<char*>(message_.data()) + of_message, message_.size() - of_message}}};
            const auto n = ::writev(fd_, parts.data(), parts.size());
            if (n < 0) {
                writing_ = errno == EAGAIN;
                return;
            }
            written_ += static_cast<std::size_t>(n);
        }
        writing_ = false;
    }

    int fd_;
    std::uint64_t number_;
    std::string field_;
    const std::string& message_;
    std::vector<std::string> commands_;
    std::size_t at_ = 0, written_ = 0;
    bool sent_content_ = false, writing_ = false;
    std::string got_, trouble_;
};

struct arrival {
    std::uint64_t number = 0; ///< X-Bench; 0 where there is none
    std::uint64_t signatures = 0;
};

class server {
public:
    explicit server(int fd)
        : fd_{fd} {
        const int on = 1;
        (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        say("220 bench ESMTP\r\n");
        flush();
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server() { ::close(fd_); }

    /// False where the connection is over. Replies to what came together go together.
    bool step(std::vector<arrival>& arrived) {
        static std::array<char, 65536> buffer{};
        const auto n = ::read(fd_, buffer.data(), buffer.size());
        if (n <= 0) {
            return false;
        }
        got_.append(buffer.data(), static_cast<std::size_t>(n));
        while (in_content_ ? take_content(arrived) : take_command()) {
        }
        flush();
        return open_;
    }

private:
    void say(std::string_view text) { replies_.append(text); }
    void flush() {
        if (!replies_.empty()) {
            (void)!::write(fd_, replies_.data(), replies_.size());
            replies_.clear();
        }
    }

    bool take_command() {
        const auto end = got_.find("\r\n");
        if (end == std::string::npos) {
            return false;
        }
        const std::string verb = got_.substr(0, std::min<std::size_t>(end, 4));
        got_.erase(0, end + 2);
        if (verb == "EHLO") {
            say("250-bench\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 SIZE 0\r\n");
        } else if (verb == "DATA") {
            say("354 go\r\n");
            in_content_ = in_header_ = true;
            now_ = {};
        } else if (verb == "QUIT") {
            say("221 bye\r\n");
            open_ = false;
        } else {
            say("250 2.0.0 Ok\r\n");
        }
        return open_;
    }

    // Of the body only what may be the beginning of the end is kept.
    bool take_content(std::vector<arrival>& arrived) {
        if (in_header_) {
            const auto end = got_.find("\r\n\r\n");
            if (end == std::string::npos) {
                return false;
            }
            read_header(std::string_view{got_}.substr(0, end + 2));
            got_.erase(0, end + 2);
            in_header_ = false;
        }
        constexpr std::string_view dot = "\r\n.\r\n";
        const auto end = got_.find(dot);
        if (end == std::string::npos) {
            got_.erase(0, got_.size() - std::min(got_.size(), dot.size() - 1));
            return false;
        }
        got_.erase(0, end + dot.size());
        in_content_ = false;
        say("250 2.0.0 Ok: taken\r\n");
        arrived.push_back(now_);
        return true;
    }

    void read_header(std::string_view header) {
        for (std::size_t at = 0; at < header.size(); at = header.find("\r\n", at) + 2) {
            const auto line = header.substr(at);
            if (line.starts_with("X-Bench: ")) {
                now_.number = std::strtoull(line.data() + 9, nullptr, 10);
            } else if (line.starts_with("DKIM-Signature:")) {
                ++now_.signatures;
            }
        }
    }

    int fd_;
    std::string got_, replies_;
    bool in_content_ = false, in_header_ = false, open_ = true;
    arrival now_;
};

} // namespace bench
