// SPDX-License-Identifier: Apache-2.0
// postsluice-spf-helper: evaluates SPF records that strangers wrote, in a process that can do nothing else
// (postsluice-policyd starts it and talks to it over descriptor 3, see protocol.hpp). It ends at the end of the
// channel.
#include "shared/auth/spf_helper/confine.hpp"
#include "shared/auth/spf_helper/evaluator.hpp"
#include "shared/auth/spf_helper/protocol.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <unistd.h>

namespace {

using namespace postsluice::auth::spf_helper;

constexpr std::chrono::seconds cpu_limit{3600};

[[noreturn]] void leave(int code) {
    ::_exit(code); // destructors and exit handlers need system calls that are gone
}

void read_all(char* to, std::size_t size) {
    while (size > 0) {
        const auto got = ::read(channel, to, size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            leave(0); // the daemon is gone
        }
        to += got;
        size -= static_cast<std::size_t>(got);
    }
}

std::string receive(frame expected) {
    std::uint32_t size = 0;
    read_all(reinterpret_cast<char*>(&size), sizeof size);
    if (size == 0 || size > max_frame) {
        leave(1);
    }
    std::string text(size, '\0');
    read_all(text.data(), size);
    if (text.front() != static_cast<char>(expected)) {
        leave(1);
    }
    return text.substr(1);
}

void send(const std::string& text) {
    const auto size = static_cast<std::uint32_t>(text.size());
    std::string message(sizeof size, '\0');
    std::memcpy(message.data(), &size, sizeof size);
    message += text;
    for (std::size_t done = 0; done < message.size();) {
        const auto written = ::write(channel, message.data() + done, message.size() - done);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            leave(0);
        }
        done += static_cast<std::size_t>(written);
    }
}

template <class Number>
Number take(std::string_view& from) {
    Number out{};
    if (from.size() < sizeof out) {
        leave(1);
    }
    std::memcpy(&out, from.data(), sizeof out);
    from.remove_prefix(sizeof out);
    return out;
}

std::string take_text(std::string_view& from) {
    const auto end = from.find('\0');
    if (end == std::string_view::npos) {
        leave(1);
    }
    std::string out{from.substr(0, end)};
    from.remove_prefix(end + 1);
    return out;
}

dns_answer ask_daemon(const std::string& name, std::uint16_t type) {
    std::string question(1, static_cast<char>(frame::question));
    question.append(reinterpret_cast<const char*>(&type), sizeof type);
    send(question + name + '\0');
    const std::string text = receive(frame::answer);
    std::string_view rest = text;
    dns_answer out;
    out.what = static_cast<dns_answer::kind>(take<std::uint8_t>(rest));
    (void)take<std::uint32_t>(rest);
    while (!rest.empty()) {
        const std::size_t size = take<std::uint16_t>(rest);
        if (size > rest.size()) {
            leave(1);
        }
        out.rdata.emplace_back(rest.substr(0, size));
        rest.remove_prefix(size);
    }
    return out;
}

[[noreturn]] void serve(evaluator& with) {
    send(std::string{ready_word});
    for (;;) {
        const std::string text = receive(frame::evaluate);
        std::string_view rest = text;
        evaluation what;
        what.max_terms = take<std::uint8_t>(rest);
        what.max_voids = take<std::uint8_t>(rest);
        what.ip = take_text(rest);
        what.helo = take_text(rest);
        what.sender = take_text(rest);
        const verdict found = with.check(what);
        std::string answer(1, static_cast<char>(frame::result));
        answer += static_cast<char>(found.result);
        send(answer + found.explanation.substr(0, 1000) + '\0');
    }
}

} // namespace

int main() {
    // A service manager that stops the daemon signals us as well: our end is the daemon's.
    std::signal(SIGTERM, SIG_IGN);
    std::signal(SIGINT, SIG_IGN);
    try {
        evaluator with{&ask_daemon};
        confine(cpu_limit);
        serve(with);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "postsluice-spf-helper: %s\n", e.what());
    }
    leave(1);
}
