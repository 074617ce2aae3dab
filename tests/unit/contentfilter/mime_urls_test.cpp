// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "contentfilter/mime/urls.hpp"

#include <string>
#include <vector>

using namespace postsluice::contentfilter;

namespace {

std::vector<std::string> found_in(std::string_view text) {
    std::vector<std::string> out;
    mime::find_urls(text, [&](std::string_view url) {
        out.emplace_back(url);
        return true;
    });
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(mime_urls_test)

BOOST_AUTO_TEST_CASE(urls_are_found_in_text) {
    const std::vector<std::string> wanted{"http://a.example/x?y=1", "https://b.example/path", "WWW.c.example",
                                          "ftp://d.example"};
    BOOST_TEST(found_in("see <a href=\"http://a.example/x?y=1\">this</a>, https://b.example/path. or (WWW.c.example) "
                        "ftp://d.example") == wanted,
               boost::test_tools::per_element());
    for (const char* none : {"", "http:/", "httphttp", "w.w.w", "hhhhhhhhhhh", "www", "a@b.example"})
        BOOST_TEST(found_in(none).empty(), none);
}

BOOST_AUTO_TEST_CASE(finding_stops_where_the_visitor_wants_no_more) {
    int count = 0;
    mime::find_urls("http://a http://b http://c", [&](std::string_view) { return ++count < 2; });
    BOOST_TEST(count == 2);
}

BOOST_AUTO_TEST_CASE(hosts_are_those_that_a_browser_goes_to) {
    struct row {
        std::string text, host, user, readable;
    };
    const row rows[] = {
        {"http://a.example/", "a.example", "", ""},
        {"  HTTP://A.Example.:8080/x  ", "a.example", "", ""},
        {"https:\\\\a.example\\x@b.example", "a.example", "", ""},
        {"https:///a.example", "a.example", "", ""},
        {"https:a.example", "a.example", "", ""},
        {"//a.example?x", "a.example", "", ""},
        {"www.a.example", "www.a.example", "", ""},
        {"http://good.example@evil.example/", "evil.example", "good.example", ""},
        {"http://u:p@x@evil.example#f", "evil.example", "u:p@x", ""},
        {"http://a.exa\tm\r\nple/", "a.example", "", ""},
        {"http://%61.example", "a.example", "", ""},
        {"http://a\u3002example", "a.example", "", ""},
        {"http://M\u00dcNCHEN.example", "xn--mnchen-3ya.example", "", "m\u00fcnchen.example"},
        {"http://xn--mnchen-3ya.example", "xn--mnchen-3ya.example", "", "m\u00fcnchen.example"},
        {"http://\uff21\uff42.example", "ab.example", "", ""},
        {"http://[2001:DB8::1]:80/", "2001:db8::1", "", ""},
        {"mailto:a@b.example", "", "", ""},
        {"javascript:alert(1)", "", "", ""},
        {"http://", "", "", ""},
        {"http://@/", "", "", ""},
        {"a.example", "", "", ""},
        {"", "", "", ""},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.text) {
            const auto url = mime::read_url(r.text);
            BOOST_TEST(url.has_value() != r.host.empty());
            if (!url) continue;
            BOOST_TEST(url->host == r.host);
            BOOST_TEST(url->user == r.user);
            BOOST_TEST(url->readable == r.readable);
        }
}

BOOST_AUTO_TEST_CASE(addresses_are_read_in_every_spelling_of_browsers) {
    struct row {
        const char *text, *host;
        bool disguised;
    };
    const row rows[] = {
        {"http://192.0.2.1/", "192.0.2.1", false},   {"http://192.0.2.1./", "192.0.2.1", false},
        {"http://3221225985/", "192.0.2.1", true},   {"http://0xC0.0.02.1/", "192.0.2.1", true},
        {"http://0300.0.0x201/", "192.0.2.1", true}, {"http://192.0.513", "192.0.2.1", true},
        {"http://192.0.2.%31/", "192.0.2.1", false}, {"http://\uff11\uff19\uff12.0.2.1", "192.0.2.1", false},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.text) {
            const auto url = mime::read_url(r.text);
            BOOST_REQUIRE(url.has_value());
            BOOST_TEST(url->address);
            BOOST_TEST(url->host == r.host);
            BOOST_TEST(url->disguised == r.disguised);
        }
    for (const char* name : {"http://1.2.3.4.example", "http://256.1.1.1", "http://1.2.3.4.5", "http://4294967296",
                             "http://0xyz", "http://1..2", "http://09.1.1.1"})
        BOOST_TEST_CONTEXT(name) {
            const auto url = mime::read_url(name);
            BOOST_REQUIRE(url.has_value());
            BOOST_TEST(!url->address);
        }
}

BOOST_AUTO_TEST_CASE(a_url_is_bounded) {
    const auto url = mime::read_url("http://a.example/" + std::string(100'000, 'x'));
    BOOST_REQUIRE(url.has_value());
    BOOST_TEST(url->text.size() == mime::url::max_length);
    BOOST_TEST(mime::read_url("http://" + std::string(100'000, 'x') + ".example").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
