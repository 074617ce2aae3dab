// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/text.hpp"

#include <array>

using namespace postsluice;
using namespace std::string_literals;

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(case_is_folded_in_ascii_only) {
    BOOST_TEST(to_lower("AZaz09[`{@\xC3\x84") == "azaz09[`{@\xC3\x84");
    BOOST_TEST(iequals("Mail", "mAIL"));
    BOOST_TEST(!iequals("mail", "mails"));
    BOOST_TEST(!iequals("[", "{"));
    BOOST_TEST(istarts_with("SMTP:x", "smtp:"));
    BOOST_TEST(!istarts_with("SM", "smtp"));
}

BOOST_AUTO_TEST_CASE(trim_takes_blanks_off_both_ends) {
    BOOST_TEST(trim(" \t\r\na b\n ") == "a b");
    BOOST_TEST(trim(" \t").empty());
    BOOST_TEST(trim("").empty());
    BOOST_TEST(trim("\va\v") == "\va\v");
}

BOOST_AUTO_TEST_CASE(split_keeps_empty_fields) {
    using fields = std::vector<std::string_view>;
    BOOST_TEST(split("a,,b,", ',') == (fields{"a", "", "b", ""}), boost::test_tools::per_element());
    BOOST_TEST(split("", ',') == (fields{""}), boost::test_tools::per_element());
    BOOST_TEST(split("abc", ',') == (fields{"abc"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(printable_text_is_one_line_of_valid_utf8) {
    struct row {
        std::string text, shown;
    };
    const row table[] = {
        {"plain text", "plain text"},
        {"a\r\nb\tc\x7F\0d"s, "a??b?c??d"},
        {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
        {"\xE2\x82\xAC \xF0\x9F\x90\x8C", "\xE2\x82\xAC \xF0\x9F\x90\x8C"},
        {"\xFF\xFE", "??"},
        {"\xC3", "?"},
        {"\xC3(", "?("},
        {"\xC0\x80", "??"},           // overlong NUL
        {"\xE0\x80\x80", "???"},      // overlong
        {"\xED\xA0\x80", "???"},      // a surrogate
        {"\xF4\x90\x80\x80", "????"}, // beyond U+10FFFF
        {"a\xC2\x85"
         "b",
         "a?b"}, // a C1 control
        {"\xC2\xA0", "\xC2\xA0"},
    };
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.shown) {
            BOOST_TEST(printable(one.text) == one.shown);
            BOOST_TEST(is_valid_utf8(printable(one.text)));
        }
    }
}

BOOST_AUTO_TEST_CASE(printable_text_is_cut_between_characters) {
    BOOST_TEST(printable("abcdef", 3) == "abc");
    BOOST_TEST(printable("ab\xE2\x82\xAC", 4) == "ab");
    BOOST_TEST(printable("ab\xE2\x82\xAC", 5) == "ab\xE2\x82\xAC");
    BOOST_TEST(printable("abc", 0).empty());
    BOOST_TEST(printable(std::string(1000, 'x')).size() == 400U);
}

BOOST_AUTO_TEST_CASE(utf8_is_told_from_what_is_not) {
    for (const auto& good : {""s, "a\0b"s, "\xC3\xBC"s, "\xEF\xBF\xBF"s, "\xF4\x8F\xBF\xBF"s})
        BOOST_TEST(is_valid_utf8(good));
    for (const auto& bad :
         {"\x80"s, "\xC1\x81"s, "\xE2\x82"s, "\xED\xBF\xBF"s, "\xF0\x80\x80\x80"s, "\xF5\x80\x80\x80"s, "ok\xFF"s})
        BOOST_TEST(!is_valid_utf8(bad));
}

BOOST_AUTO_TEST_CASE(the_nearest_word_is_suggested_where_one_is_near) {
    constexpr std::array<std::string_view, 4> words = {"messages", "recipients", "hour", "day"};
    BOOST_TEST(did_you_mean("recipents", words) == "recipients");
    BOOST_TEST(did_you_mean("MESAGES", words) == "messages");
    BOOST_TEST(did_you_mean("huor", words) == "hour");
    BOOST_TEST(did_you_mean("hour", words) == "hour");
    BOOST_TEST(did_you_mean("bananas", words).empty());
    BOOST_TEST(did_you_mean("", std::span<const std::string_view>{}).empty());
}

BOOST_AUTO_TEST_CASE(a_star_in_a_glob_is_any_run_of_characters) {
    struct row {
        const char *pattern, *text;
        bool matches;
    };
    const row table[] = {
        {"*@lists.example.org", "a@lists.example.org", true},
        {"*@lists.example.org", "@lists.example.org", true},
        {"*@lists.example.org", "a@lists.example.orgs", false},
        {"a*b*c", "abc", true},
        {"a*b*c", "axxbyyc", true},
        {"a*b*c", "acb", false},
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"**", "abc", true},
        {"A*", "abc", false},
        {"a?c", "abc", false},
        {"*ab", "aab", true},
        {"*aab*", "aaaab", true},
        {"[a]", "a", false},
    };
    for (const auto& one : table)
        BOOST_TEST_CONTEXT(one.pattern << " on " << one.text) {
            BOOST_TEST(glob_match(one.pattern, one.text) == one.matches);
        }
}

BOOST_AUTO_TEST_CASE(a_glob_of_many_stars_takes_no_exponential_time) {
    std::string pattern;
    for (int i = 0; i < 50; ++i)
        pattern += "*a";
    BOOST_TEST(!glob_match(pattern + "b", std::string(5000, 'a')));
}

BOOST_AUTO_TEST_CASE(base64url_is_that_of_rfc_4648) {
    struct row {
        std::string bytes;
        const char* text;
    };
    const row table[] = {{"", ""},
                         {"f", "Zg"},
                         {"fo", "Zm8"},
                         {"foo", "Zm9v"},
                         {"foob", "Zm9vYg"},
                         {"foobar", "Zm9vYmFy"},
                         {"\xFB\xFF\xFE", "-__-"},
                         {"\0"s, "AA"}};
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.text) {
            BOOST_TEST(base64url_encode(one.bytes) == one.text);
            std::string back = "before";
            BOOST_TEST(base64url_decode(one.text, back));
            BOOST_TEST(back == one.bytes);
        }
    }
}

BOOST_AUTO_TEST_CASE(each_value_has_one_base64url_text_only) {
    for (const auto* text : {"Z", "Zg==", "Zg=", "Zh", "Zm9", "Zm9v\n", " Zg", "Zm+v", "Zm/v", "ZmZtZ"}) {
        BOOST_TEST_CONTEXT(text) {
            std::string back = "before";
            BOOST_TEST(!base64url_decode(text, back));
            BOOST_TEST(back.empty());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
