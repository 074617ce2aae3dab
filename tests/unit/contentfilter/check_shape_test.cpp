// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

std::vector<finding> shape_of(const std::string& type, std::string_view text, const message_options& how = {}) {
    return run_check("shape",
                     make_message("Subject: s\r\nContent-Type: " + type + "\r\n\r\n" + std::string{text}, how));
}
std::string symbols(const std::vector<finding>& found) {
    std::string out;
    for (const auto& f : found)
        out += (out.empty() ? "" : " ") + f.symbol;
    return out;
}
std::string repeated(std::string_view piece, int times) {
    std::string out;
    while (times-- > 0)
        out += piece;
    return out;
}
const std::string prose = "The quick brown fox jumps over the lazy dog while the band plays on and nobody looks. ";

} // namespace

BOOST_AUTO_TEST_SUITE(check_shape_test)

BOOST_AUTO_TEST_CASE(hidden_text_is_found_by_its_amount_and_weighs_by_its_share) {
    const auto hidden = [](int letters) {
        return "<p style='font-size:0'>" + std::string(static_cast<std::size_t>(letters), 'x') + "</p>";
    };
    BOOST_TEST(symbols(shape_of("text/html", prose + hidden(40))) == "");
    const auto little = shape_of("text/html", repeated(prose, 20) + hidden(41));
    BOOST_REQUIRE(symbols(little) == "HIDDEN_TEXT");
    BOOST_TEST(little[0].score < 1.2);
    const auto most = shape_of("text/html", "hello" + hidden(5000));
    BOOST_REQUIRE(symbols(most) == "HIDDEN_TEXT");
    BOOST_TEST(most[0].score > 2.9);
    BOOST_TEST(most[0].score <= 3);
    // What fills the preview of a newsletter has no letters.
    BOOST_TEST(symbols(shape_of("text/html", prose + "<div style='display:none'>" +
                                                 repeated("&#847;&zwnj;&nbsp;", 200) + "</div>")) == "");
}

BOOST_AUTO_TEST_CASE(html_of_an_image_alone_is_found) {
    BOOST_TEST(symbols(shape_of("text/html", "<img src='http://a.example/x.png'><p>Look!")) == "IMAGE_ONLY");
    BOOST_TEST(symbols(shape_of("text/html", "<img src='http://a.example/x.png'>" + prose)) == "");
    BOOST_TEST(symbols(shape_of("text/html", "<img width=1 src='http://a.example/x.png'>Yes.")) == "");
    BOOST_TEST(symbols(shape_of("text/html", "<p>Yes.")) == "");
}

BOOST_AUTO_TEST_CASE(a_text_of_urls_is_found_and_a_link_in_a_letter_is_not) {
    const auto only = shape_of("text/plain", "http://example.net/a/long/path/to/somewhere\r\n");
    BOOST_REQUIRE(symbols(only) == "URL_ONLY URL_ONE_LINE");
    BOOST_TEST(only[0].score == 1.5);
    BOOST_TEST(symbols(shape_of("text/plain",
                                "http://example.net/a/long/path\r\nhttp://example.net/b/long/path\r\n")) == "URL_ONLY");
    const auto almost = shape_of("text/plain", "see here: http://example.net/" + std::string(60, 'x'));
    BOOST_REQUIRE(symbols(almost) == "URL_ONLY URL_ONE_LINE");
    BOOST_TEST(almost[0].score < 1.5);
    BOOST_TEST(symbols(shape_of("text/plain", "Have a look at this: http://example.net/\r\n")) == "");
    BOOST_TEST(symbols(shape_of("text/plain", prose + "http://example.net/")) == "");
    BOOST_TEST(symbols(shape_of("text/plain", "")) == "");
    BOOST_TEST(symbols(shape_of("text/plain", "no link\r\n-- \r\nhttp://example.net/a/long/path/to/somewhere")) == "");
}

BOOST_AUTO_TEST_CASE(words_that_nobody_can_say_are_found) {
    BOOST_TEST(symbols(shape_of("text/plain", repeated("xkqwrtzp bcdfghjk a7x9q2z4 ", 10))) == "RANDOM_WORDS");
    BOOST_TEST(symbols(shape_of("text/plain", repeated(prose, 3))) == "");
    // Too few to say, digests and encoded lines, and languages with many consonants.
    BOOST_TEST(symbols(shape_of("text/plain", "xkqwrtzp bcdfghjk")) == "");
    BOOST_TEST(symbols(shape_of("text/plain", repeated("9e107d9d372bb6826bd81d3542a419d6 ", 40))) == "");
    BOOST_TEST(symbols(shape_of("text/plain", repeated("hQEMA5WlZRnXlUdLAQf9FqsXyMLa3G8r0kTn2y5p7wz\r\n", 40))) == "");
    BOOST_TEST(symbols(shape_of(
                   "text/plain; charset=utf-8",
                   repeated("Wzrost cen w\u0119gla wstrz\u0105sn\u0105\u0142 rynkiem chrz\u0105szcz brzmi w trzcinie ",
                            5))) == "");
    BOOST_TEST(symbols(shape_of("text/plain",
                                repeated("Angstschweiss Rechtschreibung Wirtschaftspruefer der die das ", 5))) == "");
}

BOOST_AUTO_TEST_CASE(files_that_go_with_a_letter_are_not_judged) {
    const auto text = with_attachment("Content-Type: text/html\r\nContent-Disposition: attachment; filename=a.html\r\n",
                                      "<img src='http://a.example/x.png'>" + std::string("<p style='display:none'>") +
                                          repeated("hidden ", 100));
    BOOST_TEST(symbols(run_check("shape", make_message(text))) == "");
}

BOOST_AUTO_TEST_CASE(a_text_beyond_its_bound_is_found) {
    message_options how;
    how.content.max_text = byte_count{200};
    BOOST_TEST(symbols(shape_of("text/plain", repeated(prose, 3), how)) == "TEXT_BOUND");
    BOOST_TEST(symbols(shape_of("text/plain", prose, how)) == "");
    how = {};
    how.content.max_html_elements = 100;
    BOOST_TEST(symbols(shape_of("text/html", prose + repeated("<b>x</b>", 51), how)) == "TEXT_BOUND");
    BOOST_TEST(symbols(shape_of("text/html", prose + repeated("<b>x</b>", 50), how)) == "");
}

BOOST_AUTO_TEST_CASE(html_of_five_megabytes_without_a_blank_is_a_finding) {
    const auto found = shape_of("text/html", std::string(5U << 20U, 'x'));
    BOOST_TEST(find_symbol(found, "TEXT_BOUND") != nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
