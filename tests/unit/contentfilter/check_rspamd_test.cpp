// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "contentfilter/checks/rspamd_protocol.hpp"
#include "scanner_fixture.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

const std::string json = R"({"is_skipped":false,"score":11.5,"required_score":15.0,"action":"add header","symbols":{)"
                         R"("BAYES_SPAM":{"name":"BAYES_SPAM","score":5.1,"options":["99.9%"]},)"
                         R"("R-odd name":{"name":"R-odd name","score":6.4},"ZERO":{"name":"ZERO"}},"messages":{}})";

std::string response(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nServer: rspamd/3.4\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nContent-Type: application/json\r\n\r\n" + body;
}

const std::string text = "Subject: s\r\n\r\nhello\r\n";

} // namespace

BOOST_AUTO_TEST_SUITE(check_rspamd_test)

BOOST_AUTO_TEST_CASE(an_answer_is_read) {
    const auto answer = rspamd::parse_answer(json, 10).value();
    BOOST_TEST(answer.score == 11.5);
    BOOST_TEST(answer.threshold == 15.0);
    BOOST_TEST(answer.action == "add header");
    BOOST_REQUIRE(answer.symbols.size() == 3u);
    BOOST_TEST(answer.symbols[0].name == "BAYES_SPAM");
    BOOST_TEST(answer.symbols[0].score == 5.1);
    BOOST_TEST(answer.symbols[0].detail == "99.9%");
    BOOST_TEST(rspamd::parse_answer(json, 1).value().cut);
    for (const char* said :
         {"", "[]", "{}", "{\"score\":1}", "{\"score\":\"1\",\"symbols\":{}}", "{\"score\":1,\"symbols\":[]}"})
        BOOST_TEST_CONTEXT(said)
    BOOST_TEST(!rspamd::parse_answer(said, 10));
}

BOOST_AUTO_TEST_CASE(http_is_read_octet_by_octet) {
    const auto whole = response(json);
    for (std::size_t i = 0; i < whole.size(); ++i)
        BOOST_TEST(!rspamd::parse_http(std::string_view{whole}.substr(0, i), false).value().complete);
    const auto done = rspamd::parse_http(whole, false).value();
    BOOST_TEST(done.complete);
    BOOST_TEST(whole.substr(done.body, done.size) == json);
    BOOST_TEST(!rspamd::parse_http(whole.substr(0, whole.size() - 1), true)); // it ends early
    BOOST_TEST(!rspamd::parse_http("HTTP/1.1 403 Forbidden\r\n\r\n", false));
    BOOST_TEST(!rspamd::parse_http("SPAMD/1.1 200 OK\r\n\r\n", false));
    BOOST_TEST(rspamd::parse_http("HTTP/1.1 200 OK\r\n\r\n{}", true).value().size == 2u); // without a length
}

BOOST_AUTO_TEST_CASE(it_is_told_who_sends_to_whom_and_its_symbols_are_taken_over) {
    std::string asked;
    const false_scanner scanner{[&](false_scanner::peer& p) {
        asked = p.until("\r\n\r\n");
        (void)p.octets(text.size());
        p.say_slowly(response(json));
    }};
    config::settings settings;
    settings.rspamd.endpoint = scanner.endpoint();
    settings.rspamd.factor = 2;
    auto m = std::make_shared<message>(*message_with(text, settings));
    m->envelope.sender = smtp::parse_path_argument("<alice@example.org>").value();
    m->envelope.recipients = {smtp::parse_path_argument("<b@example.net>").value(),
                              smtp::parse_path_argument("<c@example.net>").value()};
    m->envelope.xforward = {{"ADDR", "192.0.2.7"}, {"HELO", "client.example.org\r\nX: y"}};
    const auto found = run_check("rspamd", m, with_scanners(settings));
    BOOST_TEST(asked.starts_with("POST /checkv2 HTTP/1.1\r\n"));
    for (const char* field :
         {"\r\nFrom: alice@example.org\r\n", "\r\nRcpt: b@example.net\r\n", "\r\nRcpt: c@example.net\r\n",
          "\r\nIP: 192.0.2.7\r\n", "\r\nUser: a@example.org\r\n", "\r\nQueue-Id: 4ABC\r\n"})
        BOOST_TEST(asked.find(field) != std::string::npos, field);
    BOOST_TEST(asked.find("Helo") == std::string::npos); // control characters are not passed on
    BOOST_REQUIRE(find_symbol(found, "RSPAMD_BAYES_SPAM"));
    BOOST_TEST(find_symbol(found, "RSPAMD_BAYES_SPAM")->score == 10.2);
    BOOST_REQUIRE(find_symbol(found, "RSPAMD_R_ODD_NAME"));
    BOOST_TEST(find_symbol(found, "RSPAMD_R_ODD_NAME")->score == 12.8);
}

BOOST_AUTO_TEST_CASE(more_symbols_than_are_taken_and_a_message_at_its_bound) {
    const false_scanner scanner{[&](false_scanner::peer& p) {
        (void)p.until("\r\n\r\n");
        (void)p.octets(text.size());
        p.say(response(json));
    }};
    config::settings settings;
    settings.rspamd.endpoint = scanner.endpoint();
    settings.rspamd.max_symbols = 2;
    settings.rspamd.max_size = {text.size()};
    const auto cut = run_check("rspamd", message_with(text, settings), with_scanners(settings));
    BOOST_REQUIRE(cut.size() == 3u);
    BOOST_REQUIRE(find_symbol(cut, "RSPAMD_MORE_SYMBOLS"));
    BOOST_TEST(find_symbol(cut, "RSPAMD_MORE_SYMBOLS")->score == 0);
    settings.rspamd.max_symbols = 3; // as many as there are
    const auto all = run_check("rspamd", message_with(text, settings), with_scanners(settings));
    BOOST_TEST(all.size() == 3u);
    BOOST_TEST(!find_symbol(all, "RSPAMD_MORE_SYMBOLS"));
    const auto larger = run_check("rspamd", message_with(text + "x", settings), with_scanners(settings));
    BOOST_REQUIRE(larger.size() == 1U);
    BOOST_TEST(larger[0].symbol == "RSPAMD_TOO_LARGE");
}

BOOST_AUTO_TEST_CASE(off_too_large_dead_and_talkative) {
    config::settings settings;
    BOOST_TEST(run_check("rspamd", message_with(text, settings), with_scanners(settings)).empty());
    settings.rspamd.endpoint = "unix:/nonexistent/rspamd";
    BOOST_CHECK_THROW((void)run_check("rspamd", message_with(text, settings), with_scanners(settings)),
                      std::runtime_error);
    settings.rspamd.max_size = {5};
    const auto told = run_check("rspamd", message_with(text, settings), with_scanners(settings));
    BOOST_REQUIRE(told.size() == 1U);
    BOOST_TEST(told[0].symbol == "RSPAMD_TOO_LARGE");
    BOOST_TEST(told[0].score == 0.0);
    const false_scanner talkative{[&](false_scanner::peer& p) {
        (void)p.until("\r\n\r\n");
        (void)p.octets(text.size());
        p.say(response(std::string(100'000, 'x')));
    }};
    config::settings narrow;
    narrow.rspamd.endpoint = talkative.endpoint();
    narrow.rspamd.max_answer = {16384};
    BOOST_CHECK_THROW((void)run_check("rspamd", message_with(text, narrow), with_scanners(narrow)), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()
