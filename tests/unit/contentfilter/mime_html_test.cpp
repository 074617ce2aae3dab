// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "contentfilter/mime/html_style.hpp"
#include "contentfilter/mime/html_text.hpp"

#include <chrono>
#include <string>
#include <vector>

using namespace postsluice;
using namespace postsluice::contentfilter;

namespace {

mime::html_text read(std::string_view html, const config::content_settings& bounds = {}) {
    return mime::read_html(html, bounds);
}

std::string repeated(std::string_view piece, std::size_t octets) {
    std::string out;
    while (out.size() < octets)
        out += piece;
    return out;
}

/// "r0,r1,r2,"
std::string numbered(const std::string& before, const std::string& after, int count) {
    std::string out;
    for (int i = 0; i < count; ++i)
        out += before + std::to_string(i) + after;
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(mime_html_test)

BOOST_AUTO_TEST_CASE(text_is_what_a_browser_shows) {
    struct row {
        std::string html, shown;
    };
    const row rows[] = {
        {"plain", "plain"},
        {"<p>one</p><p>two  three\n four", "one\ntwo three four\n"},
        {"a<br>b", "a\nb"},
        {"fr<b>ee</b> &amp; e&#97;sy &nbsp;x", "free & easy \u00a0x"},
        {"<table><tr><td>a<td>b<tr><td>c", "a b\nc\n"},
        {"<title>t</title><style>p{}</style><script>s</script><!-- c -->shown", "shown"},
        {"<noscript>seen</noscript>", "seen"},
        {"<p>unclosed <i>tags", "unclosed tags\n"},
        {"&lt;b&gt;", "<b>"},
        {"", ""},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.html) {
            BOOST_TEST(read(r.html).shown == r.shown);
        }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_seen_is_hidden) {
    const char* const hiding[] = {
        "<span style='display:none'>x</span>",
        "<span style='DISPLAY : None !important'>x</span>",
        "<div style='display:none'><p><b>x</b></p></div>",
        "<span style='visibility:hidden'>x</span>",
        "<span style='font-size:0'>x</span>",
        "<span style='font-size:1px'>x</span>",
        "<span style='font-size:0.1em'>x</span>",
        "<span style='opacity:0'>x</span>",
        "<span style='opacity:5%'>x</span>",
        "<span style='max-height:0;overflow:hidden'>x</span>",
        "<span style='position:absolute;left:-9999px'>x</span>",
        "<span style='color:#fff'>x</span>",
        "<span style='color:rgb(255, 254, 255)'>x</span>",
        "<font color=white>x</font>",
        "<font color=FFFFFF>x</font>",
        "<body bgcolor=black><font color='#000'>x</font>",
        "<div style='background:#336699 no-repeat'><span style='color:#336699'>x</span></div>",
        "<p hidden>x</p>",
        "<style>.a{display:none}</style><p class='b a'>x</p>",
        "<p id=q>x</p><style>#q , p.z { font-size : 0 }</style>",
        "<style>/* c */ div{color:#fff}</style><div>x</div>",
        "<p style='/* ; */ display:none'>x</p>",
        "<p style='color:/**/white'>x</p>",
        "<style>p/**/{/*}*/display:none}</style><p>x</p>",
        "<style>p{background:url(/*);display:none}</style><p>x</p>",
    };
    for (const auto* html : hiding)
        BOOST_TEST_CONTEXT(html) {
            const auto page = read(html);
            BOOST_TEST(page.hidden == "x");
            BOOST_TEST(page.shown.find('x') == std::string::npos);
        }
}

BOOST_AUTO_TEST_CASE(what_can_be_seen_is_shown) {
    const char* const showing[] = {
        "<span style='display:block'>x</span>",
        "<div style='visibility:hidden'><span style='visibility:visible'>x</span></div>",
        "<div style='font-size:0'><span style='font-size:12px'>x</span></div>",
        "<span style='font-size:small'>x</span>",
        "<span style='font-size:9pt;color:#333'>x</span>",
        "<span style='max-height:0'>x</span>",
        "<div style='background:url(a.png)'><span style='color:white'>x</span></div>",
        "<table background='a.png'><tr><td><font color=white>x</font></table>",
        "<div style='background-image:linear-gradient(red,blue)'><span style='color:white'>x</span></div>",
        "<table bgcolor=#000080><tr><td><font color=white>x</font></table>",
        "<span style='color:transparent-ish'>x</span>",
        "<style>@media print {.a{display:none}}</style><p class=a>x</p>",
        "<style>.b{display:none}</style><p class=a>x</p>",
        "<style media=print>p{display:none}</style><p>x</p>",
        "<style>div > p{display:none}</style><p>x</p>",
        "<p style='background:url(data:image/png;base64,display:none)'>x</p>",
        "<p style='display:'>x</p>",
        "<p style=';;:;'>x</p>",
    };
    for (const auto* html : showing)
        BOOST_TEST_CONTEXT(html) {
            const auto page = read(html);
            BOOST_TEST(page.shown.find('x') != std::string::npos);
            BOOST_TEST(page.hidden == "");
        }
}

BOOST_AUTO_TEST_CASE(links_have_their_texts_and_a_base) {
    const auto page = read("<base href='http://base.example/d/'><a href='x?a=1&amp;b=2'>one <b>two</b>"
                           "<span style='display:none'>no</span></a><a href=' http://b.example '> http://c.example </a>"
                           "<a name=z>none</a><a href='#'></a>");
    BOOST_REQUIRE(page.anchors.size() == 3u);
    BOOST_TEST(page.anchors[0].href == "http://base.example/d/x?a=1&b=2");
    BOOST_TEST(page.anchors[0].text == "one two");
    BOOST_TEST(page.anchors[1].href == "http://b.example");
    BOOST_TEST(page.anchors[1].text == "http://c.example");
}

BOOST_AUTO_TEST_CASE(urls_of_all_elements_are_found) {
    const auto page = read("<link href='http://1.example'><img src='http://2.example' width=1><img src=cid:x>"
                           "<form action='http://3.example'><table background='http://4.example'></table>"
                           "<meta http-equiv=Refresh content='0; URL=http://5.example'><area href='http://6.example'>"
                           "<img src='data:image/png;base64,AAAA'>");
    const std::vector<std::string> wanted{"http://1.example", "http://2.example", "http://3.example",
                                          "http://4.example", "http://5.example", "http://6.example"};
    BOOST_TEST(page.links == wanted, boost::test_tools::per_element());
    BOOST_TEST(page.images == 2u);
}

BOOST_AUTO_TEST_CASE(colours_are_read) {
    struct row {
        const char* text;
        int red, green, blue; // -1: none
    };
    const row rows[] = {{"#fff", 255, 255, 255},
                        {"#0a0B0c", 10, 11, 12},
                        {"#ffffffff", 255, 255, 255},
                        {"#ffffff00", -1, 0, 0},
                        {"red", 255, 0, 0},
                        {" WHITE ", 255, 255, 255},
                        {"rgb(1,2,3)", 1, 2, 3},
                        {"rgba(1, 2, 3, 0)", -1, 0, 0},
                        {"rgb(100% 0% 0% / 50%)", 255, 0, 0},
                        {"rgb(999,-5,0)", 255, 0, 0},
                        {"rgb(", -1, 0, 0},
                        {"#ff", -1, 0, 0},
                        {"transparent", -1, 0, 0},
                        {"", -1, 0, 0}};
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.text) {
            const auto c = mime::read_colour(r.text);
            BOOST_REQUIRE(c.has_value() == (r.red >= 0));
            if (!c) continue;
            BOOST_TEST(int{c->red} == r.red);
            BOOST_TEST(int{c->green} == r.green);
            BOOST_TEST(int{c->blue} == r.blue);
        }
}

BOOST_AUTO_TEST_CASE(each_bound_is_named_and_what_is_within_it_is_read) {
    config::content_settings bounds;
    bounds.max_html_elements = 100;
    auto page = read("first" + repeated("<b>x</b>", 10'000), bounds);
    BOOST_TEST(page.beyond == "more than 100 tags");
    BOOST_TEST(page.shown == "first" + std::string(50, 'x'));
    bounds = {};
    bounds.max_anchors = 10;
    page = read(repeated("<a href=http://a.example>x</a>", 3000), bounds);
    BOOST_TEST(page.anchors.size() == 10u);
    BOOST_TEST(page.links_beyond == "more than 10 links");
    bounds = {};
    bounds.max_urls = 10;
    page = read(repeated("<img src=http://a.example>", 3000), bounds);
    BOOST_TEST(page.links.size() == 10u);
    BOOST_TEST(page.links_beyond == "more than 10 URLs");
    bounds = {};
    bounds.max_html_memory = {1U << 20U};
    page = read("<p>te&amp;xt</p>" + repeated("<p><b a=1><i b=2>", 200'000), bounds);
    BOOST_TEST(page.beyond == "HTML that costs more than 1 MiB or a second");
    BOOST_TEST(page.shown.starts_with("te&amp;xt"));
    BOOST_TEST(page.anchors.empty());
}

BOOST_AUTO_TEST_CASE(padding_shows_nothing_that_is_hidden) {
    const auto rules = [](int count) { return numbered(".r", "{color:red}", count); };
    const std::string hiding[] = {
        "<p style='" + repeated("margin:0;", 20'000) + "display:none'>x</p>",
        "<p style='display:" + std::string(20'000, ' ') + "none'>x</p>",
        "<p style='color:rgb(" + std::string(200, ' ') + "255,255,255)'>x</p>",
        "<p style='font-size:" + std::string(200, '0') + "px'>x</p>",
        "<style>.h{" + repeated("margin:0;", 20'000) + "display:none}</style><p class=h>x</p>",
        "<style>.h{display:none}</style><p class='" + repeated("a ", 20'000) + "h'>x</p>",
        "<style>." + std::string(300, 'h') + "{display:none}</style><p class=" + std::string(300, 'h') + ">x</p>",
        "<style>#" + std::string(300, 'h') + "{display:none}</style><p id=" + std::string(300, 'h') + ">x</p>",
        "<style>" + rules(9'000) + ".h{display:none}</style><p class=h>x</p>",
        R"(<style>a{content:"\"/*"}.h{display:none}b{content:"*/"}</style><p class=h>x</p>)",
        R"(<style>a{background:url(a\)/*)}.h{display:none}b{content:"*/"}</style><p class=h>x</p>)",
        "<style>/*" + std::string(20'000, '{') + "*/.h{display:none}</style><p class=h>x</p>",
    };
    for (const auto& html : hiding)
        BOOST_TEST_CONTEXT(html.substr(0, 40)) {
            const auto page = read(html);
            BOOST_TEST(page.hidden == "x");
            BOOST_TEST(page.beyond == "");
        }
    const auto page = read("<style>" + rules(11'000) + ".h{display:none}</style><p class=h>x</p>");
    BOOST_TEST(page.beyond == "more than 10000 rules of style");
    // The same rule again and again is one.
    BOOST_TEST(read("<style>" + repeated(".r{color:red}", 200'000) + "</style><p>x</p>").beyond == "");
}

BOOST_AUTO_TEST_CASE(hostile_html_ends_in_time) {
    std::string attributes = "<a ";
    for (int i = 0; i < 100'000; ++i)
        attributes += "a" + std::to_string(i) + "=1 ";
    std::string formats;
    for (int i = 0; i < 5000; ++i)
        formats += "<b a=" + std::to_string(i) + ">";
    const std::string hostile[] = {
        std::string(1U << 20U, 'x'),
        std::string(1U << 20U, '<'),
        std::string(1U << 20U, '\0'),
        attributes + ">",
        formats + repeated("<p>", 60'000),
        repeated("<div>", 1U << 20U),
        repeated("<b><i>", 30'000) + repeated("</b></i>", 60'000),
        repeated("<table>x", 1U << 20U),
        repeated("<li><ul>", 1U << 20U),
        repeated("<svg><math>", 1U << 20U),
        repeated("<select><option><template>", 1U << 20U),
        "<style>" + repeated("a{b:c}", 1U << 20U),
        "<style>" + repeated("{", 1U << 20U),
        "<style>" + repeated("/*", 1U << 20U),
        "<style>" + repeated("url(", 1U << 20U),
        "<style>" + repeated("a'", 1U << 20U),
        "<style>" + repeated("a,b,", 500'000) + "c{font-size:" + std::string(500'000, '1') + "}",
        "<style>" + numbered(".r", ",", 50'000) + "c{font-size:" + std::string(200'000, 'x') + "}",
        "<style>" + numbered(".r", "{display:none}", 50'000) + "</style><p class='" + numbered("r", " ", 100'000) +
            "'>x",
        "<p style='" + repeated("/**/", 1U << 20U) + "'>",
        "<p style='" + repeated("color:red;", 1U << 20U) + "'>",
        "<p class='" + repeated("a ", 1U << 20U) + "'><style>.a{display:none}</style>",
        repeated("<!--", 1U << 20U),
        repeated("&#x", 1U << 20U),
        repeated("<a href=", 1U << 20U),
    };
    for (const auto& html : hostile)
        BOOST_TEST_CONTEXT(html.substr(0, 40)) {
            timespec before{}, after{};
            ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
            (void)read(html);
            ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
            BOOST_TEST(after.tv_sec - before.tv_sec < 20); // what a check may take (check_timeout)
        }
}

BOOST_AUTO_TEST_SUITE_END()
