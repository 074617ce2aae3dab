// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/mime/charset.hpp"

#include <ctime>
#include <set>
#include <thread>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

struct open_content {
    message_ptr m;
    std::shared_ptr<const mime::tree> tree;
    mime::content all;
    explicit open_content(std::string_view text, const message_options& how = {})
        : m{make_message(text, how)}
        , tree{tree_of(*m)}
        , all{m, tree} {}
};

std::string utf8(std::string_view octets, std::string_view charset) {
    std::string storage;
    return std::string{mime::to_utf8(octets, charset, storage)};
}

} // namespace

BOOST_AUTO_TEST_SUITE(mime_content_test)

BOOST_AUTO_TEST_CASE(charsets_are_read_as_readers_of_mail_read_them) {
    struct row {
        std::string octets, charset, text;
    };
    const row rows[] = {
        {"abc", "", "abc"},
        {"\xe9", "iso-8859-1", "\u00e9"},
        {"\x80\x93", "ISO-8859-1", "\u20ac\u201c"}, // no C1 controls: windows-1252
        {"\x93", "us-ascii", "\u201c"},
        {"\xe9", "", "\u00e9"},
        {"\u00e9", "", "\u00e9"},
        {"\u00e9", "no-such-charset", "\u00e9"},
        {"\xe9", "no-such-charset", "\u00e9"},
        {"\xc1", "koi8-r", "\u0430"},
        {"\xe0", "windows-1251", "\u0430"},
        {std::string("a\0b\0", 4), "utf-16le", "ab"},
        {std::string("\xff\xfe\x61\0", 4), "utf-8", "a"},
        {std::string("\xfe\xff\0a", 4), "", "a"},
        {"\xef\xbb\xbfx", "iso-8859-1", "x"},
        {"+AGE-", "utf-7", "a"},
        {"\x1b$B$\"\x1b(B", "iso-2022-jp", "\u3042"},
        {"x", "iso-2022-jp", "x"},
        {"\xff", "utf-8", "\xff"},
        {"x\xe9", " latin1 ", "x\u00e9"},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.charset << ": " << r.octets) {
            BOOST_TEST(utf8(r.octets, r.charset) == r.text);
        }
    BOOST_TEST(mime::html_charset("<meta charset=\"KOI8-R\">") == "KOI8-R");
    BOOST_TEST(mime::html_charset("<meta http-equiv=x content='text/html; charset = cp1251'>") == "cp1251");
    BOOST_TEST(mime::html_charset("<p>charset") == "");
}

BOOST_AUTO_TEST_CASE(texts_come_in_the_order_of_the_parts) {
    const open_content c{"Subject: s\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
                         "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
                         "Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9\r\n"
                         "--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>caf&eacute; <i>noir</i>\r\n"
                         "--b\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n"};
    const auto& bodies = c.all.bodies();
    BOOST_REQUIRE(bodies.size() == 2u);
    BOOST_TEST(bodies[0].text() == "caf\u00e9");
    BOOST_TEST(bodies[0].page() == nullptr);
    BOOST_TEST(bodies[0].of().path == "1.1");
    BOOST_TEST(bodies[1].text() == "caf\u00e9 noir\n");
    BOOST_REQUIRE(bodies[1].page() != nullptr);
}

BOOST_AUTO_TEST_CASE(a_text_in_memory_is_not_copied) {
    const open_content c{"Subject: s\r\n\r\nsome text\r\n"};
    const auto memory = c.m->content->memory();
    const auto text = c.all.bodies().at(0).text();
    BOOST_TEST(text == "some text\r\n");
    BOOST_TEST((text.data() >= memory.data() && text.data() < memory.data() + memory.size()));
}

BOOST_AUTO_TEST_CASE(urls_come_from_everywhere_and_once) {
    const open_content c{
        "Subject: =?utf-8?Q?go_to_http://subject.example?=\r\nReceived: from http://trace.example\r\n"
        "List-Help: <http://list.example/>\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\n\r\nhttp://text.example/ http://text.example/\r\n"
        "--b\r\nContent-Type: text/html\r\n\r\n<a href=http://html.example/>http://shown.example</a>\r\n"
        "--b\r\nContent-Type: a/b; name=\"http://name.example\"\r\n\r\nx\r\n--b--\r\n"};
    std::set<std::string> hosts;
    for (const auto& url : c.all.urls())
        BOOST_TEST(hosts.insert(url.to.host).second);
    const std::set<std::string> wanted{"subject.example", "list.example",  "text.example",
                                       "html.example",    "shown.example", "name.example"};
    BOOST_TEST(hosts == wanted, boost::test_tools::per_element());
    BOOST_REQUIRE(c.all.anchors().size() == 1u);
    BOOST_TEST(c.all.anchors()[0].to.host == "html.example");
    BOOST_TEST(c.all.anchors()[0].text == "http://shown.example");
}

BOOST_AUTO_TEST_CASE(the_declared_charset_goes_before_that_of_the_html) {
    const std::string html = "<meta charset=koi8-r>\xc1";
    BOOST_TEST(open_content{"Content-Type: text/html\r\n\r\n" + html}.all.bodies().at(0).text() == "\u0430");
    BOOST_TEST(open_content{"Content-Type: text/html; charset=windows-1252\r\n\r\n" + html}.all.bodies().at(0).text() ==
               "\u00c1");
}

BOOST_AUTO_TEST_CASE(bounds_are_named_and_not_passed) {
    message_options how;
    how.content.max_text = byte_count{10};
    const open_content text{"Subject: s\r\n\r\n0123456789abc", how};
    BOOST_TEST(text.all.bodies().at(0).text() == "0123456789");
    BOOST_REQUIRE(text.all.texts_beyond().size() == 1u);
    BOOST_TEST(text.all.texts_beyond()[0].starts_with("part 1: text over"));
    BOOST_TEST(open_content("Subject: s\r\n\r\n0123456789", how).all.texts_beyond().empty());
    const open_content coded{"Content-Transfer-Encoding: base64\r\n\r\n" + base64("0123456789a"), how};
    BOOST_TEST(coded.all.bodies().at(0).text() == "0123456789");
    BOOST_TEST(coded.all.texts_beyond().size() == 1u);
    how = {};
    how.content.max_html = byte_count{20};
    const open_content html{"Content-Type: text/html\r\n\r\n<p>0123456789abcdefghijkl", how};
    BOOST_TEST(html.all.bodies().at(0).text() == "0123456789abcdefg\n");
    BOOST_TEST(html.all.texts_beyond().size() == 1u);
}

BOOST_AUTO_TEST_CASE(fifty_thousand_urls_are_a_bound_and_not_more_work) {
    std::string all = "Subject: s\r\n\r\n";
    for (int i = 0; i < 50'000; ++i)
        all += "http://h" + std::to_string(i) + ".example/ ";
    const open_content c{all};
    BOOST_TEST(c.all.urls().size() == config::content_settings{}.max_urls);
    BOOST_REQUIRE(c.all.links_beyond().size() == 1u);
    BOOST_TEST(c.all.links_beyond()[0] == "more than 2000 URLs");
    std::string same = "Subject: s\r\n\r\n";
    for (int i = 0; i < 50'000; ++i)
        same += "http://h.example/ ";
    BOOST_TEST(open_content{same}.all.links_beyond().empty());
}

BOOST_AUTO_TEST_CASE(a_message_of_many_hostile_pages_ends_in_time) {
    std::string deep;
    while (deep.size() < 100'000)
        deep += "<div>";
    std::string text = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (int i = 0; i < 50; ++i)
        text += "--b\r\nContent-Type: text/html\r\n\r\n" + deep + "last\r\n";
    const auto began = std::clock();
    const open_content c{text + "--b--\r\n"};
    BOOST_TEST(c.all.bodies().size() == 50u);
    BOOST_TEST(c.all.bodies().back().text().find("last") != std::string_view::npos);
    BOOST_TEST(c.all.texts_beyond().back() == "part 1.50: HTML that costs more than 2 s in all");
    BOOST_TEST((std::clock() - began) / CLOCKS_PER_SEC < 10);
}

BOOST_AUTO_TEST_CASE(many_threads_make_it_once) {
    std::string html = "Content-Type: text/html\r\n\r\n";
    for (int i = 0; i < 2000; ++i)
        html += "<p><a href=http://h" + std::to_string(i) + ".example>x</a>";
    const open_content c{html};
    std::vector<const mime::body*> seen(8);
    {
        std::vector<std::jthread> threads;
        for (auto& one : seen)
            threads.emplace_back([&] { one = c.all.bodies().data(); });
    }
    BOOST_TEST(std::set<const mime::body*>(seen.begin(), seen.end()).size() == 1u);
    BOOST_TEST(c.all.urls().size() == 2000u);
}

BOOST_AUTO_TEST_CASE(without_a_tree_the_header_is_read) {
    const auto m = make_message("Subject: http://a.example\r\n\r\nhttp://b.example");
    const mime::content c{m, nullptr};
    BOOST_REQUIRE(c.urls().size() == 1u);
    BOOST_TEST(c.urls()[0].to.host == "a.example");
    BOOST_TEST(c.bodies().empty());
}

BOOST_AUTO_TEST_SUITE_END()
