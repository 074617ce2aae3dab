// SPDX-License-Identifier: Apache-2.0
// A server with some verbs in a thread and a directory of its own, and a client that sends what call() never would.
#pragma once

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

namespace postsluice::control::test {

namespace asio = boost::asio;
using nlohmann::json;
using namespace std::chrono_literals;

using request_ptr = std::shared_ptr<const json>;

inline asio::awaitable<result<json>> echo(control::request_context context, request_ptr request) {
    co_return control::success({{"actor", context.actor}, {"said", request->value("say", "")}});
}
inline asio::awaitable<result<json>> fails(control::request_context, request_ptr) {
    co_return postsluice::failure{errc::not_found, "no such thing"};
}
inline asio::awaitable<result<json>> fails_without_words(control::request_context, request_ptr) {
    co_return postsluice::failure{errc::disk_full, ""};
}
inline asio::awaitable<result<json>> throws(control::request_context, request_ptr) {
    throw std::runtime_error{"secret detail"};
    co_return control::success({});
}
inline asio::awaitable<result<json>> never(control::request_context, request_ptr) {
    asio::steady_timer timer{co_await asio::this_coro::executor, 1h};
    co_await timer.async_wait(asio::use_awaitable);
    co_return control::success({});
}
inline asio::awaitable<result<json>> broken_text(control::request_context, request_ptr) {
    co_return control::success({{"text", "caf\xE9"}});
}
inline asio::awaitable<result<json>> nothing(control::request_context, request_ptr) {
    co_return control::success({});
}
inline asio::awaitable<result<json>> length(control::request_context, request_ptr request) {
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

} // namespace postsluice::control::test
