// SPDX-License-Identifier: Apache-2.0
// Both clients of the control protocol, the blocking one and the daemons', and the names of failures.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

namespace control = postsluice::control;
using postsluice::errc;
using postsluice::result;
using namespace postsluice::control::test;

BOOST_AUTO_TEST_SUITE(control_client)

namespace {

/// A peer that misbehaves: accepts one connection, reads a line, sends `text` and closes (or, where told so, waits).
class bad_peer {
public:
    bad_peer(std::string text, bool closes)
        : fd_{::socket(AF_UNIX, SOCK_STREAM, 0)}
        , path{where_.path / "bad.sock"} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path.c_str());
        BOOST_REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        BOOST_REQUIRE(::listen(fd_, 1) == 0);
        thread_ = std::thread{[this, text = std::move(text), closes] {
            const int peer = ::accept(fd_, nullptr, nullptr);
            char chunk[4096];
            while (::recv(peer, chunk, sizeof chunk, 0) == sizeof chunk) {
            }
            (void)::send(peer, text.data(), text.size(), MSG_NOSIGNAL);
            if (!closes) (void)::recv(peer, chunk, sizeof chunk, 0); // until the client gives up
            ::close(peer);
        }};
    }
    ~bad_peer() {
        thread_.join();
        ::close(fd_);
    }
    bad_peer(const bad_peer&) = delete;
    bad_peer& operator=(const bad_peer&) = delete;

private:
    scratch where_;
    int fd_;
    std::thread thread_;

public:
    std::filesystem::path path;
};

} // namespace

BOOST_AUTO_TEST_CASE(nobody_there_is_unavailable) {
    const scratch where;
    const auto answer = control::call(where.path / "none.sock", {{"verb", "x"}}, 5s);
    BOOST_REQUIRE(answer.has_error());
    BOOST_TEST(answer.error().code == errc::unavailable);
}

BOOST_AUTO_TEST_CASE(a_path_too_long_for_a_socket_is_malformed) {
    const auto answer = control::call("/tmp/" + std::string(200, 'x'), {{"verb", "x"}}, 5s);
    BOOST_REQUIRE(answer.has_error());
    BOOST_TEST(answer.error().code == errc::malformed);
}

BOOST_AUTO_TEST_CASE(misbehaving_peers_are_told_apart) {
    struct row {
        const char* text;
        bool closes;
        errc code;
    };
    for (const auto& r : {row{"", true, errc::closed}, row{"{\"ok\":true", true, errc::closed},
                          row{"220 mail ESMTP\n", true, errc::protocol}, row{"[1]\n", true, errc::protocol},
                          row{"{\"ok\":\"yes\"}\n", true, errc::protocol}, row{"{}\n", true, errc::protocol},
                          row{"{\"ok\":true", false, errc::timed_out}}) {
        BOOST_TEST_CONTEXT(r.text) {
            const bad_peer peer{r.text, r.closes};
            const auto answer = control::call(peer.path, {{"verb", "x"}}, r.code == errc::timed_out ? 1s : 20s);
            BOOST_REQUIRE(answer.has_error());
            BOOST_TEST(answer.error().code == r.code);
        }
    }
}

namespace {
/// What the waiting client of a daemon gets.
result<json> ask(const std::filesystem::path& socket, json request, std::chrono::milliseconds timeout) {
    asio::io_context context;
    std::optional<result<json>> out;
    asio::co_spawn(context, control::ask(socket, std::move(request), timeout),
                   [&](std::exception_ptr e, result<json> r) {
                       BOOST_REQUIRE(!e);
                       out.emplace(std::move(r));
                   });
    context.run();
    return std::move(out.value());
}
} // namespace

BOOST_AUTO_TEST_CASE(a_daemon_asks_without_blocking_and_gets_the_same_answers) {
    const running_server s;
    const auto answer = ask(s.socket, {{"verb", "echo"}, {"say", "hello"}}, 5s);
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->at("said") == "hello");
    const scratch where;
    BOOST_TEST(ask(where.path / "none.sock", {{"verb", "x"}}, 5s).error().code == errc::unavailable);
    BOOST_TEST(ask("/tmp/" + std::string(200, 'x'), {{"verb", "x"}}, 5s).has_error());
    {
        const bad_peer peer{"220 mail ESMTP\n", true};
        BOOST_TEST(ask(peer.path, {{"verb", "x"}}, 20s).error().code == errc::protocol);
    }
    {
        const bad_peer peer{"{\"ok\":true", true};
        BOOST_TEST(ask(peer.path, {{"verb", "x"}}, 20s).error().code == errc::closed);
    }
    {
        const bad_peer peer{"{\"ok\":true", false};
        BOOST_TEST(ask(peer.path, {{"verb", "x"}}, 300ms).error().code == errc::timed_out);
    }
    {
        const bad_peer peer{std::string(70'000, 'x') + "\n", true};
        BOOST_TEST(ask(peer.path, {{"verb", "x"}}, 20s).error().code == errc::too_large);
    }
}

BOOST_AUTO_TEST_CASE(every_code_has_a_name_that_leads_back) {
    for (int i = 0; i <= static_cast<int>(errc::internal); ++i) {
        const auto code = static_cast<errc>(i);
        BOOST_TEST_CONTEXT(code) {
            const auto back = control::parse_code(control::code_name(code));
            BOOST_REQUIRE(back.has_value());
            BOOST_TEST(*back == code);
        }
    }
    BOOST_TEST(!control::parse_code("nonsense").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
