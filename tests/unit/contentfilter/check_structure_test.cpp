// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

#include <ctime>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

std::string date(long seconds_from_now) {
    const std::time_t when = std::time(nullptr) + seconds_from_now;
    std::tm fields{};
    ::gmtime_r(&when, &fields);
    char text[64];
    const auto size = std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S +0000\r\n", &fields);
    return {text, size};
}

const std::string id = "Message-ID: <1@example.org>\r\n";
std::string sound() {
    return "From: a@example.org\r\nTo: b@example.net\r\nSubject: hello\r\n" + date(0) + id;
}

std::string symbols(const std::string& header, const message_options& how = {}) {
    std::string out;
    for (const auto& f : run_check("structure", make_message(header + "\r\nbody\r\n", how)))
        out += (out.empty() ? "" : " ") + f.symbol;
    return out;
}

constexpr long day = 86400;

} // namespace

BOOST_AUTO_TEST_SUITE(check_structure_test)

BOOST_AUTO_TEST_CASE(a_sound_header_has_no_findings) {
    BOOST_TEST(symbols(sound()) == "");
    BOOST_TEST(symbols(sound() + "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nReceived: x\r\nReceived: y\r\n"
                                 "X-A: 1\r\nX-A: 2\r\nComments: 1\r\nComments: 2\r\n") == "");
}

BOOST_AUTO_TEST_CASE(missing_fields_are_found) {
    BOOST_TEST(symbols("From: a@example.org\r\n" + id) == "MISSING_DATE");
    BOOST_TEST(symbols("From: a@example.org\r\n" + date(0)) == "MISSING_MESSAGE_ID");
}

BOOST_AUTO_TEST_CASE(a_date_far_from_now_or_none_at_all_is_found) {
    const auto with = [](const std::string& line) { return "From: a@example.org\r\n" + line + id; };
    BOOST_TEST(symbols(with(date(-6 * day))) == "");
    BOOST_TEST(symbols(with(date(6 * day))) == "");
    BOOST_TEST(symbols(with(date(-8 * day))) == "DATE_FAR_OFF");
    BOOST_TEST(symbols(with(date(8 * day))) == "DATE_FAR_OFF");
    BOOST_TEST(symbols(with("Date: yesterday\r\n")) == "DATE_INVALID");
    BOOST_TEST(symbols(with("Date:\r\n")) == "DATE_INVALID");
    message_options how;
    how.content.max_date_skew = seconds{3600};
    BOOST_TEST(symbols(with(date(-2 * 3600)), how) == "DATE_FAR_OFF");
}

BOOST_AUTO_TEST_CASE(a_field_that_may_stand_once_is_found_twice) {
    for (const char* field : {"Subject: x", "SUBJECT : x", "To: c@example.net", "Date: x", "Message-ID: <2@x>",
                              "Content-Type: text/html", "MIME-Version: 1.0"})
        BOOST_TEST_CONTEXT(field) {
            const std::string once = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n";
            BOOST_TEST(symbols(sound() + once + field + "\r\n") == "DUPLICATE_FIELD");
        }
}

BOOST_AUTO_TEST_CASE(a_long_field_is_found_but_for_addresses) {
    message_options how;
    how.content.long_field = byte_count{998};
    BOOST_TEST(symbols(sound() + "X-Long: " + std::string(980, 'x') + "\r\n", how) == "");
    BOOST_TEST(symbols(sound() + "X-Long: " + std::string(1000, 'x') + "\r\n", how) == "LONG_FIELD");
    BOOST_TEST(symbols(sound() + "Cc: " + std::string(1000, 'x') + "@example.net\r\n", how) == "");
    BOOST_TEST(symbols(sound() + "References: <" + std::string(1000, 'x') + ">\r\n", how) == "");
}

BOOST_AUTO_TEST_CASE(raw_octets_in_a_header_are_found) {
    const auto score = [](const std::string& text) {
        const auto found = run_check("structure", make_message(text));
        const auto* f = find_symbol(found, "RAW_HEADER");
        return f ? f->score : 0;
    };
    BOOST_TEST(score(sound() + "X-A: =?utf-8?Q?caf=C3=A9?=\r\n\r\n") == 0);
    BOOST_TEST(score(sound() + "X-A: caf\u00e9\r\n\r\n") == 0.3);
    BOOST_TEST(score(sound() + "X-A: caf\xe9\r\n\r\n") == 0.5);
    BOOST_TEST(score(sound() + "\r\ncaf\xe9\r\n") == 0);
    auto smtputf8 = std::make_shared<message>(*make_message(sound() + "X-A: caf\u00e9\r\n\r\n"));
    smtputf8->envelope.sender = smtp::parse_path_argument("<a@example.org> SMTPUTF8").value();
    BOOST_TEST(run_check("structure", smtputf8).empty());
}

BOOST_AUTO_TEST_CASE(a_piece_of_a_message_is_held) {
    const auto found = run_check(
        "structure",
        make_message(sound() + "MIME-Version: 1.0\r\nContent-Type: message/partial; id=x; number=1; total=2\r\n\r\nx"));
    const auto* f = find_symbol(found, "MESSAGE_PARTIAL");
    BOOST_REQUIRE(f != nullptr);
    BOOST_TEST(f->score >= config::profile{}.hold_score);
    BOOST_TEST(symbols(sound() + "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n") == "");
}

BOOST_AUTO_TEST_SUITE_END()
