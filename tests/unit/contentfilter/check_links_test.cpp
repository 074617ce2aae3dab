// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/checks/look_alikes.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

std::shared_ptr<const check_resources> shipped() {
    std::vector<std::string> errors;
    auto made = std::make_shared<check_resources>();
    made->rules = std::make_shared<const rule_set>(read_rule_files({"contentfilter/rules.d/*.toml"}, errors));
    BOOST_TEST(errors.empty());
    return made;
}

std::string symbols(std::string_view html, const message_options& how = {}) {
    const auto text = "From: A <a@example.org>\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + std::string{html};
    std::string out;
    for (const auto& f : run_check("links", make_message(text, how), shipped()))
        out += (out.empty() ? "" : " ") + f.symbol;
    return out;
}

std::string anchor(const std::string& href, const std::string& text) {
    return "<a href=\"" + href + "\">" + text + "</a>";
}

} // namespace

BOOST_AUTO_TEST_SUITE(check_links_test)

BOOST_AUTO_TEST_CASE(the_text_of_a_link_that_names_another_host_is_found) {
    const char* const texts[] = {
        "http://www.bank.example", "https://bank.example/login",  "www.bank.example",           "bank.com",
        "Bank.de/konto",           "&lt;http://bank.example&gt;", "<b>http://bank</b>.example", "\"bank.com\"."};
    for (const auto* text : texts)
        BOOST_TEST_CONTEXT(text) {
            BOOST_TEST(symbols(anchor("http://evil.example.net/x", text)) == "LINK_OTHER_HOST");
        }
}

BOOST_AUTO_TEST_CASE(honest_links_are_left_alone) {
    const std::string honest[] = {
        anchor("http://www.bank.example/x", "http://bank.example"),
        anchor("https://bank.example.net/x?utm=1", "www.bank.example.net"),
        anchor("http://click.example.net/x", "our offers"),
        anchor("http://click.example.net/x", "Read it at bank.com today"),
        anchor("http://files.example.net/x", "report.pdf"),
        anchor("http://files.example.net/x", "README.md"),
        anchor("http://files.example.net/x", "install.sh"),
        anchor("http://files.example.net/x", "12.50"),
        anchor("http://files.example.net/x", "e.g."),
        anchor("http://forum.example.net/x", "someone@bank.com"),
        anchor("mailto:x@bank.example", "www.other.example"),
        anchor("http://track.example.org/x", "http://www.bank.example"), // the sender's own domain counts for him
        anchor("http://track.example.net/", ""),
        anchor("#top", "www.bank.example"),
        "<p>http://bank.example and http://other.example",
    };
    for (const auto& html : honest)
        BOOST_TEST_CONTEXT(html) {
            BOOST_TEST(symbols(html) == "");
        }
}

BOOST_AUTO_TEST_CASE(each_trick_of_an_address_has_its_symbol) {
    struct row {
        const char *href, *symbols;
    };
    const row rows[] = {
        {"http://198.51.100.7/login", "LINK_ADDRESS"},
        {"http://[2001:db8::1]/login", "LINK_ADDRESS"},
        {"http://192.168.1.1/", ""},
        {"http://10.0.0.1:8080/wiki", ""},
        {"http://127.0.0.1/", ""},
        {"http://[fe80::1]/", ""},
        {"http://3325256711/", "LINK_DISGUISED"},
        {"http://0xc6.51.100.7/", "LINK_DISGUISED"},
        {"http://www.bank.example@evil.example.net/", "LINK_USER"},
        {"ftp://user:secret@files.example.net/", ""},
        {"http://m\u00fcnchen.example/", "LINK_PUNYCODE"},
        {"http://xn--mnchen-3ya.example/", "LINK_PUNYCODE"},
        {"http://p\u0430ypal.example/", "LINK_PUNYCODE LINK_LOOK_ALIKE"},
        {"http://bit.ly/2xYz", "LINK_SHORTENER"},
        {"http://www.tinyurl.com/2xYz", "LINK_SHORTENER"},
        {"http://notbit.ly/2xYz", ""},
        {"http://bit.ly.example.net/", ""},
        {"http://a.example/?u=http://198.51.100.7/", ""},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.href) {
            BOOST_TEST(symbols(anchor(r.href, "x")) == r.symbols);
        }
}

BOOST_AUTO_TEST_CASE(look_alike_hosts_are_those_that_deceive) {
    const char* const deceiving[] = {"p\u0430ypal.com", "\u0430\u0440\u0440\u04cf\u0435.com", "g\u03bf\u03bfgle.com",
                                     "go\u0261le.com", "www.\u0441isco.com"};
    const char* const honest[] = {"paypal.com",
                                  "m\u00fcnchen.de",
                                  "caf\u00e9.fr",
                                  "\u043f\u0440\u0438\u043c\u0435\u0440.com",
                                  "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
                                  "\u03b5\u03bb\u03bb\u03ac\u03b4\u03b1.gr",
                                  "\u4f8b\u5b50.com",
                                  "\u65e5\u672c\u8a9eabc.jp",
                                  "\u015bl\u0105sk.pl",
                                  "\u0440\u043e\u0440\u0430.\u0440\u0444",
                                  "",
                                  "."};
    for (const auto* host : deceiving)
        BOOST_TEST(is_look_alike(host), host);
    for (const auto* host : honest)
        BOOST_TEST(!is_look_alike(host), host);
}

BOOST_AUTO_TEST_CASE(many_urls_are_a_finding_and_a_few_less_are_none) {
    message_options how;
    how.content.many_urls = 5;
    std::string html;
    for (int i = 0; i < 5; ++i)
        html += "http://h" + std::to_string(i) + ".example.net ";
    BOOST_TEST(symbols(html, how) == "");
    BOOST_TEST(symbols(html + "http://h9.example.net", how) == "MANY_URLS");
    how.content.max_urls = 10;
    for (int i = 5; i < 10; ++i)
        html += "http://g" + std::to_string(i) + ".example.net ";
    BOOST_TEST(symbols(html, how) == "MANY_URLS");                           // as many as are looked at
    BOOST_TEST(symbols(html + "http://h0.example.net", how) == "MANY_URLS"); // one of them again
    BOOST_TEST(symbols(html + "http://one.example.net", how) == "MANY_URLS LINK_BOUND");
    for (int i = 10; i < 30; ++i)
        html += "http://h" + std::to_string(i) + ".example.net ";
    BOOST_TEST(symbols(html, how) == "MANY_URLS LINK_BOUND");
    how = {};
    how.content.max_anchors = 10;
    html.clear();
    for (int i = 0; i < 10; ++i)
        html += anchor("http://a.example.net", "x");
    BOOST_TEST(symbols(html, how) == "");
    BOOST_TEST(symbols(html + anchor("http://a.example.net", "x"), how) == "LINK_BOUND");
}

BOOST_AUTO_TEST_CASE(evidence_names_hosts_and_the_part) {
    const auto found = run_check("links",
                                 make_message("From: a@example.org\r\nContent-Type: text/html\r\n\r\n" +
                                              anchor("http://evil.example.net", "bank.com")),
                                 shipped());
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].evidence == "bank.com leads to evil.example.net in part 1");
    BOOST_TEST(found[0].group == "urls");
}

BOOST_AUTO_TEST_CASE(without_rule_files_no_host_is_a_shortener) {
    const auto m = make_message("From: a@example.org\r\n\r\nhttp://bit.ly/x");
    BOOST_TEST(run_check("links", m).empty());
}

BOOST_AUTO_TEST_SUITE_END()
