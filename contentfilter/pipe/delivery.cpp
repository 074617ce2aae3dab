// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/pipe/delivery.hpp"

#include "contentfilter/pipe/size_counter.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace postsluice::contentfilter::pipe {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t piece = 65536;
constexpr std::size_t longest_reply_line = 4096, longest_text = 300, longest_attribute = 255;

struct reply {
    int code = 0;     ///< 0: none came
    std::string text; ///< its last line, without the code
};

class connection {
public:
    explicit connection(unsigned seconds)
        : until_{clock::now() + std::chrono::seconds{seconds}} {}
    ~connection() {
        if (fd_ >= 0) ::close(fd_);
    }
    connection(const connection&) = delete;

    bool open(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.empty() || path.size() >= sizeof address.sun_path) return false;
        std::memcpy(address.sun_path, path.data(), path.size());
        fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd_ < 0) return false;
        // Waits where the backlog is full, not longer than this.
        const timeval patience{60, 0};
        (void)::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        return ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }

    bool send(std::string_view octets) {
        while (!octets.empty()) {
            if (!wait_for(fd_, POLLOUT)) return false;
            const auto sent = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (sent <= 0) return false;
            octets.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }

    /// Up to the end of its last line.
    reply receive() {
        reply out;
        for (;;) {
            const auto line = next_line();
            if (line.size() < 3 ||
                !std::all_of(line.begin(), line.begin() + 3, [](char c) { return c >= '0' && c <= '9'; }))
                return {};
            if (line.size() > 3 && line[3] == '-') continue;
            out.code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
            if (line.size() > 4) out.text = line.substr(4);
            return out;
        }
    }

    /// One piece of standard input: its size, 0 at the end, -1 where it cannot be read.
    ssize_t read_input(char* into, std::size_t most) {
        for (;;) {
            if (!wait_for(STDIN_FILENO, POLLIN)) return -1;
            const auto got = ::read(STDIN_FILENO, into, most);
            if (got >= 0 || errno != EINTR) return got;
        }
    }

private:
    bool wait_for(int fd, short events) const {
        for (;;) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until_ - clock::now()).count();
            if (left <= 0) return false;
            pollfd watched{fd, events, 0};
            const int ready = ::poll(&watched, 1, static_cast<int>(std::min<long long>(left, 60'000)));
            if (ready > 0) return (watched.revents & POLLNVAL) == 0;
            if (ready < 0 && errno != EINTR) return false;
        }
    }

    std::string next_line() {
        for (;;) {
            if (const auto end = in_.find("\r\n"); end != std::string::npos) {
                auto line = in_.substr(0, end);
                in_.erase(0, end + 2);
                return line;
            }
            std::array<char, 2048> room{};
            if (in_.size() > longest_reply_line || !wait_for(fd_, POLLIN)) return {};
            const auto got = ::recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
            if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (got <= 0) return {};
            in_.append(room.data(), static_cast<std::size_t>(got));
        }
    }

    clock::time_point until_;
    int fd_ = -1;
    std::string in_;
};

std::string shown(std::string_view text) {
    std::string out{text.substr(0, longest_text)};
    for (auto& c : out)
        if (c < ' ' || c > '~') c = '?';
    return out;
}

outcome later(std::string_view why, std::string_view said = {}) {
    return {exit_later, std::string{why} + (said.empty() ? "" : ": ") + shown(said)};
}

std::string xtext(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text.substr(0, longest_attribute)) {
        const auto octet = static_cast<unsigned char>(c);
        if (octet > ' ' && octet <= '~' && c != '+' && c != '=')
            out += c;
        else
            out.append(1, '+').append(1, digits[octet >> 4U]).append(1, digits[octet & 15U]);
    }
    return out;
}

bool is_ascii(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) { return c < 0; });
}

std::vector<std::string> commands_of(const request& what) {
    std::vector<std::string> out{"LHLO localhost"};
    for (const auto& [name, value] : what.forward)
        if (!value.empty()) out.push_back("XFORWARD " + std::string{name} + "=" + xtext(value));
    const bool utf8 = !is_ascii(what.sender) || !std::all_of(what.recipients.begin(), what.recipients.end(), is_ascii);
    // pipe(8) says neither: what is declared is what may be in there.
    out.push_back("MAIL FROM:<" + what.sender + "> BODY=8BITMIME" + (utf8 ? " SMTPUTF8" : ""));
    for (const auto& one : what.recipients)
        out.push_back("RCPT TO:<" + one + ">");
    return out;
}

/// LF lines to CRLF lines, dots stuffed. A CR of the message's own stays, and is content to the filter.
void to_wire(std::string_view in, bool& line_start, std::string& out) {
    for (const char c : in) {
        if (c == '.' && line_start) out += '.';
        line_start = c == '\n';
        if (line_start) out += '\r';
        out += c;
    }
}

/// Everything but the final dot; what is wrong, or nothing.
std::string send_message(connection& to, const request& what, pid_t parent) {
    std::array<char, piece> room{};
    size_counter counted;
    bool line_start = true;
    std::string out;
    for (;;) {
        const auto got = to.read_input(room.data(), room.size());
        if (got < 0) return "the message cannot be read";
        if (got == 0) break;
        const std::string_view octets{room.data(), static_cast<std::size_t>(got)};
        counted.feed(octets);
        out.clear();
        to_wire(octets, line_start, out);
        if (!to.send(out)) return "the filter broke off";
    }
    if (parent <= 1 || ::getppid() != parent) return "pipe(8) went away";
    if (what.size && counted.finish() < *what.size) return "the message is shorter than Postfix says";
    if (!line_start && !to.send("\r\n")) return "the filter broke off";
    return {};
}

/// One exit code for all recipients. While some are to be tried again the next try asks for those that are left: the
/// filter remembers whom it delivered to. Once it refused some for good and took the others there is nothing to try:
/// Postfix bounces the message for all, and the text says of whom it is true.
outcome sum_up(connection& from, const std::vector<std::string>& recipients) {
    std::size_t taken = 0, refused = 0;
    std::string why, temporary, first;
    for (const auto& recipient : recipients) {
        const auto said = from.receive();
        if (said.code == 0) return later("the filter did not answer");
        const int klass = said.code / 100;
        taken += klass == 2 ? 1 : 0;
        refused += klass == 5 ? 1 : 0;
        if (klass == 5 && first.empty()) {
            why = said.text;
            first = recipient;
        }
        if (klass != 2 && klass != 5 && temporary.empty()) temporary = std::to_string(said.code) + " " + said.text;
    }
    if (taken == recipients.size()) return {0, {}};
    if (!temporary.empty()) return later("the filter said", temporary);
    // Its own enhanced code goes, and 5.7.1 stands instead: the delivery status filter makes temporary what else is 5.
    if (why.starts_with("5.")) why.erase(0, std::min(why.find(' '), why.size() - 1) + 1);
    if (taken == 0) return {exit_refused, shown(why)};
    return {exit_refused, "Refused for " + std::to_string(refused) + " of " + std::to_string(recipients.size()) +
                              " recipients, " + shown(first).substr(0, longest_text / 3) +
                              " first; the others were accepted, do not send to them again: " +
                              shown(why).substr(0, longest_text / 3)};
}

} // namespace

outcome hand_over(const request& what, pid_t parent) {
    connection filter{what.seconds};
    if (!filter.open(what.socket)) return later("the filter cannot be reached", std::strerror(errno));
    if (const auto greeting = filter.receive(); greeting.code != 220) return later("the filter said", greeting.text);
    for (const auto& command : commands_of(what)) {
        if (!filter.send(command + "\r\n")) return later("the filter broke off");
        if (const auto said = filter.receive(); said.code / 100 != 2) return later("the filter said", said.text);
    }
    if (!filter.send("DATA\r\n")) return later("the filter broke off");
    if (const auto said = filter.receive(); said.code != 354) return later("the filter said", said.text);
    if (const auto wrong = send_message(filter, what, parent); !wrong.empty()) return later(wrong);
    if (!filter.send(".\r\n")) return later("the filter broke off");
    return sum_up(filter, what.recipients);
}

} // namespace postsluice::contentfilter::pipe
