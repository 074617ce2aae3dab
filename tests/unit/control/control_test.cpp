// SPDX-License-Identifier: Apache-2.0
// Both ends of the control protocol over real sockets in a scratch directory: the server runs in a thread of its own,
// the blocking client and raw sockets in the test's.
#define BOOST_TEST_DYN_LINK
#include "shared/control/control.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <future>
#include <thread>

namespace control = postsluice::control;
namespace asio = boost::asio;
using nlohmann::json;
using postsluice::errc;
using postsluice::result;
using namespace std::chrono_literals;

namespace {

using request_ptr = std::shared_ptr<const json>;

asio::awaitable<result<json>> echo(control::request_context context, request_ptr request) {
    co_return control::success({{"actor", context.actor}, {"said", request->value("say", "")}});
}
asio::awaitable<result<json>> fails(control::request_context, request_ptr) {
    co_return postsluice::failure{errc::not_found, "no such thing"};
}
asio::awaitable<result<json>> fails_without_words(control::request_context, request_ptr) {
    co_return postsluice::failure{errc::disk_full, ""};
}
asio::awaitable<result<json>> throws(control::request_context, request_ptr) {
    throw std::runtime_error{"secret detail"};
    co_return control::success({});
}
asio::awaitable<result<json>> never(control::request_context, request_ptr) {
    asio::steady_timer timer{co_await asio::this_coro::executor, 1h};
    co_await timer.async_wait(asio::use_awaitable);
    co_return control::success({});
}
asio::awaitable<result<json>> broken_text(control::request_context, request_ptr) {
    co_return control::success({{"text", "caf\xE9"}});
}
asio::awaitable<result<json>> nothing(control::request_context, request_ptr) {
    co_return control::success({});
}
asio::awaitable<result<json>> length(control::request_context, request_ptr request) {
    co_return control::success({{"length", request->at("text").get<std::string>().size()}});
}

class scratch {
public:
    scratch() {
        std::string name = "/tmp/postsluice-control-XXXXXX";
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~scratch() { std::filesystem::remove_all(path); }
    std::filesystem::path path;
};

struct running_server {
    explicit running_server(control::server_bounds bounds = {}, std::string group = "",
                            std::size_t max_bytes = control::server::default_max_request_bytes)
        : socket{where.path / "test.sock"}
        , server{context.get_executor(), socket, std::move(group), max_bytes, bounds} {
        server.on("echo", echo);
        server.on("fails", fails);
        server.on("fails-without-words", fails_without_words);
        server.on("throws", throws);
        server.on("never", never);
        server.on("broken text", broken_text);
        server.on("nothing", nothing);
        server.on("length", length);
        server.start();
        thread = std::thread{[this] { context.run(); }};
    }
    ~running_server() {
        server.stop();
        context.stop();
        thread.join();
        postsluice::log::capture({});
    }
    json call(const json& request) const {
        auto answer = control::call(socket, request, 20s);
        BOOST_REQUIRE_MESSAGE(answer.has_value(), (answer ? "" : answer.error().message()));
        return *answer;
    }

    scratch where;
    asio::io_context context;
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    std::filesystem::path socket;
    control::server server;
    std::thread thread;
};

/// A raw client, for what call() would never send.
class raw {
public:
    explicit raw(const std::filesystem::path& socket)
        : fd_{::socket(AF_UNIX, SOCK_STREAM, 0)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, socket.c_str());
        BOOST_REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    ~raw() { ::close(fd_); }
    raw(const raw&) = delete;
    raw& operator=(const raw&) = delete;
    void send(std::string_view text) const {
        while (!text.empty()) {
            const auto sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) return;
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    /// The next line, or "" at the end of the stream; fails the test after 20 s.
    std::string line() {
        for (;;) {
            const auto end = buffer_.find('\n');
            if (end != std::string::npos) {
                std::string out = buffer_.substr(0, end);
                buffer_.erase(0, end + 1);
                return out;
            }
            pollfd p{fd_, POLLIN, 0};
            BOOST_REQUIRE(::poll(&p, 1, 20000) == 1);
            char chunk[4096];
            const auto got = ::recv(fd_, chunk, sizeof chunk, 0);
            if (got <= 0) return {};
            buffer_.append(chunk, static_cast<std::size_t>(got));
        }
    }
    json answer() { return json::parse(line()); }

private:
    int fd_;
    std::string buffer_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(control_protocol)

BOOST_AUTO_TEST_CASE(an_answer_carries_ok_and_the_peers_login_name) {
    const running_server s;
    const json answer = s.call({{"verb", "echo"}, {"say", "hällo"}});
    BOOST_TEST(answer.at("ok") == true);
    BOOST_TEST(answer.at("said").get<std::string>() == "hällo");
    BOOST_TEST(answer.at("actor").get<std::string>() == ::getpwuid(::getuid())->pw_name);
}

BOOST_AUTO_TEST_CASE(a_handler_without_members_answers_ok_alone) {
    const running_server s;
    BOOST_TEST(s.call({{"verb", "nothing"}}) == json({{"ok", true}}));
}

BOOST_AUTO_TEST_CASE(failures_become_a_sentence_and_a_code) {
    const running_server s;
    BOOST_TEST(s.call({{"verb", "fails"}}) == json({{"ok", false}, {"error", "no such thing"}, {"code", "not-found"}}));
    const json wordless = s.call({{"verb", "fails-without-words"}});
    BOOST_TEST(wordless.at("code") == "disk-full");
    BOOST_TEST(wordless.at("error").get<std::string>() == std::string{postsluice::sentence(errc::disk_full)});
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws_answers_internal_and_tells_only_the_log) {
    std::promise<std::string> logged;
    postsluice::log::capture([&logged, done = false](postsluice::log::level, const std::string& line) mutable {
        if (!done && line.find("a handler failed") != std::string::npos) done = true, logged.set_value(line);
    });
    const running_server s;
    const json answer = s.call({{"verb", "throws"}});
    BOOST_TEST(answer.at("code") == "internal");
    BOOST_TEST(answer.dump().find("secret") == std::string::npos);
    auto line = logged.get_future();
    BOOST_REQUIRE(line.wait_for(20s) == std::future_status::ready);
    BOOST_TEST(line.get().find("secret detail") != std::string::npos);
    BOOST_TEST(s.call({{"verb", "echo"}}).at("ok") == true);
}

BOOST_AUTO_TEST_CASE(an_unknown_verb_is_unsupported) {
    const running_server s;
    const json answer = s.call({{"verb", "dance"}});
    BOOST_TEST(answer.at("ok") == false);
    BOOST_TEST(answer.at("code") == "unsupported");
    BOOST_TEST(answer.at("error").get<std::string>().find("dance") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(malformed_requests_are_answered_and_the_connection_goes_on) {
    const running_server s;
    raw client{s.socket};
    const std::string deep = R"({"verb":"echo","x":)" + std::string(40, '[') + std::string(40, ']') + "}";
    for (const std::string& line :
         {std::string{"{"}, std::string{""}, std::string{"[]"}, std::string{"7"}, std::string{R"({"say":"x"})"},
          std::string{R"({"verb":7})"}, std::string{"\xff\xfe"}, deep, std::string(100000, '[')}) {
        BOOST_TEST_CONTEXT(line.substr(0, 40)) {
            client.send(line + "\n");
            const json answer = client.answer();
            BOOST_TEST(answer.at("ok") == false);
            BOOST_TEST(answer.at("code") == "malformed");
        }
    }
    client.send("{\"verb\":\"echo\",\"say\":\"still here\"}\n");
    BOOST_TEST(client.answer().at("said") == "still here");
}

BOOST_AUTO_TEST_CASE(pipelined_requests_are_answered_in_order) {
    const running_server s;
    raw client{s.socket};
    std::string all;
    for (int i = 0; i < 50; ++i)
        all += json{{"verb", "echo"}, {"say", std::to_string(i)}}.dump() + "\n";
    client.send(all);
    for (int i = 0; i < 50; ++i)
        BOOST_TEST(client.answer().at("said") == std::to_string(i));
}

BOOST_AUTO_TEST_CASE(a_request_split_at_every_octet_is_the_same_request) {
    const running_server s;
    const std::string line = "{\"verb\":\"echo\",\"say\":\"split\"}\n";
    raw client{s.socket};
    for (std::size_t at = 1; at < line.size(); ++at) {
        BOOST_TEST_CONTEXT(at) {
            client.send(line.substr(0, at));
            client.send(line.substr(at));
            BOOST_TEST(client.answer().at("said") == "split");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_request_of_exactly_the_bound_passes_and_one_octet_more_ends_the_connection) {
    const running_server s{{}, "", 20000};
    const std::string frame = R"({"verb":"length","text":""})";
    for (const int over : {0, 1}) {
        BOOST_TEST_CONTEXT(over) {
            raw client{s.socket};
            const std::size_t fill = 20000 - frame.size() + static_cast<std::size_t>(over);
            client.send(R"({"verb":"length","text":")" + std::string(fill, 'x') + "\"}\n");
            const json answer = client.answer();
            BOOST_TEST(answer.at("ok") == (over == 0));
            if (over == 0) {
                BOOST_TEST(answer.at("length") == fill);
            } else {
                BOOST_TEST(answer.at("code") == "too-large");
                BOOST_TEST(client.line().empty());
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(call_hears_why_its_request_was_too_long) {
    const running_server s{{}, "", 20000};
    const json answer = s.call({{"verb", "length"}, {"text", std::string(8U << 20U, 'x')}});
    BOOST_TEST(answer.at("code") == "too-large");
}

BOOST_AUTO_TEST_CASE(a_larger_bound_takes_a_whole_message) {
    const running_server s{{}, "", 24U << 20U};
    BOOST_TEST(s.call({{"verb", "length"}, {"text", std::string(20U << 20U, 'x')}}).at("length") == 20U << 20U);
}

BOOST_AUTO_TEST_CASE(half_a_request_is_refused_at_its_deadline) {
    const running_server s{{50ms, 64}};
    raw client{s.socket};
    client.send("{\"verb\":");
    BOOST_TEST(client.answer().at("code") == "timed-out");
    BOOST_TEST(client.line().empty());
}

BOOST_AUTO_TEST_CASE(a_handler_that_does_not_end_is_answered_at_its_deadline) {
    const running_server s{{1s, 64}}; // which the request itself has, too
    raw client{s.socket};
    client.send("{\"verb\":\"never\"}\n{\"verb\":\"echo\",\"say\":\"next\"}\n");
    BOOST_TEST(client.answer().at("code") == "timed-out");
    BOOST_TEST(client.answer().at("said") == "next");
}

BOOST_AUTO_TEST_CASE(connections_over_the_bound_are_told_so_and_one_that_ends_makes_room) {
    const running_server s{{30s, 2}};
    raw first{s.socket};
    auto second = std::make_unique<raw>(s.socket);
    for (raw* client : {&first, second.get()}) {
        client->send("{\"verb\":\"nothing\"}\n");
        BOOST_TEST(client->answer().at("ok") == true);
    }
    raw third{s.socket};
    BOOST_TEST(third.answer().at("code") == "unavailable");
    BOOST_TEST(third.line().empty());
    second.reset();
    // The server learns of the end when it reads; until then it may refuse once more.
    json answer = json::object();
    for (int i = 0; i < 10000 && !answer.value("ok", false); ++i) {
        raw again{s.socket};
        again.send("{\"verb\":\"nothing\"}\n");
        answer = again.answer();
    }
    BOOST_TEST(answer.at("ok") == true);
}

BOOST_AUTO_TEST_CASE(text_that_is_no_utf8_is_replaced_in_the_answer) {
    const running_server s;
    BOOST_TEST(s.call({{"verb", "broken text"}}).at("text").get<std::string>() == "caf\xEF\xBF\xBD");
}

BOOST_AUTO_TEST_CASE(the_socket_is_0660_and_of_the_group_where_that_exists) {
    const ::group* group = ::getgrgid(::getegid());
    BOOST_REQUIRE(group != nullptr);
    const running_server s{{}, group->gr_name};
    struct ::stat there {};
    BOOST_REQUIRE(::stat(s.socket.c_str(), &there) == 0);
    BOOST_TEST((there.st_mode & 07777) == 0660U);
    BOOST_TEST(there.st_gid == ::getegid());
}

BOOST_AUTO_TEST_CASE(a_group_that_does_not_exist_is_a_warning) {
    std::string warning;
    postsluice::log::capture([&warning](postsluice::log::level l, const std::string& line) {
        if (l == postsluice::log::level::warning) warning += line;
    });
    const running_server s{{}, "no-such-group-here"};
    BOOST_TEST(s.call({{"verb", "nothing"}}).at("ok") == true);
    BOOST_TEST(warning.find("no-such-group-here") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_stale_socket_is_replaced_and_a_live_one_is_not) {
    const scratch where;
    const auto socket = where.path / "s.sock";
    const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, socket.c_str());
    BOOST_REQUIRE(::bind(stale, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::close(stale);
    asio::io_context context;
    control::server first{context.get_executor(), socket, ""};
    BOOST_CHECK_THROW((control::server{context.get_executor(), socket, ""}), std::runtime_error);
    BOOST_TEST(std::filesystem::exists(socket));
}

BOOST_AUTO_TEST_CASE(a_directory_that_is_not_there_names_the_socket) {
    asio::io_context context;
    try {
        const control::server s{context.get_executor(), "/nonexistent/dir/x.sock", ""};
        BOOST_ERROR("no exception");
    } catch (const std::runtime_error& e) {
        BOOST_TEST(std::string{e.what()}.find("/nonexistent/dir/x.sock") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(stop_removes_the_socket_and_ends_connections) {
    running_server s;
    raw client{s.socket};
    client.send("{\"verb\":\"nothing\"}\n");
    BOOST_TEST(client.answer().at("ok") == true);
    s.server.stop();
    BOOST_TEST(client.line().empty());
    BOOST_TEST(!std::filesystem::exists(s.socket));
    const auto late = control::call(s.socket, {{"verb", "nothing"}}, 5s);
    BOOST_REQUIRE(late.has_error());
    BOOST_TEST(late.error().code == errc::unavailable);
}

BOOST_AUTO_TEST_CASE(stop_leaves_a_socket_that_a_successor_made) {
    running_server s;
    std::filesystem::rename(s.socket, s.where.path / "old.sock");
    asio::io_context context;
    const control::server successor{context.get_executor(), s.socket, ""};
    s.server.stop();
    BOOST_TEST(std::filesystem::exists(s.socket));
}

BOOST_AUTO_TEST_SUITE_END()

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
