// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/bayes/tokens.hpp"
#include "contentfilter/bayes/words.hpp"

#include <set>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

std::vector<std::uint64_t> words_of(std::string_view text) {
    std::vector<std::uint64_t> out;
    bayes::for_each_word(text, [&](std::uint64_t word) {
        out.push_back(word);
        return true;
    });
    return out;
}

std::set<std::uint64_t> tokens_in(std::string_view text, std::size_t most = 2000) {
    const auto m = make_message(text);
    const auto tree = tree_of(*m);
    const mime::content content{m, tree};
    const auto all = bayes::tokens_of(*m, tree.get(), content, most);
    std::set<std::uint64_t> out;
    for (std::size_t i = 0; i < all.size(); ++i) {
        BOOST_TEST((i == 0 || all[i - 1].hash < all[i].hash));
        BOOST_TEST(all[i].first <= all[i].last);
        out.insert(all[i].hash);
    }
    return out;
}

std::string letter(std::string_view subject, std::string_view body, std::string_view more = "") {
    return "From: a@example.org\r\nSubject: " + std::string{subject} +
           "\r\nMessage-ID: <1@x>\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\n" + std::string{more} + "\r\n" +
           std::string{body} + "\r\n";
}

std::size_t common(const std::set<std::uint64_t>& a, const std::set<std::uint64_t>& b) {
    return static_cast<std::size_t>(std::count_if(a.begin(), a.end(), [&](auto t) { return b.contains(t); }));
}

} // namespace

BOOST_AUTO_TEST_SUITE(bayes_words_test)

BOOST_AUTO_TEST_CASE(the_same_words_in_another_dress) {
    const std::pair<std::string_view, std::string_view> same[] = {
        {"Buy NOW", "buy now"},
        {"(buy), \"now\"...", "buy now"},
        {"\xC3\x9C"
         "bung macht",
         "\xC3\xBC"
         "bung  macht"},
        {"\xD0\x9F\xD0\xA0\xD0\x98", "\xD0\xBF\xD1\x80\xD0\xB8"},
        {"call 1234567", "call 7654321"}, // a long number by its length
        {"free!!!", "free!!!!!!"},
        {"a\xC2\xA0"
         "b",
         "a b"},
    };
    for (const auto& [a, b] : same)
        BOOST_TEST_CONTEXT(a) BOOST_TEST(words_of(a) == words_of(b), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(words_and_their_number) {
    const std::pair<std::string_view, std::size_t> table[] = {
        {"", 0},
        {"  \t\r\n...---", 0},
        {"don't e-mail www.example.org now", 4},
        {"trailing- .leading", 2},
        {"free!!! $100 50%", 6},
        {"1234 12345", 2},
        {"\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xB8\x96\xE7\x95\x8C", 4}, // four ideographs
        {"abc\xE4\xBD\xA0", 2},
        {"\xff\xfe broken \xc3", 1},
        {"a!b", 3},
    };
    for (const auto& [text, count] : table)
        BOOST_TEST_CONTEXT(text) BOOST_TEST(words_of(text).size() == count);
}

BOOST_AUTO_TEST_CASE(different_words_differ) {
    BOOST_TEST(words_of("abc") != words_of("acb"), boost::test_tools::per_element());
    BOOST_TEST(words_of("123") != words_of("124"), boost::test_tools::per_element());
    BOOST_TEST(words_of("12345") != words_of("123456"), boost::test_tools::per_element());
    BOOST_TEST(words_of("!") != words_of("!!"), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_visitor_ends_it) {
    std::size_t seen = 0;
    bayes::for_each_word("a b c d", [&](std::uint64_t) { return ++seen < 2; });
    BOOST_TEST(seen == 2u);
}

BOOST_AUTO_TEST_CASE(order_and_distance_of_words_count) {
    const auto straight = tokens_in(letter("s", "alpha beta gamma"));
    BOOST_TEST((straight == tokens_in(letter("s", "Alpha, beta; gamma."))));
    BOOST_TEST((straight != tokens_in(letter("s", "gamma beta alpha"))));
    BOOST_TEST((straight != tokens_in(letter("s", "alpha gamma beta"))));
    // three words, two pairs of neighbours, one pair of those that have one between them
    const auto none = tokens_in(letter("s", ""));
    BOOST_TEST(straight.size() - common(straight, none) == 6u);
    // what stands further apart than the window is no pair
    const auto far = tokens_in(letter("s", "alpha 1 2 beta"));
    BOOST_TEST(far.size() - common(far, none) == 4u + 3 + 2);
}

BOOST_AUTO_TEST_CASE(a_subject_is_no_text) {
    const auto subject = tokens_in(letter("lottery", "hello"));
    const auto text = tokens_in(letter("hello", "lottery"));
    BOOST_TEST((subject != text));
    BOOST_TEST((tokens_in(letter("=?utf-8?q?lot?=\r\n =?utf-8?q?tery?=", "hello")) == subject));
}

BOOST_AUTO_TEST_CASE(html_is_read_as_it_is_shown) {
    const auto html = "Content-Type: text/html\r\n";
    const auto plain = tokens_in(letter("s", "<p>cheap <!-- x -->p<b>ill</b>s", html));
    const auto other = tokens_in(letter("s", "<div><i>cheap</i> pills", html));
    BOOST_TEST((plain == other));
    BOOST_TEST((plain != tokens_in(letter("s", "<p>cheap <span style='display:none'>poem</span> pills", html))));
}

BOOST_AUTO_TEST_CASE(hosts_names_and_programs_are_tokens) {
    const auto bare = tokens_in(letter("s", "hello"));
    const auto linked = tokens_in(letter("s", "hello http://www.shop.example/a"));
    const auto below = tokens_in(letter("s", "hello http://cdn.shop.example/b"));
    BOOST_TEST(common(linked, below) > common(linked, bare)); // shop.example
    BOOST_TEST((tokens_in(letter("s", "hello", "X-Mailer: Blaster 3\r\n")) != bare));
    BOOST_TEST((tokens_in(letter("s", "hello", "To: somebody@example.net\r\nReceived: from x\r\n")) == bare));
    const auto program = tokens_in(with_attachment("Content-Type: application/x; name=\"a.exe\"\r\n", "x"));
    const auto picture = tokens_in(with_attachment("Content-Type: application/x; name=\"a.png\"\r\n", "x"));
    BOOST_TEST((program != picture));
}

BOOST_AUTO_TEST_CASE(line_ends_and_traces_make_no_other_message) {
    const auto one = tokens_in(letter("s", "the quick brown fox"));
    BOOST_TEST((tokens_in("Received: by mx.example.net; today\r\nReturn-Path: <x@y>\r\n" +
                          letter("s", "the quick\r\nbrown fox")) == one));
}

BOOST_AUTO_TEST_CASE(of_a_long_text_a_sample_is_taken_everywhere) {
    std::string text;
    for (int i = 0; i < 20'000; ++i)
        text += "w" + std::to_string(i) + " ";
    const auto whole = tokens_in(letter("s", text), 1000);
    BOOST_TEST(whole.size() >= 1000u);
    BOOST_TEST(whole.size() < 1100u);
    // Padding before it moves a part of the sample only, and what stays is the same.
    const auto padded = tokens_in(letter("s", "first " + text), 1000);
    BOOST_TEST(common(whole, padded) > 950u);
    const auto half = tokens_in(letter("s", text.substr(text.size() / 2)), 1000);
    BOOST_TEST(common(whole, half) > 350u);
}

BOOST_AUTO_TEST_CASE(a_message_without_parts_has_its_header) {
    const auto m = make_message(letter("lottery", "hello"));
    const mime::content content{m, nullptr};
    BOOST_TEST(!bayes::tokens_of(*m, nullptr, content, 2000).empty());
}

BOOST_AUTO_TEST_SUITE_END()
