// SPDX-License-Identifier: Apache-2.0
// The server of the control protocol over real sockets in a scratch directory: it runs in a thread of its own, the
// blocking client and raw sockets in the test's.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

namespace control = postsluice::control;
using postsluice::errc;
using postsluice::result;
using namespace postsluice::control::test;

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
