// SPDX-License-Identifier: Apache-2.0
// What needs no DNS; the rest is tested against nsd in tests/integration/test_url_lists.py.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "contentfilter/checks/rule_files.hpp"
#include "contentfilter/checks/url_list_client.hpp"
#include "scanner_fixture.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

BOOST_AUTO_TEST_SUITE(check_url_lists_test)

BOOST_AUTO_TEST_CASE(the_organisational_domain_is_asked_about) {
    struct row {
        const char* url;
        const char* domain;
    };
    const row rows[] = {{"http://www.evil.example.com/a?b", "example.com"},
                        {"https://EVIL.co.uk", "evil.co.uk"},
                        {"http://a.b.evil.co.uk:8080/x", "evil.co.uk"},
                        {"http://user:secret@evil.com/", "evil.com"},
                        {"http://bank.com@evil.com", "evil.com"},
                        {"www.evil.com.", "evil.com"},
                        {"http://192.0.2.1/x", ""},
                        {"http://[2001:db8::1]/x", ""},
                        {"http://localhost/", ""},
                        {"http://", ""},
                        {"http://\xd0\xb5vil.com/", "xn--vil-qdd.com"}};
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.url) {
            const auto url = mime::read_url(r.url);
            BOOST_TEST((url ? listed_domain(*url) : "") == r.domain);
        }
}

BOOST_AUTO_TEST_CASE(the_sites_own_list_names_hosts_and_what_is_below_them) {
    auto resources = std::make_shared<check_resources>();
    auto rules = std::make_shared<rule_set>();
    std::vector<std::string> errors;
    parse_rules(
        "[[list]]\nname = 'bad-domains'\nwords = ['Evil.example', 'phish.pages.example', 'b\u00fccher.example']\n",
        "x.toml", *rules, errors);
    BOOST_REQUIRE(errors.empty());
    resources->rules = std::move(rules);
    struct row {
        const char* url;
        bool listed;
    };
    const row table[] = {{"http://evil.example/a", true},         {"http://www.EVIL.example/", true},
                         {"http://notevil.example/", false},      {"http://evil.example.org/", false},
                         {"http://phish.pages.example/", true},   {"http://honest.pages.example/", false},
                         {"http://xn--bcher-kva.example/", true}, {"http://b\u00fccher.example/", true}};
    for (const auto& r : table)
        BOOST_TEST_CONTEXT(r.url) {
            const auto found = run_check(
                "url_lists", message_with("Subject: s\r\n\r\nsee " + std::string{r.url} + " now\r\n", {}), resources);
            BOOST_TEST(found.size() == (r.listed ? 1U : 0U));
            if (found.empty()) continue;
            BOOST_TEST(found[0].symbol == "LISTED_DOMAIN");
            BOOST_TEST(found[0].why == reason::spam);
        }
}

BOOST_AUTO_TEST_CASE(what_the_sites_own_list_has_counts_also_where_the_dns_is_silent) {
    config::settings settings;
    settings.url_lists.lists = {"dbl.example 127.0.1.2=DBL_SPAM:6"};
    settings.dns.servers = {"127.0.0.1@9"};
    settings.dns.timeout = seconds{1};
    settings.url_lists.timeout = seconds{1};
    const auto resources = std::make_shared<check_resources>(*with_scanners(settings));
    const std::string text = "Subject: s\r\n\r\nsee http://evil.example/\r\n";
    BOOST_CHECK_THROW((void)run_check("url_lists", message_with(text, settings), resources), std::runtime_error);
    auto rules = std::make_shared<rule_set>();
    std::vector<std::string> errors;
    parse_rules("[[list]]\nname = 'bad-domains'\nwords = ['evil.example']\n", "x.toml", *rules, errors);
    resources->rules = std::move(rules);
    const auto found = run_check("url_lists", message_with(text, settings), resources);
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].symbol == "LISTED_DOMAIN");
}

BOOST_AUTO_TEST_CASE(it_is_off_without_lists_and_asks_nothing_without_links) {
    const std::string text = "Subject: s\r\n\r\nsee http://evil.com/\r\n";
    BOOST_TEST(run_check("url_lists", message_with(text, {}), with_scanners({})).empty());
    config::settings settings;
    settings.url_lists.lists = {"dbl.example 127.0.1.2=DBL_SPAM:6"};
    settings.url_lists.exempt = {"evil.com"};
    settings.dns.servers = {"127.0.0.1@9"};
    const auto resources = with_scanners(settings);
    BOOST_TEST(run_check("url_lists", message_with("Subject: s\r\n\r\nno link\r\n", settings), resources).empty());
    BOOST_TEST(run_check("url_lists", message_with(text, settings), resources).empty());
}

BOOST_AUTO_TEST_SUITE_END()
