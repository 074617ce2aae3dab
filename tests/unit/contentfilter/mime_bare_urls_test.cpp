// SPDX-License-Identifier: Apache-2.0
// Hosts with a path and without a scheme: what readers of mail make a link of, what they leave alone, and what the
// checks make of it.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/mime/cpu_time.hpp"
#include "contentfilter/mime/urls.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

std::string found_in(std::string_view text) {
    std::string out;
    mime::find_bare_urls(text, [&](const mime::url& url) {
        out += (out.empty() ? "" : " ") + url.text;
        return true;
    });
    return out;
}

std::string plain(const std::string& body) {
    return "From: a@example.org\r\nSubject: s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body;
}

struct urls_of {
    std::string written, bare;
    explicit urls_of(const std::string& text, const message_options& how = {}) {
        const auto m = make_message(text, how);
        const mime::content all{m, tree_of(*m)};
        for (const auto& url : all.urls())
            written += (written.empty() ? "" : " ") + url.to.text;
        for (const auto& url : all.bare_urls())
            bare += (bare.empty() ? "" : " ") + url.to.text;
    }
};

std::string symbols(std::string_view check, const std::string& text, const message_options& how = {}) {
    auto resources = std::make_shared<check_resources>();
    auto set = std::make_shared<rule_set>();
    std::vector<std::string> errors;
    parse_rules("[[list]]\nname = 'shorteners'\nwords = ['bit.ly']\n[[list]]\nname = 'bad-domains'\nwords = "
                "['evil.com']\n[[list]]\nname = 'bad-urls'\nwords = ['pages.org/u/mallory']\n"
                "[[pattern]]\nsymbol = 'P'\nwhere = ['url']\nmatch = '^evil'\n",
                "x.toml", *set, errors);
    BOOST_REQUIRE(errors.empty());
    resources->patterns = std::make_shared<pattern_database>(std::exchange(set->patterns, {}));
    resources->rules = std::move(set);
    std::string out;
    for (const auto& f : run_check(check, make_message(text, how), resources))
        out += (out.empty() ? "" : " ") + f.symbol;
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(mime_bare_urls_test)

BOOST_AUTO_TEST_CASE(hosts_with_a_path_are_found_as_readers_of_mail_link_them) {
    struct row {
        std::string text, found;
    };
    const row rows[] = {
        {"go to evil.com/x now", "evil.com/x"},
        {"evil.com/", "evil.com/"},
        {"(evil.com/login.php?a=1&b=2#c).", "evil.com/login.php?a=1&b=2#c"},
        {"\"evil.com/x\" and <evil.net/y>, *evil.org/z*", "evil.com/x evil.net/y evil.org/z"},
        {"Link:evil.com/x", "evil.com/x"},
        {"a.b-c.evil.co.uk:8080/x", "a.b-c.evil.co.uk:8080/x"},
        {"EVIL.COM/X", "EVIL.COM/X"},
        {"163.com/x", "163.com/x"},
        {"evil.pl/x", "evil.pl/x"}, // also the end of names of scripts; no path follows these
        {"evil.zip/x", "evil.zip/x"},
        {"m\u00fcnchen.de/x", "m\u00fcnchen.de/x"},
        {"\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444/x", "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444/x"},
        {"xn--e1afmkfd.xn--p1ai/x", "xn--e1afmkfd.xn--p1ai/x"},
        {"\u201cevil.com/x\u201d", "evil.com/x\u201d"},
        {"\u8bf7\u8bbf\u95eeevil.com/x", "evil.com/x"},
        {"\u00abevil.com/x", "evil.com/x"},
        {"evil.com/x/evil.net/y", "evil.com/x/evil.net/y"},
        {"evil.github.io/x", "evil.github.io/x"},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.text) {
            BOOST_TEST(found_in(r.text) == r.found);
        }
}

BOOST_AUTO_TEST_CASE(what_people_write_is_no_url) {
    const std::string honest[] = {
        "and/or, he/she, 24/7, 1/2, w/o, n/a",
        "e.g./i.e., U.S.A/Canada, p.m./a.m., a.m/p.m, S.A./N.V., Inc./Ltd.",
        "main.cpp/x, file.py, setup.py, README.md, a.b/c.d, index.html/x, node.js/express, foo.cpp:12/y",
        "/usr/share/x.com/y, ./x.com/y, ../x.com/y, C:\\x.com/y, ~x.com/y, lib_x.com/y, a=x.com/y, $x.com/y",
        "someone@example.com/office, mailto:a@example.com/x",
        "3.5.km/h, 10.ms/frame, 1.2/3.4, 192.0.2.1/24, 10.0.0.0/8, 2001:db8::/32",
        "example.com, (example.com), example.com:8080, evil.com",
        "a..com/x, .com/x, -a.com/x, a-.com/x, com/x, co.uk/x, example.local/x, host.example/x",
        std::string(64, 'a') + ".com/x",
        "text/plain, multipart/mixed; application/vnd.ms-excel/x",
        "",
        "/",
        "//",
        ":80/",
        "a:80/x",
    };
    for (const auto& text : honest)
        BOOST_TEST_CONTEXT(text) {
            BOOST_TEST(found_in(text) == "");
        }
}

BOOST_AUTO_TEST_CASE(finding_stops_where_the_visitor_wants_no_more) {
    int count = 0;
    mime::find_bare_urls("a.com/ b.com/ c.com/", [&](const mime::url&) { return ++count < 2; });
    BOOST_TEST(count == 2);
    const auto long_path = "a.com/" + std::string(100'000, 'x');
    BOOST_TEST(found_in(long_path).size() == mime::url::max_length);
}

BOOST_AUTO_TEST_CASE(hostile_texts_are_looked_through_in_time) {
    const std::string pieces[] = {"a.b/", "(a.b/", "a.com/", "(a.com/", "a.zz.", "/", "-/", "1.2:3/", "\xd0\xb5.b/"};
    for (const auto& piece : pieces)
        BOOST_TEST_CONTEXT(piece) {
            std::string text;
            while (text.size() < (1U << 20U))
                text += piece;
            const auto began = mime::thread_time();
            (void)found_in(text);
            BOOST_TEST((mime::thread_time() - began < std::chrono::seconds{10}));
        }
}

BOOST_AUTO_TEST_CASE(they_are_kept_apart_from_urls_and_each_once) {
    const urls_of text{plain("evil.com/x http://a.example/ evil.com/x www.evil.com/y, evil.com/z\r\n"
                             "http://b.example/r?u=evil.com/q,evil.com/r b.example/ bob@evil.com/s")};
    BOOST_TEST(text.written == "http://a.example/ www.evil.com/y http://b.example/r?u=evil.com/q,evil.com/r");
    BOOST_TEST(text.bare == "evil.com/x evil.com/z");
    // What a link says of itself is the link.
    const urls_of page{
        "From: a@example.org\r\nContent-Type: text/html\r\n\r\n<a href='https://evil.com/x'>evil.com/x</a> "
        "<p>evil.net/<b>y</b>"};
    BOOST_TEST(page.written == "https://evil.com/x");
    BOOST_TEST(page.bare == "evil.net/y");
    // No reader makes links of a header.
    BOOST_TEST(urls_of{"From: a@example.org\r\nSubject: evil.com/x\r\nX-Program: evil.com/1\r\n\r\nx"}.bare == "");
}

BOOST_AUTO_TEST_CASE(checks_of_links_look_at_them_and_count_none) {
    const auto bare = plain("see bit.ly/2xYz and \u0440\u0430\u0443\u0440\u0430l.com/x");
    BOOST_TEST(symbols("links", bare) == "LINK_SHORTENER LINK_PUNYCODE LINK_LOOK_ALIKE");
    BOOST_TEST(symbols("links", plain("see notbit.ly/2xYz, and/or paypal.com/x")) == "");
    BOOST_TEST(symbols("url_lists", plain("see www2.evil.com/x")) == "LISTED_DOMAIN");
    BOOST_TEST(symbols("url_lists", plain("see evil.com.example.org/x, at/evil.com/x")) == "");
    BOOST_TEST(symbols("url_lists", plain("see pages.org/u/mallory//x")) == "LISTED_URL");
    BOOST_TEST(symbols("url_lists", plain("see pages.org/u/alice//x")) == "");
    BOOST_TEST(symbols("patterns", plain("see evil.com/x")) == "P");
    BOOST_TEST(symbols("patterns", plain("see good.com/evil")) == "");
    message_options how;
    how.content.many_urls = 5;
    how.content.max_urls = 10;
    std::string many;
    for (int i = 0; i < 10; ++i)
        many += "h" + std::to_string(i) + ".example.com/x ";
    BOOST_TEST(symbols("links", plain(many), how) == "");
    BOOST_TEST(symbols("links", plain(many + "h3.example.com/x http://a.example/"), how) == "");
    BOOST_TEST(symbols("links", plain(many + "h10.example.com/x"), how) == "LINK_BOUND");
    BOOST_TEST(symbols("shape", plain(many)) == "");
}

BOOST_AUTO_TEST_SUITE_END()
