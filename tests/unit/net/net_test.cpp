// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/log/log.hpp"
#include "shared/net/activation.hpp"
#include "shared/net/endpoint.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace postsluice;
using namespace postsluice::net;
using namespace std::chrono_literals;

namespace {

struct temporary_directory {
    temporary_directory() {
        char name[] = "/tmp/postsluice-net-XXXXXX";
        path = mkdtemp(name);
        std::filesystem::permissions(path, std::filesystem::perms::all);
    }
    ~temporary_directory() { std::filesystem::remove_all(path); }
    [[nodiscard]] endpoint socket(const std::string& name = "s") const {
        return endpoint::parse("unix:" + (path / name).string()).value();
    }
    std::filesystem::path path;
};

struct descriptor {
    explicit descriptor(int number)
        : fd{number} {}
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() {
        if (fd >= 0) ::close(fd);
    }
    int fd;
};

endpoint any(const std::string& host) {
    return endpoint::parse("inet:" + host + ":0").value();
}

endpoint bound_to(int fd) {
    sockaddr_storage name{};
    socklen_t length = sizeof name;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length);
    const bool six = name.ss_family == AF_INET6;
    const auto port =
        six ? reinterpret_cast<sockaddr_in6&>(name).sin6_port : reinterpret_cast<sockaddr_in&>(name).sin_port;
    return endpoint::parse((six ? "inet:[::1]:" : "inet:127.0.0.1:") + std::to_string(ntohs(port))).value();
}

// Runs one coroutine to its end, with a limit after which the test has failed.
template <class Function>
void run(asio::io_context& context, Function function) {
    std::exception_ptr thrown;
    bool done = false;
    asio::co_spawn(context, std::move(function), [&](std::exception_ptr e) {
        thrown = e;
        done = true;
        context.stop();
    });
    context.run_for(20s);
    context.restart();
    BOOST_REQUIRE(done);
    if (thrown) std::rethrow_exception(thrown);
}

struct two_ends {
    explicit two_ends(asio::io_context& context)
        : near{context}
        , far{context} {
        int fds[2];
        BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        near.assign(asio::generic::stream_protocol{AF_UNIX, 0}, fds[0]);
        far.assign(asio::generic::stream_protocol{AF_UNIX, 0}, fds[1]);
    }
    stream near, far;
};

bool no_delay(stream& s) {
    int on = 0;
    socklen_t length = sizeof on;
    return ::getsockopt(s.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, &length) == 0 && on != 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(net)

BOOST_AUTO_TEST_CASE(endpoints_are_parsed_and_printed_in_one_spelling) {
    const std::pair<const char*, const char*> table[] = {
        {"unix:/run/postsluice/policy", "unix:/run/postsluice/policy"},
        {"inet:127.0.0.1:10026", "inet:127.0.0.1:10026"},
        {"tcp:127.0.0.1:25", "inet:127.0.0.1:25"},
        {"inet:[::1]:10026", "inet:[::1]:10026"},
        {"inet:[0:0:0::1]:1", "inet:[::1]:1"},
        {"inet:0.0.0.0:0", "inet:0.0.0.0:0"},
    };
    for (const auto& [in, out] : table) {
        BOOST_TEST_CONTEXT(in) {
            const auto got = endpoint::parse(in);
            BOOST_REQUIRE(got.has_value());
            BOOST_TEST(got->to_string() == out);
            BOOST_TEST((endpoint::parse(out).value() == *got));
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_endpoint_is_refused_with_a_reason) {
    const std::string table[] = {"",
                                 "/run/s",
                                 "unix:",
                                 "unix:run/s",
                                 "unix:/" + std::string(107, 'x'),
                                 std::string{"unix:/a\0b", 9},
                                 "inet:",
                                 "inet:10026",
                                 "inet:localhost:25",
                                 "inet:127.0.0.1",
                                 "inet:127.0.0.1:",
                                 "inet:127.0.0.1:65536",
                                 "inet:127.0.0.1:2x",
                                 "inet:127.0.0.1:-1",
                                 "inet:::1:25",
                                 "inet:[127.0.0.1]:25",
                                 "inet:[]:25",
                                 "inet:*:25",
                                 "udp:127.0.0.1:53"};
    for (const auto& in : table) {
        BOOST_TEST_CONTEXT(in) {
            const auto got = endpoint::parse(in);
            BOOST_REQUIRE(got.has_error());
            BOOST_TEST(got.error().code == errc::malformed);
            BOOST_TEST(!got.error().detail.empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(a_stale_socket_is_replaced_and_a_live_one_is_not) {
    const temporary_directory directory;
    const auto where = directory.socket();
    {
        const descriptor first{open_listener(where, 0600).value()};
        const auto second = open_listener(where);
        BOOST_REQUIRE(second.has_error());
        BOOST_TEST(second.error().code == errc::exists);
        struct stat what {};
        BOOST_TEST(::stat(where.path.c_str(), &what) == 0);
        BOOST_TEST((what.st_mode & 07777U) == 0600U);
        BOOST_TEST((::fcntl(first.fd, F_GETFL) & O_NONBLOCK) != 0);
        BOOST_TEST((::fcntl(first.fd, F_GETFD) & FD_CLOEXEC) != 0);
    } // closed: its file stays, as after a crash
    const descriptor again{open_listener(where, 0660).value()};
    struct stat what {};
    BOOST_TEST(::stat(where.path.c_str(), &what) == 0);
    BOOST_TEST((what.st_mode & 07777U) == 0660U);
}

BOOST_AUTO_TEST_CASE(a_live_socket_with_a_full_backlog_is_live) {
    const temporary_directory directory;
    const descriptor first{open_listener(directory.socket(), 0600, 0).value()};
    for (int i = 0; i < 4; ++i)
        BOOST_TEST(open_listener(directory.socket()).has_error());
}

BOOST_AUTO_TEST_CASE(a_listener_that_cannot_be_says_why) {
    const temporary_directory directory;
    std::ofstream{directory.path / "file"} << "not a socket";
    BOOST_TEST(open_listener(directory.socket("file")).error().code == errc::exists);
    BOOST_TEST(std::filesystem::is_regular_file(directory.path / "file"));
    BOOST_TEST(open_listener(directory.socket("none/s")).error().code == errc::not_found);
    const descriptor tcp{open_listener(any("127.0.0.1")).value()};
    BOOST_TEST(open_listener(bound_to(tcp.fd)).error().code == errc::exists);
}

BOOST_AUTO_TEST_CASE(a_socket_from_systemd_is_used_again_and_again) {
    const temporary_directory directory;
    const auto where = directory.socket();
    const auto child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) { // descriptor 3 is where systemd's begin
        const int listening = open_listener(where).value();
        ::dup2(listening, 3);
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", "1", 1);
        const auto first = open_listener(where);
        const auto second = open_listener(where);
        const auto other = open_listener(directory.socket("other"));
        const bool good = first && second && other && *first != 3 && *second != *first &&
                          std::filesystem::exists(directory.path / "other") && inherited_besides({where}) == 0 &&
                          inherited_besides({directory.socket("other")}) == 1;
        ::_exit(good ? 0 : 1);
    }
    int status = -1;
    BOOST_TEST(::waitpid(child, &status, 0) == child);
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(octets_pass_both_ways_over_every_family) {
    const temporary_directory directory;
    for (const auto& where : {directory.socket(), any("127.0.0.1"), any("[::1]")}) {
        BOOST_TEST_CONTEXT(where.to_string()) {
            asio::io_context context;
            const int fd = open_listener(where).value();
            acceptor listener{context.get_executor(), fd};
            const bool tcp = where.kind == endpoint::family::inet;
            const auto to = tcp ? bound_to(fd) : where;
            std::array<char, 16> buffer{};
            const auto talk = [](acceptor& in, endpoint out, bool inet,
                                 std::array<char, 16>& room) -> asio::awaitable<void> {
                auto near = (co_await connect(out, 5s)).value();
                auto far = (co_await in.accept(co_await asio::this_coro::executor)).value();
                BOOST_TEST(!is_readable(far));
                BOOST_TEST((co_await write_all(near, asio::buffer("hello", 5), 5s)).has_value());
                BOOST_TEST((co_await read_some(far, asio::buffer(room), 5s)).value() == 5U);
                BOOST_TEST((co_await write_all(far, asio::buffer("yes", 3), 5s)).has_value());
                BOOST_TEST((co_await read_some(near, asio::buffer(room), 5s)).value() == 3U);
                BOOST_TEST(no_delay(near) == inet);
                BOOST_TEST(no_delay(far) == inet);
                far.close();
                const auto end = co_await read_some(near, asio::buffer(room), 5s);
                BOOST_TEST(end.error().code == errc::closed);
                BOOST_TEST(is_readable(near));
            };
            run(context, [&]() { return talk(listener, to, tcp, buffer); });
        }
    }
}

BOOST_AUTO_TEST_CASE(a_read_that_comes_to_nothing_ends_at_its_deadline_and_the_next_still_works) {
    asio::io_context context;
    two_ends ends{context};
    const auto talk = [](two_ends& e) -> asio::awaitable<void> {
        std::array<char, 16> room{};
        for (int round = 0; round < 3; ++round) {
            const auto begin = std::chrono::steady_clock::now();
            const auto late = co_await read_some(e.near, asio::buffer(room), 30ms);
            BOOST_TEST(late.error().code == errc::timed_out);
            BOOST_TEST((std::chrono::steady_clock::now() - begin >= 30ms));
            BOOST_TEST((co_await write_all(e.far, asio::buffer("x", 1), 5s)).has_value());
            BOOST_TEST((co_await read_some(e.near, asio::buffer(room), 5s)).value() == 1U);
        }
    };
    run(context, [&]() { return talk(ends); });
}

// The timer is armed for the first, long wait; the second must not wait as long.
BOOST_AUTO_TEST_CASE(a_short_deadline_after_a_long_one_is_kept_and_the_other_way_round) {
    asio::io_context context;
    two_ends ends{context};
    const auto talk = [](two_ends& e) -> asio::awaitable<void> {
        std::array<char, 16> room{};
        co_await write_all(e.far, asio::buffer("x", 1), 5s);
        BOOST_TEST((co_await read_some(e.near, asio::buffer(room), 1h)).value() == 1U);
        BOOST_TEST((co_await read_some(e.near, asio::buffer(room), 20ms)).error().code == errc::timed_out);
        co_await write_all(e.far, asio::buffer("x", 1), 5s);
        BOOST_TEST((co_await read_some(e.near, asio::buffer(room), 20ms)).value() == 1U); // leaves the timer at 20 ms
        const auto begin = std::chrono::steady_clock::now();
        BOOST_TEST((co_await read_some(e.near, asio::buffer(room), 100ms)).error().code == errc::timed_out);
        BOOST_TEST((std::chrono::steady_clock::now() - begin >= 100ms));
    };
    run(context, [&]() { return talk(ends); });
}

BOOST_AUTO_TEST_CASE(a_write_that_nobody_reads_ends_at_its_deadline) {
    asio::io_context context;
    two_ends ends{context};
    const std::string much(8U << 20U, 'x');
    const auto talk = [](two_ends& e, const std::string& text) -> asio::awaitable<void> {
        BOOST_TEST((co_await write_all(e.near, asio::buffer(text), 30ms)).error().code == errc::timed_out);
    };
    run(context, [&]() { return talk(ends, much); });
}

BOOST_AUTO_TEST_CASE(a_large_write_arrives_whole) {
    asio::io_context context;
    two_ends ends{context};
    const std::string much(3U << 20U, 'x');
    std::size_t got = 0;
    const auto reader = [](stream& from, std::size_t& count) -> asio::awaitable<void> {
        std::array<char, 5000> room{};
        for (;;) {
            const auto n = co_await read_some(from, asio::buffer(room), 5s);
            if (!n) co_return;
            count += *n;
        }
    };
    asio::co_spawn(context, reader(ends.far, got), [&](std::exception_ptr) { context.stop(); });
    const auto writer = [](stream& to, const std::string& text) -> asio::awaitable<void> {
        BOOST_TEST((co_await write_all(to, asio::buffer(text), 10s)).has_value());
        to.close();
    };
    asio::co_spawn(context, writer(ends.near, much), [](std::exception_ptr) {});
    context.run_for(20s);
    BOOST_TEST(got == much.size());
}

BOOST_AUTO_TEST_CASE(a_write_to_a_closed_peer_is_closed_and_raises_no_signal) {
    asio::io_context context;
    two_ends ends{context};
    ends.far.close();
    const auto talk = [](two_ends& e) -> asio::awaitable<void> {
        BOOST_TEST((co_await write_all(e.near, asio::buffer("x", 1), 1s)).error().code == errc::closed);
    };
    run(context, [&]() { return talk(ends); });
}

BOOST_AUTO_TEST_CASE(a_stream_may_end_with_its_timer_armed) {
    asio::io_context context;
    const auto talk = [](asio::io_context& c) -> asio::awaitable<void> {
        two_ends e{c};
        std::array<char, 4> room{};
        co_await write_all(e.far, asio::buffer("x", 1), 5s);
        co_await read_some(e.near, asio::buffer(room), 1h);
        auto moved = std::move(e.near);
        co_await write_all(e.far, asio::buffer("x", 1), 5s);
        BOOST_TEST((co_await read_some(moved, asio::buffer(room), 20ms)).value() == 1U);
        BOOST_TEST((co_await read_some(moved, asio::buffer(room), 20ms)).error().code == errc::timed_out);
    };
    asio::co_spawn(context, talk(context), [](std::exception_ptr e) { BOOST_TEST(!e); });
    const auto begin = std::chrono::steady_clock::now();
    context.run_for(20s); // returns when nothing is left, not after an hour's timer
    BOOST_TEST((std::chrono::steady_clock::now() - begin < 10s));
}

BOOST_AUTO_TEST_CASE(connecting_fails_with_the_right_kind_of_failure) {
    const temporary_directory directory;
    endpoint dead_port;
    {
        const descriptor gone{open_listener(any("127.0.0.1")).value()};
        dead_port = bound_to(gone.fd);
    }
    { const descriptor gone{open_listener(directory.socket("stale")).value()}; }
    // A backlog of nothing that is never accepted: once full, a connect has to wait.
    const descriptor full_unix{open_listener(directory.socket("full"), 0660, 0).value()};
    const descriptor full_inet{open_listener(any("127.0.0.1"), 0660, 0).value()};
    const std::pair<endpoint, errc> table[] = {
        {dead_port, errc::unavailable},
        {directory.socket("stale"), errc::unavailable},
        {directory.socket("none"), errc::unavailable},
        {directory.socket("full"), errc::timed_out},
        {bound_to(full_inet.fd), errc::timed_out},
    };
    for (const auto& [where, code] : table) {
        BOOST_TEST_CONTEXT(where.to_string()) {
            asio::io_context context;
            errc last = errc::internal;
            const auto talk = [](endpoint to, errc& seen) -> asio::awaitable<void> {
                std::vector<stream> open;
                for (int i = 0; i < 8; ++i) {
                    auto got = co_await connect(to, 60ms);
                    if (!got) {
                        seen = got.error().code;
                        co_return;
                    }
                    open.push_back(*std::move(got));
                }
            };
            run(context, [&, to = where]() { return talk(to, last); });
            BOOST_TEST(last == code);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_closed_acceptor_ends_its_accept) {
    const temporary_directory directory;
    asio::io_context context;
    acceptor listener{context.get_executor(), open_listener(directory.socket()).value()};
    asio::post(context, [&] { listener.close(); });
    const auto wait = [](acceptor& in) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        BOOST_TEST((co_await in.accept(executor)).error().code == errc::closed);
        BOOST_TEST((co_await in.accept(executor)).error().code == errc::closed);
    };
    run(context, [&]() { return wait(listener); });
}

BOOST_AUTO_TEST_CASE(running_out_of_descriptors_delays_a_connection_and_loses_none) {
    const temporary_directory directory;
    asio::io_context context;
    acceptor listener{context.get_executor(), open_listener(directory.socket()).value()};
    int logged = 0;
    log::capture([&](log::level, const std::string&) { ++logged; });
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const auto talk = [](acceptor& in, endpoint to, rlimit usual) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        const auto near = (co_await connect(to, 5s)).value();
        const descriptor lowest{::dup(0)};
        const rlimit none{static_cast<rlim_t>(lowest.fd), usual.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
        asio::steady_timer relief{executor, 150ms};
        relief.async_wait([usual](const boost::system::error_code&) { ::setrlimit(RLIMIT_NOFILE, &usual); });
        BOOST_TEST((co_await in.accept(executor)).has_value());
    };
    run(context, [&]() { return talk(listener, directory.socket(), before); });
    ::setrlimit(RLIMIT_NOFILE, &before);
    log::capture({});
    BOOST_TEST(logged == 1);
}

BOOST_AUTO_TEST_CASE(the_peer_is_named_over_every_family) {
    const temporary_directory directory;
    for (const auto& [where, address] :
         {std::pair{directory.socket(), "unix"}, {any("127.0.0.1"), "127.0.0.1"}, {any("[::1]"), "::1"}}) {
        BOOST_TEST_CONTEXT(address) {
            asio::io_context context;
            const int fd = open_listener(where, 0666).value();
            acceptor listener{context.get_executor(), fd};
            const auto to = where.kind == endpoint::family::inet ? bound_to(fd) : where;
            const auto talk = [](acceptor& in, endpoint out, std::string expected) -> asio::awaitable<void> {
                auto near = (co_await connect(out, 5s)).value();
                auto far = (co_await in.accept(co_await asio::this_coro::executor)).value();
                const auto who = peer_of(far);
                BOOST_TEST(who.address == expected);
                BOOST_TEST((who.uid == ::getuid()));
                if (expected == "unix") BOOST_TEST((who.pid == ::getpid()));
                // A peer that has closed owns nothing; the kernel would say root.
                near.close();
                if (expected != "unix") BOOST_TEST(!peer_of(far).uid.has_value());
            };
            run(context, [&, a = std::string{address}]() { return talk(listener, to, a); });
        }
    }
}

BOOST_AUTO_TEST_CASE(another_users_connection_is_told_apart,
                     *boost::unit_test::precondition([](boost::unit_test::test_unit_id) {
                         return boost::test_tools::assertion_result{::getuid() == 0};
                     })) {
    static constexpr uid_t nobody = 65534;
    const temporary_directory directory;
    for (const auto& where : {directory.socket(), any("127.0.0.1"), any("[::1]")}) {
        BOOST_TEST_CONTEXT(where.to_string()) {
            asio::io_context context;
            const int fd = open_listener(where, 0666).value();
            acceptor listener{context.get_executor(), fd};
            const auto to = where.kind == endpoint::family::inet ? bound_to(fd) : where;
            int hold[2];
            BOOST_REQUIRE(::pipe(hold) == 0);
            const auto child = ::fork();
            if (child == 0) { // connects as nobody and stays until the pipe closes
                ::close(hold[1]);
                if (::setresuid(nobody, nobody, nobody) != 0) ::_exit(1);
                asio::io_context own;
                const auto call = [](endpoint out, int until) -> asio::awaitable<void> {
                    const auto near = co_await connect(out, 5s);
                    char octet = 0;
                    if (near && ::read(until, &octet, 1) != 0) ::_exit(1);
                };
                asio::co_spawn(own, call(to, hold[0]), [](std::exception_ptr) {});
                own.run();
                ::_exit(0);
            }
            ::close(hold[0]);
            const auto look = [](acceptor& in) -> asio::awaitable<void> {
                const auto far = (co_await in.accept(co_await asio::this_coro::executor)).value();
                BOOST_TEST((peer_of(far).uid == nobody));
            };
            run(context, [&]() { return look(listener); });
            ::close(hold[1]);
            int status = -1;
            ::waitpid(child, &status, 0);
            BOOST_TEST(status == 0);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
