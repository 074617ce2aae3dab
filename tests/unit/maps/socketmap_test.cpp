// SPDX-License-Identifier: Apache-2.0
// The socketmap protocol octet by octet, and the client beside servers that behave and that do not.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include "shared/maps/answer_cache.hpp"
#include "shared/maps/socketmap.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <thread>

using namespace postsluice;
using namespace postsluice::maps;
using namespace postsluice::maps::test;
using namespace std::chrono_literals;

namespace {

/// A server of a few lines: each connection has a thread; what it answers is the test's.
class server {
public:
    using answerer = std::function<std::string(const std::string&)>; ///< "" closes; "*..." is sent as it stands
    server(std::string path, answerer answer)
        : path_{std::move(path)}
        , answer_{std::move(answer)}
        , acceptor_{context_, asio::local::stream_protocol::endpoint{path_}}
        , thread_{[this] { accept(); }} {}
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server() {
        stopping_ = true;
        asio::io_context alone;
        asio::local::stream_protocol::socket last{alone};
        boost::system::error_code ignored;
        last.connect(asio::local::stream_protocol::endpoint{path_}, ignored); // wakes accept()
        thread_.join();
        for (auto& one : sockets_)
            (void)one->shutdown(asio::socket_base::shutdown_both, ignored);
        for (auto& one : threads_)
            one.join();
        std::filesystem::remove(path_);
    }
    std::atomic<int> connections{0}, questions{0}, at_once{0}, most_at_once{0};

private:
    using socket = asio::local::stream_protocol::socket;
    void accept() {
        for (;;) {
            auto one = std::make_shared<socket>(context_);
            boost::system::error_code error;
            (void)acceptor_.accept(*one, error);
            if (error || stopping_) return;
            ++connections;
            sockets_.push_back(one);
            threads_.emplace_back([this, one] { serve(*one); });
        }
    }
    void serve(socket& s) {
        boost::system::error_code error;
        std::string in;
        while (!error) {
            const auto n = asio::read_until(s, asio::dynamic_buffer(in), ':', error);
            if (error) break;
            const auto length = std::stoul(in.substr(0, n - 1));
            if (in.size() < n + length + 1)
                asio::read(s, asio::dynamic_buffer(in), asio::transfer_exactly(n + length + 1 - in.size()), error);
            const auto question = in.substr(n, length);
            in.erase(0, n + length + 1);
            ++questions;
            most_at_once = std::max(most_at_once.load(), ++at_once);
            const auto reply = answer_(question);
            --at_once;
            if (reply.empty()) break;
            asio::write(s, asio::buffer(reply.front() == '*' ? reply.substr(1) : to_netstring(reply)), error);
        }
        (void)s.shutdown(asio::socket_base::shutdown_both, error);
    }
    std::string path_;
    answerer answer_;
    asio::io_context context_;
    asio::local::stream_protocol::acceptor acceptor_;
    std::atomic<bool> stopping_{false};
    std::vector<std::shared_ptr<socket>> sockets_;
    std::vector<std::thread> threads_;
    std::thread thread_;
};

struct client : scratch {
    asio::io_context context;
    map_set maps{context.get_executor()};
    std::string path_of_socket = path("s");
    std::string map = "socketmap:unix:" + path_of_socket + ":logins";
    remote_options how{seconds{2}, 100, seconds{60}}; // ask() lasts as long as its timer
    std::string ask(const std::string& key) { return shown(run(context, maps.find(map, key, how))); }
};

} // namespace

BOOST_AUTO_TEST_SUITE(socketmap_test)

BOOST_AUTO_TEST_CASE(a_reply_may_come_in_any_pieces) {
    const std::string whole = "10:OK a@b,c d,", text = "OK a@b,c d";
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        BOOST_TEST_CONTEXT(cut) {
            netstring_reader reader{100};
            const auto first = reader.feed(std::string_view{whole}.substr(0, cut));
            BOOST_REQUIRE(first);
            BOOST_TEST(*first == (cut == whole.size()));
            const auto second = reader.feed(std::string_view{whole}.substr(cut));
            BOOST_REQUIRE(second);
            BOOST_TEST(*second);
            BOOST_TEST(reader.text() == text);
        }
    }
    netstring_reader empty{100};
    BOOST_TEST(empty.feed("0:,").value());
    BOOST_TEST(to_netstring("logins a@b") == "10:logins a@b,");
}

BOOST_AUTO_TEST_CASE(what_is_no_reply_is_an_error) {
    const std::pair<const char*, errc> table[] = {
        {":x,", errc::protocol},          {"x:y,", errc::protocol},  {" 1:x,", errc::protocol},
        {"-1:x,", errc::protocol},        {"1:x;", errc::protocol},  {"1:xy,", errc::protocol},
        {"1:x,1", errc::protocol},        {"101:", errc::too_large}, {"9999999999:", errc::protocol},
        {"00000000001:", errc::protocol},
    };
    for (const auto& [bytes, code] : table) {
        BOOST_TEST_CONTEXT(bytes) {
            netstring_reader reader{100};
            const auto got = reader.feed(bytes);
            BOOST_REQUIRE(!got);
            BOOST_TEST(got.error().code == code);
        }
    }
}

BOOST_AUTO_TEST_CASE(each_word_of_the_protocol_has_its_outcome) {
    BOOST_TEST(shown(read_socketmap_reply("OK a, b")) == "a, b");
    BOOST_TEST(shown(read_socketmap_reply("NOTFOUND ")) == "-");
    BOOST_TEST(shown(read_socketmap_reply("NOTFOUND")) == "-");
    BOOST_TEST(shown(read_socketmap_reply("TEMP later")) == failed(errc::unavailable));
    BOOST_TEST(shown(read_socketmap_reply("PERM never")) == failed(errc::unavailable));
    BOOST_TEST(shown(read_socketmap_reply("TIMEOUT slow")) == failed(errc::timed_out));
    BOOST_TEST(shown(read_socketmap_reply("ok a")) == failed(errc::protocol));
    BOOST_TEST(shown(read_socketmap_reply("")) == failed(errc::protocol));
}

BOOST_FIXTURE_TEST_CASE(a_server_is_asked_on_one_connection_and_its_answers_are_remembered, client) {
    server s{path_of_socket,
             [](const std::string& q) { return q == "logins a@example.org" ? "OK alice" : std::string{"NOTFOUND "}; }};
    for (int i = 0; i < 3; ++i) {
        BOOST_TEST(ask("a@example.org") == "alice");
        BOOST_TEST(ask("b@example.org") == "-");
    }
    BOOST_TEST(s.questions == 2);
    BOOST_TEST(s.connections == 1);
    how.cache_time = seconds{0};
    BOOST_TEST(ask("c@example.org") == "-");
    BOOST_TEST(ask("c@example.org") == "-");
    BOOST_TEST(s.questions == 4);
    BOOST_TEST(shown(maps.get(map, "a")) == failed(errc::unsupported));
}

BOOST_FIXTURE_TEST_CASE(errors_are_not_remembered, client) {
    std::atomic<bool> ill{true};
    server s{path_of_socket, [&](const std::string&) { return std::string{ill ? "TEMP ill" : "OK x"}; }};
    BOOST_TEST(ask("k") == failed(errc::unavailable));
    BOOST_TEST(ask("k") == failed(errc::unavailable));
    BOOST_TEST(logged("map does not answer") == 1);
    ill = false;
    BOOST_TEST(ask("k") == "x");
    BOOST_TEST(logged("map answers again") == 1);
}

BOOST_FIXTURE_TEST_CASE(a_slow_server_is_timed_out, client) {
    std::atomic<bool> slow{true};
    server s{path_of_socket, [&](const std::string&) {
                 for (int i = 0; slow && i < 6000; ++i)
                     std::this_thread::sleep_for(10ms);
                 return std::string{"OK late"};
             }};
    how.timeout = seconds{1};
    const auto begin = std::chrono::steady_clock::now();
    BOOST_TEST(ask("k") == failed(errc::timed_out));
    const auto took = std::chrono::steady_clock::now() - begin;
    BOOST_TEST((took >= 900ms && took < 20s));
    slow = false;
    how.timeout = seconds{2};
    BOOST_TEST(ask("k") == "late"); // on a new connection: the old one's reply is not taken for this one's
    BOOST_TEST(s.connections == 2);
}

BOOST_FIXTURE_TEST_CASE(a_dead_server_is_an_error_at_once, client) {
    how.timeout = seconds{60};
    const auto begin = std::chrono::steady_clock::now();
    BOOST_TEST(!run(context, maps.find(map, "k", how)));
    BOOST_TEST((std::chrono::steady_clock::now() - begin < 20s)); // of the minute that an answer may take
}

BOOST_FIXTURE_TEST_CASE(a_server_that_began_anew_is_asked_once_more, client) {
    how.cache = 0;
    std::optional<server> s;
    const auto yes = [](const std::string&) { return std::string{"OK x"}; };
    s.emplace(path_of_socket, yes);
    BOOST_TEST(ask("k") == "x");
    s.reset();
    s.emplace(path_of_socket, yes);
    BOOST_TEST(ask("k") == "x");
    BOOST_TEST(s->connections == 1);
}

BOOST_FIXTURE_TEST_CASE(a_server_that_closes_without_an_answer_is_an_error, client) {
    server s{path_of_socket, [](const std::string&) { return std::string{}; }};
    BOOST_TEST(ask("k") == failed(errc::closed));
    BOOST_TEST(s.questions == 1);
}

BOOST_FIXTURE_TEST_CASE(nonsense_and_too_much_are_errors_and_end_the_connection, client) {
    std::string reply = "*HTTP/1.0 400\r\n\r\n";
    server s{path_of_socket, [&](const std::string&) { return reply; }};
    BOOST_TEST(ask("k") == failed(errc::protocol));
    reply = "*999999:OK x";
    BOOST_TEST(ask("k") == failed(errc::too_large));
    reply = "OK fine";
    BOOST_TEST(ask("k") == "fine");
    BOOST_TEST(s.connections == 3);
}

BOOST_FIXTURE_TEST_CASE(many_questions_share_a_bounded_number_of_connections, client) {
    server s{path_of_socket, [](const std::string& q) {
                 std::this_thread::sleep_for(20ms);
                 return "OK " + q.substr(7);
             }};
    std::size_t right = 0;
    for (int i = 0; i < 40; ++i) {
        const auto key = "k" + std::to_string(i);
        asio::co_spawn(context, maps.find(map, key, how), [&right, key](std::exception_ptr e, const answer& got) {
            if (!e && shown(got) == key) ++right;
        });
    }
    context.restart();
    context.run();
    BOOST_TEST(right == 40U);
    BOOST_TEST(s.connections <= static_cast<int>(socketmap::max_connections));
    BOOST_TEST(s.most_at_once > 1);
}

BOOST_FIXTURE_TEST_CASE(who_waits_for_a_connection_too_long_is_timed_out, client) {
    std::atomic<bool> slow{true};
    server s{path_of_socket, [&](const std::string&) {
                 for (int i = 0; slow && i < 6000; ++i)
                     std::this_thread::sleep_for(10ms);
                 return std::string{"OK x"};
             }};
    how.timeout = seconds{1};
    std::size_t late = 0;
    for (int i = 0; i < 20; ++i)
        asio::co_spawn(context, maps.find(map, std::to_string(i), how), [&late](std::exception_ptr, const answer& got) {
            if (!got && got.error().code == errc::timed_out) ++late;
        });
    const auto begin = std::chrono::steady_clock::now();
    context.restart();
    context.run();
    BOOST_TEST(late == 20U);
    BOOST_TEST((std::chrono::steady_clock::now() - begin < 20s));
    slow = false;
    how.timeout = seconds{2};
    BOOST_TEST(ask("k") == "x");
}

BOOST_AUTO_TEST_CASE(the_cache_forgets_by_time_and_by_number) {
    answer_cache cache;
    const answer_cache::time now{};
    cache.keep("a", "1", now + 10s, 2);
    cache.keep("b", std::nullopt, now + 20s, 2);
    BOOST_TEST(cache.find("a", now).has_value()); // now b is the one used longest ago
    cache.keep("c", "3", now + 20s, 2);
    BOOST_TEST(!cache.find("b", now).has_value());
    BOOST_TEST(cache.find("a", now + 9s).has_value());
    BOOST_TEST(!cache.find("a", now + 10s).has_value());
    BOOST_TEST(cache.size() == 1U);
    cache.keep("d", "4", now + 20s, 0);
    BOOST_TEST(cache.size() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
