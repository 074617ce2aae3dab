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
        {"+AGE-", "unicode-1-1-utf-7", "a"},
        {"\x82\xa0", "x-sjis", "\u3042"},
        {"\x82", "cp-850", "\u00e9"},
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

BOOST_AUTO_TEST_CASE(the_letter_is_what_a_reader_sees_without_opening_a_file) {
    const auto parts_of = [](const std::string& kind, const std::vector<std::string>& headers) {
        std::string text = "Content-Type: multipart/" + kind + "; boundary=b\r\n\r\n";
        for (const auto& header : headers)
            text += "--b\r\n" + header + "\r\n\r\n" + (header.ends_with("rfc822") ? "\r\ninner" : "x") + "\r\n";
        return text + "--b--\r\n";
    };
    const std::string plain = "Content-Type: text/plain", html = "Content-Type: text/html",
                      attached = "\r\nContent-Disposition: attachment; filename=a.txt",
                      inlined = "\r\nContent-Disposition: inline; filename=a.txt", csv = "Content-Type: text/csv";
    struct row {
        const char* about;
        std::string message, letter; // the paths of its parts
    };
    const row rows[] = {
        {"a letter", plain + "\r\n\r\nx", "1"},
        {"with a name", plain + "; name=a.txt\r\n\r\nx", "1"},
        {"HTML with a name", html + "; name=a.htm\r\n\r\nx", "1"},
        {"the whole message an attachment", html + attached + "\r\n\r\nx", "1"},
        {"a table as the whole message", csv + attached + "\r\n\r\nx", "1"},
        {"a picture as the whole message", "Content-Type: image/png\r\n\r\nx", ""},
        {"texts with names", parts_of("mixed", {plain, plain + "; name=b.txt", html + inlined}), "1.1 1.2 1.3"},
        {"texts that are attached", parts_of("mixed", {plain, plain + attached, html + attached}), "1.1"},
        {"no text before the attached one",
         parts_of("mixed", {"Content-Type: image/png", html + attached, plain + attached}), "1.2"},
        {"other texts are files where they have a name", parts_of("mixed", {plain, csv + "; name=a.csv", csv}),
         "1.1 1.3"},
        {"a calendar with a name beside a letter",
         parts_of("alternative", {plain, html, "Content-Type: text/calendar; name=invite.ics"}), "1.1 1.2"},
        {"an alternative that says it is attached", parts_of("alternative", {plain, html + attached}), "1.1 1.2"},
        {"a message in the message", parts_of("mixed", {plain, "Content-Type: message/rfc822", plain + attached}),
         "1.1 1.2.1"},
        {"one that is a file in the message",
         "Content-Type: message/rfc822\r\n\r\n" + parts_of("mixed", {plain + attached, plain + attached}), "1.1.1"},
        {"a related's own text that says it is attached",
         parts_of("alternative",
                  {plain, "Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\n" + html + attached +
                              "\r\n\r\nx\r\n--r\r\n" + plain + attached + "\r\n\r\nx\r\n--r--"}),
         "1.1 1.2.1"},
        {"a multipart without a boundary", "Content-Type: multipart/mixed; name=a\r\n\r\nx", "1"},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.about) {
            const open_content c{r.message};
            std::string letter;
            for (const auto& body : c.all.bodies())
                if (body.in_letter()) letter += (letter.empty() ? "" : " ") + body.of().path;
            BOOST_TEST(letter == r.letter);
        }
    // A name is one all the same.
    const open_content named{plain + "; name=run.exe\r\n\r\nx"};
    BOOST_TEST(named.tree->parts().at(0).is_attachment());
    BOOST_TEST(named.tree->parts().at(0).fields.names == std::vector<std::string>{"run.exe"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_file_that_a_browser_opens_is_a_page_whatever_its_type) {
    struct row {
        std::string fields;
        bool page;
    };
    const row rows[] = {
        {"Content-Type: application/octet-stream; name=\"voice.HTML\"", true},
        {"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"a.pdf.htm\"", true},
        {"Content-Type: image/png; name=\"a.shtml. \"", true},
        {"Content-Type: application/octet-stream; name=\"a.html.pdf\"", false},
        {"Content-Type: application/octet-stream; name=\"html\"", false},
        {"Content-Type: text/csv; name=\"a.html\"", false}, // shown as the text that it says it is
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.fields) {
            const open_content one{
                with_attachment(r.fields + "\r\n", "<p>Pay at <a href='http://evil.example/'>x</a></p>")};
            BOOST_TEST(one.all.anchors().size() == (r.page ? 1U : 0U));
            for (const auto& p : one.tree->parts())
                if (p.is_attachment()) BOOST_TEST(!p.letter);
        }
}

BOOST_AUTO_TEST_CASE(faults_of_a_charset_are_counted) {
    struct row {
        std::string octets, charset;
        bool unknown;
        std::size_t invalid;
    };
    const row rows[] = {
        {"abc", "", false, 0},
        {"abc", "utf-8", false, 0},
        {"abc", "us-ascii", false, 0},
        {"abc", "iso-8859-1", false, 0},
        {"abc", "koi8-r", false, 0},
        {"abc", "no-such-charset", true, 0},
        {"abc\xe9", "no-such-charset", true, 0}, // read as readers guess
        {"abc\xe9", "", false, 0},
        {"abc\xe9", "us-ascii", false, 0},
        {"abc\u00e9", "us-ascii", false, 0},
        {"abc\u00e9\u20ac\U0001f600", "utf-8", false, 0},
        {"abc\xe9xyz", "utf-8", false, 1},
        {"\xed\xa0\x80 \xc0\xaf \xf5", "UTF8", false, 6}, // surrogates, overlong, beyond the last
        {"abc\xe2\x82", "utf-8", false, 0},               // cut off at the end
        {"abc\x81\xe9", "iso-8859-1", false, 1},          // windows-1252 has a hole there
        {"\xef\xbb\xbf\xff", "koi8-r", false, 1},         // the mark says UTF-8
        {"\xa4\xff\x20", "euc-jp", false, 2},
        {"abc", "//evil", true, 0},
        {"abc", "unknown-8bit", false, 0},
        {"abc", "x-sjis", false, 0},
        {"\xd6\xec\xe9\x46", "gb2312", false, 0}, // a name with a character of GBK
        {"\x87\x40", "shift_jis", false, 0},      // a circled 1
        {"\xb0\xa1\x81\x41", "euc-kr", false, 0}, // of UHC
        {"\xff\xff", "gb2312", false, 2},
        {"abc", "CP-850", false, 0},
        {"+AGE-", "x-unicode-2-0-utf-7", false, 0},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.charset << ": " << r.octets) {
            std::string storage;
            mime::charset_faults faults;
            (void)mime::to_utf8(r.octets, r.charset, storage, faults);
            BOOST_TEST(faults.unknown == r.unknown);
            BOOST_TEST(faults.invalid == r.invalid);
            BOOST_TEST(faults.octets == r.octets.size());
        }
}

BOOST_AUTO_TEST_CASE(urls_of_long_fields_are_seen) {
    for (const std::size_t before : {9'000U, 70'000U, 200'000U})
        BOOST_TEST_CONTEXT(before) {
            const open_content c{"Subject: s\r\nX-Note: " + std::string(before, 'x') + " http://late.example/\r\n\r\n"};
            BOOST_REQUIRE(c.all.urls().size() == 1u);
            BOOST_TEST(c.all.urls()[0].to.host == "late.example");
            BOOST_TEST(c.all.links_beyond().empty());
        }
    // Many recipients whose names are encoded are no bound.
    std::string many = "Subject: s\r\nTo: a@example.org";
    for (int i = 0; i < 1000; ++i)
        many += ",\r\n =?utf-8?Q?J=C3=BCrgen?= <a" + std::to_string(i) + "@example.org>";
    BOOST_TEST(open_content{many + "\r\n\r\n"}.all.links_beyond().empty());
    // Encoded words are undone up to a bound; what is beyond is told, and URLs as they stand are seen.
    const std::string coded = " =?utf-8?Q?http://coded.example/?=";
    const open_content near{"Subject: =?utf-8?Q?x?= " + std::string(60'000, 'x') + coded + "\r\n\r\n"};
    BOOST_REQUIRE(near.all.urls().size() == 1u);
    BOOST_TEST(near.all.urls()[0].to.host == "coded.example");
    BOOST_TEST(near.all.links_beyond().empty());
    for (const char* first : {"", "=?utf-8?Q?x?= "})
        BOOST_TEST_CONTEXT(first) {
            const open_content far{"Subject: " + std::string{first} + std::string(70'000, 'x') + coded +
                                   " http://plain.example/\r\n\r\n"};
            BOOST_REQUIRE(far.all.links_beyond().size() == 1u);
            BOOST_TEST(far.all.links_beyond()[0] == "Subject: encoded words after 64 KiB of the field");
            BOOST_TEST(std::any_of(far.all.urls().begin(), far.all.urls().end(),
                                   [](const auto& url) { return url.to.host == "plain.example"; }));
        }
}

BOOST_AUTO_TEST_CASE(a_host_behind_more_than_is_read_of_a_url_is_told) {
    const auto beyond = [](const std::string& html) {
        return open_content{"Content-Type: text/html\r\n\r\n" + html}.all.links_beyond().size();
    };
    const std::string much(3000, 'x');
    BOOST_TEST(beyond("<a href='http://" + much + "@evil.example/'>x</a>") == 1u);
    BOOST_TEST(beyond("<a href='http://" + std::string(3000, '\n') + "evil.example/'>x</a>") == 1u);
    BOOST_TEST(beyond("<p>http://" + much + "@evil.example/") == 1u);
    BOOST_TEST(beyond("<a href='http://click.example/" + much + "'>x</a>") == 0u);
    BOOST_TEST(beyond("<a href='http://click.example?" + much + "'>x</a>") == 0u);
    BOOST_TEST(beyond("<p>https://click.example/" + much) == 0u);
    BOOST_TEST(beyond("<p>www.click.example/t?d=" + much + ":x") == 0u); // no scheme
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
    const auto began = std::clock();
    BOOST_TEST(open_content{same}.all.links_beyond().empty());
    BOOST_TEST(open_content{all}.all.links_beyond().size() == 1u);
    BOOST_TEST((std::clock() - began) / CLOCKS_PER_SEC < 5);
    const auto found = run_check("links", make_message(all));
    BOOST_TEST(find_symbol(found, "LINK_BOUND") != nullptr);
    const auto of_one = run_check("links", make_message(same));
    BOOST_TEST(find_symbol(of_one, "LINK_BOUND") == nullptr);
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
