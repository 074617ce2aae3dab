// SPDX-License-Identifier: Apache-2.0
// Against a name server of the test's own; a real one, nsd, is asked in tests/integration/test_url_lists.py.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "contentfilter/checks/rule_files.hpp"
#include "contentfilter/checks/url_list_client.hpp"
#include "false_dns.hpp"
#include "scanner_fixture.hpp"
#include "shared/log/log.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

config::settings asking(const false_dns& dns) {
    config::settings out;
    out.url_lists.lists = {"dbl.example 127.0.1.2=DBL_SPAM:6", "multi.example &8=URL_PHISH:7.5"};
    out.url_lists.timeout = seconds{30};
    out.dns.servers = {dns.server()};
    out.dns.timeout = seconds{20};
    return out;
}

std::string links_to(const std::vector<std::string>& hosts) {
    std::string out = "Subject: s\r\n\r\n";
    for (const auto& host : hosts)
        out += "see http://" + host + "/ now\r\n";
    return out;
}

/// The lines of the log about what is down or up.
class alarms {
public:
    alarms() {
        log::capture([this](log::level, const std::string& line) {
            const std::lock_guard guard{mutex_};
            if (line.find("scanner-") != std::string::npos) lines_.push_back(line);
        });
    }
    ~alarms() { log::capture({}); }
    alarms(const alarms&) = delete;
    std::vector<std::string> lines() {
        const std::lock_guard guard{mutex_};
        return lines_;
    }

private:
    std::mutex mutex_;
    std::vector<std::string> lines_;
};

struct row_of_list {
    const char* url;
    bool listed;
};
/// What a list of the rule files finds in each row: `symbol`, or nothing.
void try_list(const std::string& table, std::string_view symbol, double score, reason why,
              std::initializer_list<row_of_list> rows) {
    auto resources = std::make_shared<check_resources>();
    auto set = std::make_shared<rule_set>();
    std::vector<std::string> errors;
    parse_rules("[[list]]\n" + table, "x.toml", *set, errors);
    BOOST_REQUIRE(errors.empty());
    resources->rules = std::move(set);
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.url) {
            const auto found = run_check(
                "url_lists", message_with("Subject: s\r\n\r\nsee " + std::string{r.url} + " now\r\n", {}), resources);
            BOOST_TEST(found.size() == (r.listed ? 1U : 0U));
            if (found.empty()) continue;
            BOOST_TEST(found[0].symbol == symbol);
            BOOST_TEST(found[0].score == score);
            BOOST_TEST(found[0].why == why);
        }
}

} // namespace

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
    try_list("name = 'bad-domains'\nwords = ['Evil.example', 'phish.pages.example', 'b\u00fccher.example']\n",
             "LISTED_DOMAIN", 6, reason::spam,
             {{"http://evil.example/a", true},
              {"http://www.EVIL.example/", true},
              {"http://notevil.example/", false},
              {"http://evil.example.org/", false},
              {"http://phish.pages.example/", true},
              {"http://honest.pages.example/", false},
              {"http://xn--bcher-kva.example/", true},
              {"http://b\u00fccher.example/", true}});
}

BOOST_AUTO_TEST_CASE(the_sites_own_list_of_urls_has_them_and_what_begins_with_them) {
    try_list("name = 'bad-urls'\nwords = ['https://pages.example/u/Mallory/', 'short.example/x1', "
             "'forms.example/view?id=7', 'whole.example']\n",
             "LISTED_URL", 8, reason::phish,
             {{"http://pages.example/u/mallory/", true},
              {"https://me@PAGES.example:443/u/mallory/login.php?a=1", true},
              {"https://pages.example/u/alice/", false},
              {"www.pages.example/u//mallory/", false},
              {"https://pages.example/u/mallory//x", true},
              {"https://pages.example/", false},
              {"https://notpages.example/u/mallory/", false},
              {"https://short.example/x1", true},
              {"https://short.example/x1#top", true},
              {"https://short.example/x12", false},
              {"https://forms.example/view?id=7", true},
              {"https://forms.example/view?id=71", false},
              {"https://forms.example/view", false},
              {"http://whole.example/any", true}});
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

BOOST_AUTO_TEST_CASE(answers_are_listings_and_over_the_bound_nobody_is_asked) {
    const false_dns dns{[](const std::string& name) -> std::optional<std::string> {
        if (name == "evil.com.dbl.example") return "127.0.1.2";
        return std::nullopt;
    }};
    auto settings = asking(dns);
    settings.url_lists.max_domains = 2;
    const auto resources = with_scanners(settings);
    auto found = run_check("url_lists", message_with(links_to({"www.evil.com", "good.com"}), settings), resources);
    BOOST_REQUIRE(found.size() == 1U); // exactly as many domains as are asked about
    BOOST_TEST(found[0].symbol == "DBL_SPAM");
    BOOST_TEST(found[0].score == 6);
    found = run_check("url_lists", message_with(links_to({"evil.com", "good.com", "www.good.com", "x.org"}), settings),
                      resources);
    BOOST_REQUIRE(found.size() == 2U);
    const auto* bound = find_symbol(found, "URL_LISTS_BOUND");
    BOOST_REQUIRE(bound);
    BOOST_TEST(bound->score == 0);
    BOOST_TEST(bound->evidence == "3 domains");
    for (const auto& name : dns.asked())
        BOOST_TEST(!name.starts_with("x.org."), name);
}

BOOST_AUTO_TEST_CASE(domains_without_a_scheme_push_out_no_others) {
    const false_dns dns{[](const std::string&) { return std::nullopt; }};
    auto settings = asking(dns);
    settings.url_lists.max_domains = 2;
    const auto found = run_check(
        "url_lists", message_with("Subject: s\r\n\r\na.com/x http://y.org/ http://z.org/ z.org/x\r\n", settings),
        with_scanners(settings));
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].evidence == "3 domains");
    for (const auto& name : dns.asked())
        BOOST_TEST((name.starts_with("y.org.") || name.starts_with("z.org.")), name);
}

BOOST_AUTO_TEST_CASE(a_dead_list_has_one_alarm_and_its_recovery_another) {
    std::atomic<bool> refuses{true};
    const false_dns dns{[&](const std::string& name) -> std::optional<std::string> {
        if (refuses && name.ends_with(".dbl.example")) return "127.255.255.254";
        return std::nullopt;
    }};
    const auto settings = asking(dns);
    const auto resources = with_scanners(settings);
    alarms told;
    // Each time about another domain, so that no memory answers.
    const auto ask = [&](const std::string& domain) {
        return run_check("url_lists", message_with(links_to({domain}), settings), resources);
    };
    for (const auto* domain : {"a.com", "b.com", "c.com"})
        BOOST_CHECK_THROW((void)ask(domain), std::runtime_error);
    BOOST_REQUIRE(told.lines().size() == 1U);
    for (const auto* word : {"scanner-down", "scanner=url_lists", "endpoint=dbl.example", "refuses to answer"})
        BOOST_TEST(told.lines()[0].find(word) != std::string::npos, told.lines()[0]);
    refuses = false;
    for (const auto* domain : {"d.com", "e.com"})
        BOOST_TEST(ask(domain).empty());
    BOOST_REQUIRE(told.lines().size() == 2U);
    BOOST_TEST(told.lines()[1].find("scanner-up") != std::string::npos);
    BOOST_TEST(told.lines()[1].find("endpoint=dbl.example") != std::string::npos);
    refuses = true;
    BOOST_CHECK_THROW((void)ask("f.com"), std::runtime_error);
    BOOST_TEST(told.lines().size() == 3U);
}

BOOST_AUTO_TEST_CASE(a_list_that_answers_one_question_of_a_message_is_not_dead) {
    const false_dns dns{[](const std::string& name) -> std::optional<std::string> {
        if (name == "odd.com.dbl.example") return "192.0.2.1";
        return std::nullopt;
    }};
    const auto settings = asking(dns);
    alarms told;
    BOOST_CHECK_THROW((void)run_check("url_lists", message_with(links_to({"odd.com", "good.com"}), settings),
                                      with_scanners(settings)),
                      std::runtime_error); // what that one answer was worth is not known
    BOOST_TEST(told.lines().empty());
}

BOOST_AUTO_TEST_CASE(silent_servers_are_an_alarm_for_each_list) {
    config::settings settings;
    settings.url_lists.lists = {"dbl.example 127.0.1.2=DBL_SPAM:6", "multi.example &8=URL_PHISH:7.5"};
    settings.dns.servers = {"127.0.0.1@9"};
    settings.dns.timeout = seconds{1};
    settings.url_lists.timeout = seconds{1};
    alarms told;
    const auto resources = with_scanners(settings);
    for (const auto* domain : {"a.com", "b.com"})
        BOOST_CHECK_THROW((void)run_check("url_lists", message_with(links_to({domain}), settings), resources),
                          std::runtime_error);
    BOOST_TEST(told.lines().size() == 2U);
}

BOOST_AUTO_TEST_CASE(the_clients_address_is_in_no_question) {
    const false_dns dns{[](const std::string&) { return std::nullopt; }};
    const auto settings = asking(dns);
    auto m = std::make_shared<message>(*message_with(
        "Received: from client.example.org ([203.0.113.77])\r\n" + links_to({"evil.com", "203.0.113.77"}), settings));
    m->envelope.xforward = {{"ADDR", "203.0.113.77"}, {"NAME", "client.example.org"}, {"HELO", "[203.0.113.77]"}};
    BOOST_TEST(run_check("url_lists", m, with_scanners(settings)).empty());
    auto asked = dns.asked();
    std::sort(asked.begin(), asked.end());
    BOOST_TEST(asked == (std::vector<std::string>{"evil.com.dbl.example", "evil.com.multi.example"}),
               boost::test_tools::per_element());
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
