// SPDX-License-Identifier: Apache-2.0
// A closed-loop load generator for policy servers: K connections, one request in flight on each, the attribute list of
// Postfix 3.7 at RCPT with a new instance (pid.sec.usec.seq) and recipient every time, N accounts round robin; with
// --data each message is two RCPT, DATA, END-OF-MESSAGE, of one instance; --random takes the accounts in pseudo-random
// order; --requests ends after so many answers instead (to make accounts known). And the ceiling to compare with:
// --serve-dunno answers every request DUNNO without reading it. One thread, epoll, nothing of ours linked in, so that
// it measures any policy server alike.
//
//   policy-load --target ADDRESS [--connections 10] [--seconds 4] [--accounts 1000] [--data] [--random] [--warm-up 0.5]
//               [--requests N]
//   policy-load --serve-dunno ADDRESS          until killed
//   ADDRESS: unix:/path or inet:127.0.0.1:10040
//
// Prints one line: requests_per_second=.. requests=.. seconds=.. p50_us=.. p99_us=.. p999_us=.. dunno=.. prepend=..
// refused=.. broken=.. Exit code 1 where a connection broke or an answer was none; what is measured then is not what
// was meant.
#include "sockets.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace bench;
using steady = std::chrono::steady_clock;

struct options {
    std::string target, serve;
    int connections = 10;
    double seconds = 4, warm_up = 0.5;
    std::uint64_t accounts = 1000, requests = 0;
    bool data = false, random = false;
};

// ---- the ceiling

int serve_dunno(const std::string& where_text) {
    const int listener = listen_on(where_text);
    const int poll = ::epoll_create1(EPOLL_CLOEXEC);
    watch(poll, listener, static_cast<std::uint64_t>(listener));
    constexpr std::string_view reply = "action=DUNNO\n\n";
    std::array<epoll_event, 256> events{};
    std::array<char, 65536> buffer{};
    for (;;) {
        const int ready = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < ready; ++i) {
            const int fd = static_cast<int>(events[static_cast<std::size_t>(i)].data.u64);
            if (fd == listener) {
                const int taken = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
                if (taken >= 0) {
                    watch(poll, taken, static_cast<std::uint64_t>(taken));
                }
                continue;
            }
            const auto n = ::read(fd, buffer.data(), buffer.size());
            if (n <= 0) {
                ::close(fd);
            } else if (n >= 2 && buffer[static_cast<std::size_t>(n) - 1] == '\n' &&
                       buffer[static_cast<std::size_t>(n) - 2] == '\n') {
                if (::write(fd, reply.data(), reply.size()) < 0) {
                    ::close(fd);
                }
            }
        }
    }
}

// ---- latencies: buckets of 1/32 of their size, from 1 ns to a minute

class histogram {
public:
    void add(std::uint64_t ns) { ++counts_[index(ns)], ++total_; }
    void clear() { counts_.assign(size, 0), total_ = 0; }
    [[nodiscard]] double microseconds(double part) const {
        auto left = static_cast<std::uint64_t>(part * static_cast<double>(total_));
        for (std::size_t i = 0; i < size; ++i) {
            if (counts_[i] > left) {
                return static_cast<double>(value(i)) / 1000.0;
            }
            left -= counts_[i];
        }
        return 0;
    }

private:
    static constexpr unsigned bits = 5;
    static constexpr std::size_t size = 40U << bits;
    static std::size_t index(std::uint64_t ns) {
        if (ns < (1U << bits)) {
            return ns;
        }
        const auto shift = static_cast<unsigned>(63 - __builtin_clzll(ns)) - bits;
        return std::min<std::size_t>(size - 1, ((shift + 1ULL) << bits) + ((ns >> shift) & ((1U << bits) - 1)));
    }
    static std::uint64_t value(std::size_t i) {
        const auto shift = i >> bits;
        return shift == 0 ? i : ((i & ((1U << bits) - 1)) + (1U << bits)) << (shift - 1);
    }
    std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(size, 0);
    std::uint64_t total_ = 0;
};

// ---- the load

struct connection {
    int fd = -1;
    int stage = 0; // 0 and 1 RCPT, 2 DATA, 3 END-OF-MESSAGE
    std::uint64_t message = 0, account = 0;
    steady::time_point asked;
    std::string got;
};

class load {
public:
    explicit load(const options& o)
        : options_{o} {}
    int run();

private:
    void write_request(connection& c);
    void ask(connection& c);
    bool take(connection& c);
    void judge(std::string_view reply);
    void report(double elapsed) const;

    const options& options_;
    histogram latencies_;
    std::string text_;
    const std::uint64_t first_message_ = static_cast<std::uint64_t>(::getpid()) << 32U;
    std::uint64_t next_message_ = first_message_;
    const unsigned long long began_ = static_cast<unsigned long long>(std::time(nullptr)); // second of the instances
    std::uint64_t answers_ = 0, dunno_ = 0, prepend_ = 0, refused_ = 0, broken_ = 0;
};

// splitmix64: accounts in an order that no cache foresees, the same in every run but for the process's number.
std::uint64_t scatter(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31U);
}

// The 29 attributes of Postfix 3.7, in its order.
void load::write_request(connection& c) {
    static constexpr std::array stages = {"RCPT", "RCPT", "DATA", "END-OF-MESSAGE"};
    if (c.stage == 0) {
        c.message = next_message_++;
        c.account = (options_.random ? scatter(c.message) : c.message - first_message_) % options_.accounts;
    }
    const auto n = static_cast<unsigned long long>(c.message);
    const auto user = static_cast<unsigned long long>(c.account);
    const auto past = static_cast<unsigned long long>(c.message - first_message_); // an instance each microsecond
    std::array<char, 128> recipient{}, queue{};
    const bool rcpt = c.stage < 2;
    if (rcpt) {
        std::snprintf(recipient.data(), recipient.size(), "r%llu.%d@example.net", n, c.stage);
    } else {
        std::snprintf(queue.data(), queue.size(), "4%09llX", n & 0xFFFFFFFFFULL);
    }
    text_.resize(2048);
    const int size = std::snprintf(
        text_.data(), text_.size(),
        "request=smtpd_access_policy\nprotocol_state=%s\nprotocol_name=ESMTP\nclient_address=127.0.0.1\nclient_name="
        "unknown\n"
        "client_port=41218\nreverse_client_name=unknown\nserver_address=127.0.0.1\nserver_port=10340\nhelo_name=vm\n"
        "sender=user%05llu@example.com\nrecipient=%s\nrecipient_count=%d\nqueue_id=%s\ninstance=461c.%llx.%llx."
        "0\nsize=%d\n"
        "etrn_domain=\nstress=\nsasl_method=PLAIN\nsasl_username=user%05llu@example.com\nsasl_sender=\nccert_subject=\n"
        "ccert_issuer=\nccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=\nencryption_cipher=\n"
        "encryption_keysize=0\npolicy_context=\n\n",
        stages.at(static_cast<std::size_t>(c.stage)), user, recipient.data(), rcpt ? 0 : 2, queue.data(),
        began_ + past / 1'000'000, past % 1'000'000, c.stage == 3 ? 2048 : 0, user);
    text_.resize(static_cast<std::size_t>(size));
    c.stage = options_.data ? (c.stage + 1) % 4 : 0;
}

void load::ask(connection& c) {
    write_request(c);
    c.asked = steady::now();
    if (::write(c.fd, text_.data(), text_.size()) != static_cast<ssize_t>(text_.size())) {
        throw std::runtime_error{"a request could not be written"};
    }
}

// True where the whole reply is there.
bool load::take(connection& c) {
    std::array<char, 4096> buffer{};
    const auto n = ::read(c.fd, buffer.data(), buffer.size());
    if (n <= 0) {
        throw std::runtime_error{"the server closed a connection"};
    }
    c.got.append(buffer.data(), static_cast<std::size_t>(n));
    if (!c.got.ends_with("\n\n")) {
        return false;
    }
    latencies_.add(static_cast<std::uint64_t>((steady::now() - c.asked) / std::chrono::nanoseconds{1}));
    ++answers_;
    judge(c.got);
    c.got.clear();
    return true;
}

void load::judge(std::string_view reply) {
    if (reply == "action=DUNNO\n\n" || reply == "action=dunno\n\n") {
        ++dunno_;
    } else if (reply.starts_with("action=PREPEND ")) {
        ++prepend_;
    } else if (reply.starts_with("action=4") || reply.starts_with("action=5") || reply.starts_with("action=DEFER") ||
               reply.starts_with("action=REJECT")) {
        ++refused_;
    } else {
        ++broken_;
    }
}

int load::run() {
    const auto where = parse_address(options_.target);
    const int poll = ::epoll_create1(EPOLL_CLOEXEC);
    std::vector<connection> all(static_cast<std::size_t>(options_.connections));
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i].fd = make_socket(where);
        if (::connect(all[i].fd, raw(where), where.size) != 0) {
            fail(options_.target);
        }
        watch(poll, all[i].fd, i);
    }
    for (auto& c : all) {
        ask(c);
    }
    const auto in_seconds = [](double s) {
        return std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(s));
    };
    auto began = steady::now();
    const auto warm = began + in_seconds(options_.warm_up);
    const auto end = warm + in_seconds(options_.seconds);
    bool measuring = false;
    std::array<epoll_event, 1024> events{};
    for (auto now = began; options_.requests != 0 ? answers_ < options_.requests : now < end; now = steady::now()) {
        if (!measuring && now >= warm && options_.requests == 0) {
            measuring = true;
            began = now;
            latencies_.clear();
            answers_ = dunno_ = prepend_ = refused_ = 0;
        }
        const int ready = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 1000);
        for (int i = 0; i < ready; ++i) {
            auto& c = all[events[static_cast<std::size_t>(i)].data.u64];
            if (take(c)) {
                ask(c);
            }
        }
    }
    report(std::chrono::duration<double>(steady::now() - began).count());
    for (const auto& c : all) {
        ::close(c.fd);
    }
    ::close(poll);
    return broken_ == 0 && answers_ != 0 ? 0 : 1;
}

void load::report(double elapsed) const {
    const auto ull = [](std::uint64_t v) { return static_cast<unsigned long long>(v); };
    std::printf("requests_per_second=%.0f requests=%llu seconds=%.2f p50_us=%.1f p99_us=%.1f p999_us=%.1f dunno=%llu "
                "prepend=%llu "
                "refused=%llu broken=%llu\n",
                static_cast<double>(answers_) / elapsed, ull(answers_), elapsed, latencies_.microseconds(0.5),
                latencies_.microseconds(0.99), latencies_.microseconds(0.999), ull(dunno_), ull(prepend_),
                ull(refused_), ull(broken_));
}

bool parse(int argc, char** argv, options& out) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--data") {
            out.data = true;
            continue;
        }
        if (name == "--random") {
            out.random = true;
            continue;
        }
        if (i + 1 == argc) {
            return false;
        }
        const std::string value = argv[++i];
        if (name == "--target") {
            out.target = value;
        } else if (name == "--serve-dunno") {
            out.serve = value;
        } else if (name == "--connections") {
            out.connections = std::atoi(value.c_str());
        } else if (name == "--seconds") {
            out.seconds = std::atof(value.c_str());
        } else if (name == "--warm-up") {
            out.warm_up = std::atof(value.c_str());
        } else if (name == "--requests") {
            out.requests = std::strtoull(value.c_str(), nullptr, 10);
        } else if (name == "--accounts") {
            out.accounts = std::strtoull(value.c_str(), nullptr, 10);
        } else {
            return false;
        }
    }
    return out.target.empty() != out.serve.empty() && out.connections > 0 && out.accounts > 0 && out.seconds > 0;
}

} // namespace

int main(int argc, char** argv) {
    options o;
    if (!parse(argc, argv, o)) {
        std::fprintf(stderr, "usage: policy-load --target ADDRESS [--connections K] [--seconds S] [--accounts N] "
                             "[--data] [--random] [--warm-up S] [--requests N]\n"
                             "       policy-load --serve-dunno ADDRESS\n");
        return 2;
    }
    (void)std::signal(SIGPIPE, SIG_IGN);
    try {
        return o.serve.empty() ? load{o}.run() : serve_dunno(o.serve);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "policy-load: %s\n", e.what());
        return 1;
    }
}
