// SPDX-License-Identifier: Apache-2.0
// A closed-loop load generator for mail servers that is also the sink: K messages are in the system at a time, and the
// next is sent when one has arrived here. One thread, epoll, nothing of ours linked in, so that it measures any mail
// server alike; the messages are read once and never copied on their way out.
//
//   mail-load --to ADDRESS --sink ADDRESS --messages DIRECTORY [--at-once 10] [--count 500] [--seconds 5] [--lmtp]
//             [--login NAME] [--patience 30] [--from alice@example.org] [--rcpt x@example.net]
//   ADDRESS: unix:/path or inet:127.0.0.1:25
//
// Each message has a session of its own, a command at a time, as mail programs send; --login says the name by XCLIENT.
// The files of DIRECTORY (*.eml, LF or CRLF) are sent in order, over and over; a field X-Bench numbers them. It ends
// after --count messages, or sends no more after --seconds; --patience seconds without an arrival end it as well.
//
// Prints one line: messages=.. seconds=.. per_second=.. p50_ms=.. p99_ms=.. signed=.. signatures=.. refused=..
// repeated=.. strange=.. lost=.. The time through is from connect to the final dot here. Exit code 1 where anything
// was refused, lost, repeated, or is not of this run (a bounce).
#include "mail-peers.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <unordered_map>

namespace {

using namespace bench;
using steady = std::chrono::steady_clock;

struct options {
    std::string to, sink, messages, login, from = "alice@example.org", rcpt = "x@example.net";
    std::size_t at_once = 10, count = 500;
    double seconds = 5, patience = 30;
    bool lmtp = false;
};

/// The files as they go over the wire: CRLF, dots doubled, with the final dot.
std::vector<std::string> read_messages(const std::string& directory) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{directory}) {
        if (entry.path().extension() == ".eml") {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    std::vector<std::string> out;
    for (const auto& file : files) {
        std::ifstream in{file, std::ios::binary};
        std::string wire, line;
        wire.reserve(std::filesystem::file_size(file) * 102 / 100 + 64);
        while (std::getline(in, line)) {
            if (line.ends_with('\r')) {
                line.pop_back();
            }
            wire.append(line.starts_with('.') ? "." : "").append(line).append("\r\n");
        }
        wire.append(".\r\n");
        out.push_back(std::move(wire));
    }
    if (out.empty()) {
        throw std::runtime_error{directory + ": no *.eml in it"};
    }
    return out;
}

class load {
public:
    explicit load(const options& o)
        : options_{o}
        , messages_{read_messages(o.messages)}
        , where_{parse_address(o.to)} {}
    int run();

private:
    struct sent {
        steady::time_point at;
        bool answered = false, arrived = false;
    };
    void send_next();
    void settle(std::uint64_t number);
    void on_client(int fd, std::uint32_t events);
    void on_sink(int fd);
    void on_arrival(const arrival& what);
    void accept_all();
    [[nodiscard]] bool may_send() const;
    [[nodiscard]] int report();

    const options& options_;
    const std::vector<std::string> messages_;
    const address where_;
    int poll_ = ::epoll_create1(EPOLL_CLOEXEC), listener_ = -1;
    std::unordered_map<int, std::unique_ptr<client>> clients_;
    std::unordered_map<int, std::unique_ptr<server>> servers_;
    std::unordered_map<std::uint64_t, sent> in_flight_;
    std::vector<double> through_; // milliseconds
    std::uint64_t first_ = static_cast<std::uint64_t>(::getpid()) << 32U, next_ = first_;
    std::uint64_t signed_ = 0, signatures_ = 0, refused_ = 0, repeated_ = 0, strange_ = 0;
    steady::time_point began_, progress_;
};

bool load::may_send() const {
    return next_ - first_ < options_.count && steady::now() - began_ < std::chrono::duration<double>(options_.seconds);
}

void load::send_next() {
    const auto number = next_++;
    in_flight_[number].at = steady::now();
    const client_script how{options_.from, options_.rcpt, options_.login, options_.lmtp};
    auto made = std::make_unique<client>(where_, how, number, messages_[(number - first_) % messages_.size()]);
    watch(poll_, made->descriptor(), static_cast<std::uint64_t>(made->descriptor()));
    clients_.emplace(made->descriptor(), std::move(made));
}

// The next one goes when this one is through and its client has been told.
void load::settle(std::uint64_t number) {
    const auto at = in_flight_.find(number);
    if (at == in_flight_.end() || !at->second.answered || !at->second.arrived) {
        return;
    }
    in_flight_.erase(at);
    if (may_send()) {
        send_next();
    }
}

void load::on_client(int fd, std::uint32_t events) {
    auto& one = *clients_.at(fd);
    const bool wrote = one.writing();
    const auto state = one.step(events);
    if (one.writing() != wrote) {
        epoll_event event{};
        event.events = one.writing() ? EPOLLIN | EPOLLOUT : EPOLLIN;
        event.data.u64 = static_cast<std::uint64_t>(fd);
        (void)::epoll_ctl(poll_, EPOLL_CTL_MOD, fd, &event);
    }
    const auto number = one.number();
    if (state == client::state::going) {
        return;
    }
    if (state == client::state::refused) {
        std::fprintf(stderr, "mail-load: %s\n", one.trouble().c_str());
        ++refused_;
        in_flight_[number].arrived = true;
    }
    in_flight_[number].answered = true;
    clients_.erase(fd);
    settle(number);
}

void load::on_arrival(const arrival& what) {
    progress_ = steady::now();
    const auto at = in_flight_.find(what.number);
    if (at == in_flight_.end() || at->second.arrived) {
        // Of an earlier run, or a bounce; or a message of ours for the second time.
        ++(what.number >= first_ && what.number < next_ ? repeated_ : strange_);
        return;
    }
    at->second.arrived = true;
    through_.push_back(std::chrono::duration<double, std::milli>(progress_ - at->second.at).count());
    signed_ += what.signatures > 0;
    signatures_ += what.signatures;
    settle(what.number);
}

void load::on_sink(int fd) {
    auto& one = *servers_.at(fd);
    std::vector<arrival> arrived;
    const bool open = one.step(arrived);
    for (const auto& what : arrived) {
        on_arrival(what);
    }
    if (!open) {
        servers_.erase(fd);
    }
}

void load::accept_all() {
    for (;;) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        auto made = std::make_unique<server>(fd);
        watch(poll_, fd, static_cast<std::uint64_t>(fd));
        servers_.emplace(fd, std::move(made));
    }
}

int load::run() {
    listener_ = listen_on(options_.sink, SOCK_NONBLOCK);
    watch(poll_, listener_, static_cast<std::uint64_t>(listener_));
    began_ = progress_ = steady::now();
    for (std::size_t i = 0; i < options_.at_once && may_send(); ++i) {
        send_next();
    }
    std::array<epoll_event, 256> events{};
    while (!in_flight_.empty() && steady::now() - progress_ < std::chrono::duration<double>(options_.patience)) {
        const int ready = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 1000);
        for (int i = 0; i < ready; ++i) {
            const auto& event = events[static_cast<std::size_t>(i)];
            const int fd = static_cast<int>(event.data.u64);
            if (fd == listener_) {
                accept_all();
            } else if (clients_.contains(fd)) {
                on_client(fd, event.events);
            } else if (servers_.contains(fd)) {
                on_sink(fd);
            }
        }
    }
    return report();
}

int load::report() {
    const double elapsed = std::chrono::duration<double>(progress_ - began_).count();
    std::sort(through_.begin(), through_.end());
    const auto quantile = [this](double part) {
        return through_.empty() ? 0.0
                                : through_[static_cast<std::size_t>(part * static_cast<double>(through_.size() - 1))];
    };
    const auto ull = [](std::uint64_t v) { return static_cast<unsigned long long>(v); };
    const auto lost = static_cast<std::uint64_t>(in_flight_.size());
    std::printf("messages=%llu seconds=%.3f per_second=%.1f p50_ms=%.2f p99_ms=%.2f signed=%llu signatures=%llu "
                "refused=%llu repeated=%llu strange=%llu lost=%llu\n",
                ull(through_.size()), elapsed, static_cast<double>(through_.size()) / std::max(elapsed, 1e-9),
                quantile(0.5), quantile(0.99), ull(signed_), ull(signatures_), ull(refused_), ull(repeated_),
                ull(strange_), ull(lost));
    return refused_ + repeated_ + strange_ + lost == 0 ? 0 : 1;
}

bool parse(int argc, char** argv, options& out) {
    const std::unordered_map<std::string, std::string*> texts{
        {"--to", &out.to},       {"--sink", &out.sink}, {"--messages", &out.messages},
        {"--login", &out.login}, {"--from", &out.from}, {"--rcpt", &out.rcpt}};
    const std::unordered_map<std::string, std::size_t*> counts{{"--at-once", &out.at_once}, {"--count", &out.count}};
    const std::unordered_map<std::string, double*> times{{"--seconds", &out.seconds}, {"--patience", &out.patience}};
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--lmtp") {
            out.lmtp = true;
            continue;
        }
        if (i + 1 == argc) {
            return false;
        }
        const char* value = argv[++i];
        if (texts.contains(name)) {
            *texts.at(name) = value;
        } else if (counts.contains(name)) {
            *counts.at(name) = std::strtoull(value, nullptr, 10);
        } else if (times.contains(name)) {
            *times.at(name) = std::atof(value);
        } else {
            return false;
        }
    }
    return !out.to.empty() && !out.sink.empty() && !out.messages.empty() && out.at_once > 0 && out.count > 0;
}

} // namespace

int main(int argc, char** argv) {
    options o;
    if (!parse(argc, argv, o)) {
        std::fprintf(stderr,
                     "usage: mail-load --to ADDRESS --sink ADDRESS --messages DIRECTORY [--at-once K] [--count N] "
                     "[--seconds S] [--lmtp] [--login NAME] [--patience S] [--from A] [--rcpt A]\n");
        return 2;
    }
    (void)std::signal(SIGPIPE, SIG_IGN);
    try {
        return load{o}.run();
    } catch (const std::exception& e) {
        std::fprintf(stderr, "mail-load: %s\n", e.what());
        return 1;
    }
}
