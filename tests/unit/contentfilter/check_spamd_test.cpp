// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "contentfilter/checks/spamd_protocol.hpp"
#include "scanner_fixture.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

const std::string report = "Spam detection software, running on the system \"mail\",\r\n"
                           "Content analysis details:   (1003.4 points, 5.0 required)\r\n\r\n"
                           " pts rule name              description\r\n"
                           "---- ---------------------- --------------------------------------------------\r\n"
                           "1000 GTUBE                  BODY: Generic Test for Unsolicited Bulk Email\r\n"
                           " 3.5 BAYES_99               BODY: Bayes spam probability is 99 to 100%\r\n"
                           "                            [score: 1.0000]\r\n"
                           "-0.1 ALL_TRUSTED            Passed through trusted hosts only via SMTP\r\n";

std::string response(const std::string& body, const std::string& sum = "True ; 1003.4 / 5.0") {
    return "SPAMD/1.1 0 EX_OK\r\nContent-length: " + std::to_string(body.size()) + "\r\nSpam: " + sum + "\r\n\r\n" +
           body;
}

const std::string text = "Subject: s\r\n\r\nhello\r\n";

} // namespace

BOOST_AUTO_TEST_SUITE(check_spamd_test)

BOOST_AUTO_TEST_CASE(a_report_is_read) {
    const auto answer = spamd::parse_response(response(report), 10).value();
    BOOST_TEST(answer.score == 1003.4);
    BOOST_TEST(answer.threshold == 5.0);
    BOOST_REQUIRE(answer.symbols.size() == 3u);
    BOOST_TEST(answer.symbols[0].name == "GTUBE");
    BOOST_TEST(answer.symbols[0].score == 1000.0);
    BOOST_TEST(answer.symbols[2].name == "ALL_TRUSTED");
    BOOST_TEST(answer.symbols[2].score == -0.1);
    const auto cut = spamd::parse_response(response(report), 2).value();
    BOOST_TEST(cut.symbols.size() == 2u);
    BOOST_TEST(cut.cut);
    const auto other = spamd::parse_response(response("another template\r\n", "True ; 7.5 / 5.0"), 10).value();
    BOOST_REQUIRE(other.symbols.size() == 1u);
    BOOST_TEST(other.symbols[0].name == "SCORE");
    BOOST_TEST(other.symbols[0].score == 7.5);
}

BOOST_AUTO_TEST_CASE(what_is_no_response_is_an_error) {
    for (const auto& said :
         {std::string{}, std::string{"SPAMD/1.1 76 Bad header line\r\n\r\n"}, std::string{"HTTP/1.1 200 OK\r\n\r\n"},
          std::string{"SPAMD/1.1 0 EX_OK\r\n\r\n"}, response(report, "True"), response(report, "True ; x / 5")})
        BOOST_TEST_CONTEXT(said) {
            const auto outcome = spamd::parse_response(said, 10);
            BOOST_REQUIRE(!outcome);
            BOOST_TEST(outcome.error().code == errc::protocol);
        }
    for (std::size_t i = 0; i < report.size(); ++i) // never more than is there
        BOOST_TEST(spamd::parse_response(response(report.substr(0, i)), 10).value().symbols.size() <= 3u);
}

BOOST_AUTO_TEST_CASE(symbols_are_taken_over_with_the_factor) {
    std::string asked;
    const false_scanner spamd{[&](false_scanner::peer& p) {
        asked = p.until("\r\n\r\n");
        asked += p.octets(text.size());
        p.say_slowly(response(report));
    }};
    config::settings settings;
    settings.spamd.endpoint = spamd.endpoint();
    settings.spamd.factor = 0.5;
    settings.spamd.user = "filter";
    const auto found = run_check("spamd", message_with(text, settings), with_scanners(settings));
    BOOST_TEST(asked == "REPORT SPAMC/1.5\r\nUser: filter\r\nContent-length: " + std::to_string(text.size()) +
                            "\r\n\r\n" + text);
    BOOST_REQUIRE(found.size() == 3u);
    BOOST_REQUIRE(find_symbol(found, "SA_BAYES_99"));
    BOOST_TEST(find_symbol(found, "SA_BAYES_99")->score == 1.75);
    BOOST_TEST(find_symbol(found, "SA_GTUBE")->score == 500);
    BOOST_TEST((find_symbol(found, "SA_GTUBE")->action == config::forced_verdict::none));
    BOOST_TEST(find_symbol(found, "SA_ALL_TRUSTED")->score < 0);
}

BOOST_AUTO_TEST_CASE(more_symbols_than_are_taken_and_a_report_without_a_table_have_symbols_of_their_own) {
    std::atomic<bool> plain{false};
    const false_scanner spamd{[&](false_scanner::peer& p) {
        (void)p.until("\r\n\r\n");
        (void)p.octets(text.size());
        p.say(plain ? response("another template\r\n", "True ; 7.5 / 5.0") : response(report));
    }};
    config::settings settings;
    settings.spamd.endpoint = spamd.endpoint();
    settings.spamd.max_symbols = 2;
    const auto found = run_check("spamd", message_with(text, settings), with_scanners(settings));
    BOOST_REQUIRE(found.size() == 3u);
    BOOST_REQUIRE(find_symbol(found, "SA_MORE_SYMBOLS"));
    BOOST_TEST(find_symbol(found, "SA_MORE_SYMBOLS")->score == 0);
    BOOST_TEST(!find_symbol(found, "SA_ALL_TRUSTED"));
    settings.spamd.max_symbols = 3; // as many as there are
    const auto all = run_check("spamd", message_with(text, settings), with_scanners(settings));
    BOOST_TEST(all.size() == 3u);
    BOOST_TEST(!find_symbol(all, "SA_MORE_SYMBOLS"));
    plain = true;
    settings.spamd.factor = 2;
    const auto sum = run_check("spamd", message_with(text, settings), with_scanners(settings));
    BOOST_REQUIRE(sum.size() == 1u);
    BOOST_TEST(sum[0].symbol == "SA_SCORE");
    BOOST_TEST(sum[0].score == 15);
}

BOOST_AUTO_TEST_CASE(a_message_as_large_as_allowed_is_asked_about) {
    const false_scanner spamd{[&](false_scanner::peer& p) {
        (void)p.until("\r\n\r\n");
        (void)p.octets(text.size());
        p.say(response(report));
    }};
    config::settings settings;
    settings.spamd.endpoint = spamd.endpoint();
    settings.spamd.max_size = {text.size()};
    BOOST_TEST(find_symbol(run_check("spamd", message_with(text, settings), with_scanners(settings)), "SA_GTUBE"));
    const auto larger = run_check("spamd", message_with(text + "x", settings), with_scanners(settings));
    BOOST_REQUIRE(larger.size() == 1U);
    BOOST_TEST(larger[0].symbol == "SA_TOO_LARGE");
}

BOOST_AUTO_TEST_CASE(off_too_large_and_dead) {
    config::settings settings;
    BOOST_TEST(run_check("spamd", message_with(text, settings), with_scanners(settings)).empty());
    settings.spamd.endpoint = "unix:/nonexistent/spamd";
    BOOST_CHECK_THROW((void)run_check("spamd", message_with(text, settings), with_scanners(settings)),
                      std::runtime_error);
    settings.spamd.max_size = {5};
    const auto told = run_check("spamd", message_with(text, settings), with_scanners(settings));
    BOOST_REQUIRE(told.size() == 1U);
    BOOST_TEST(told[0].symbol == "SA_TOO_LARGE");
    BOOST_TEST(told[0].score == 0.0);
}

BOOST_AUTO_TEST_SUITE_END()
