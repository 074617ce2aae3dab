// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

#include <ctime>

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

BOOST_AUTO_TEST_CASE(a_name_takes_no_letter_out_of_sight) {
    const auto hidden = "hello <p style='display:none'>" + repeated("hidden ", 100);
    BOOST_TEST(symbols(shape_of("text/html; name=a.html", hidden)) == "HIDDEN_TEXT");
    const auto after = [&](const std::string& header) {
        return symbols(run_check("shape", make_message(with_attachment(header, hidden))));
    };
    BOOST_TEST(after("Content-Type: text/html; name=a.html\r\n") == "HIDDEN_TEXT");
    BOOST_TEST(after("Content-Type: text/html\r\nContent-Disposition: inline; filename=a.html\r\n") == "HIDDEN_TEXT");
    BOOST_TEST(after("Content-Type: application/octet-stream; name=a.html\r\n") == "");
}

BOOST_AUTO_TEST_CASE(a_charset_that_is_none_or_does_not_fit_is_found) {
    BOOST_TEST(symbols(shape_of("text/plain; charset=no-such-charset", prose)) == "CHARSET_UNKNOWN");
    for (const char* honest : {"utf-8", "us-ascii", "iso-8859-1", "windows-1252", "koi8-r", "iso-2022-jp", "big5",
                               "x-sjis", "gb18030", "cp-850", "iso-8859-15", "\"\""})
        BOOST_TEST_CONTEXT(honest) {
            BOOST_TEST(symbols(shape_of(std::string{"text/plain; charset="} + honest, prose)) == "");
        }
    // An honest letter with a wrong label, however short it is.
    const std::string latin = "Sch\xf6ne Gr\xfc\xdf"
                              "e aus M\xfcnchen, und vielen Dank f\xfcr die \xc4pfel. ";
    for (const auto& letter : {latin, repeated(latin, 50), std::string{"\xe4\xf6\xfc"}})
        BOOST_TEST_CONTEXT(letter.size()) {
            const auto found = shape_of("text/plain; charset=utf-8", letter);
            const auto* f = find_symbol(found, "CHARSET_INVALID");
            BOOST_REQUIRE(f);
            BOOST_TEST(f->score == 0.3);
            BOOST_TEST(symbols(shape_of("text/plain; charset=iso-8859-1", letter)) == "");
            BOOST_TEST(symbols(shape_of("text/plain", letter)) == "");
        }
    // One stray octet in a long letter is none; a text of them is more.
    BOOST_TEST(symbols(shape_of("text/plain; charset=utf-8", repeated(prose, 10) + "\xe9")) == "");
    const auto most = shape_of("text/plain; charset=utf-8", repeated("\xd7\xd9\xce\xcf\xd3 ", 40));
    BOOST_REQUIRE(symbols(most) == "CHARSET_INVALID");
    BOOST_TEST(most[0].score == 0.8);
    // Of files others may judge.
    BOOST_TEST(
        symbols(run_check("shape", make_message(with_attachment("Content-Type: text/plain; charset=none-at-all\r\n"
                                                                "Content-Disposition: attachment; filename=a.txt\r\n",
                                                                latin)))) == "");
}

BOOST_AUTO_TEST_CASE(rules_of_style_beyond_their_bound_are_found) {
    const auto page = [](int rules) {
        std::string sheet;
        for (int i = 0; i < rules; ++i)
            sheet += ".r" + std::to_string(i) + "{color:red}";
        return "<style>" + sheet + "</style>" + prose;
    };
    BOOST_TEST(symbols(shape_of("text/html", page(11'000))) == "TEXT_BOUND");
    BOOST_TEST(symbols(shape_of("text/html", page(9'000))) == "");
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
    const auto began = std::clock();
    const auto found = shape_of("text/html", std::string(5U << 20U, 'x'));
    BOOST_TEST((std::clock() - began) / CLOCKS_PER_SEC < 10);
    BOOST_REQUIRE(symbols(found) == "TEXT_BOUND");
    BOOST_TEST(found[0].evidence == "part 1: HTML over 1 MiB");
    BOOST_TEST(symbols(shape_of("text/html", std::string(1U << 20U, 'x'))) == "");
}

BOOST_AUTO_TEST_SUITE_END()
