// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "contentfilter/intake/matched_settings.hpp"
#include "shared/config/load.hpp"

#include "check_fixture.hpp"
#include "contentfilter/intake/identity.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

struct sent {
    std::string account = "alice@example.org";
    std::string client = "192.0.2.7";
    std::string sender = "alice@example.org";
    std::vector<std::string> recipients = {"bob@example.net"};
    std::string header = "Subject: x\r\n";
};

config::settings_ptr configured(const std::string& toml) {
    auto loaded = config::load_text(toml);
    const auto wrong = loaded.errors.empty() ? std::string{} : loaded.errors.front().message();
    BOOST_TEST_REQUIRE(wrong == "");
    return loaded.settings;
}

message matched(const std::string& toml, const sent& what = {}) {
    message m = *make_message(what.header + "\r\nbody\r\n");
    m.settings = configured(toml);
    m.sender = sender_of(*m.settings, what.account);
    std::vector<mail_address> recipients;
    for (const auto& one : what.recipients)
        recipients.push_back(mail_address::from_internal(one));
    m.envelope = smtp::make_envelope(mail_address::from_internal(what.sender), recipients);
    m.envelope.xforward["ADDR"] = what.client;
    match_settings(m);
    return m;
}

std::string names(const message& m) {
    std::string out;
    for (const auto& one : m.matched)
        out += (out.empty() ? "" : " ") + one.name + (one.only_stricter ? "!" : "");
    return out;
}

const std::string shop = "[[account]]\nname = \"shop\"\nnetwork = [\"198.51.100.9\"]\ndomains = [\"shop.example\"]\n";

} // namespace

BOOST_AUTO_TEST_SUITE(matched_settings_test)

BOOST_AUTO_TEST_CASE(each_condition_matches_what_it_says) {
    struct row {
        const char* condition;
        sent yes, no;
        const char* mark = ""; // "!": only what is stricter
    };
    const row rows[] = {
        {R"(account = ["al*@example.org"])", {}, {.account = "bob@example.org"}},
        {R"(account = ["shop"])", {.account = "shop"}, {}},
        {R"(login_domain = ["example.org"])", {}, {.account = "alice@sub.example.org"}},
        {R"(login_domain = ["*.example.org"])", {.account = "alice@sub.example.org"}, {}},
        {R"(login_domain = ["example.org"])", {}, {.account = "uid:1000"}},
        {R"(network = ["192.0.2.0/24"])", {}, {.client = "192.0.3.7"}},
        {R"(network = ["2001:db8::/32"])", {.client = "2001:db8::1"}, {.client = ""}},
        {R"(origin = ["authenticated"])", {}, {.account = "shop"}},
        {R"(origin = ["listed"])", {.account = "shop"}, {}},
        {R"(origin = ["local"])", {.account = "uid:1000"}, {.account = "-"}},
        {R"(origin = ["unknown"])", {.account = "-"}, {}},
        {R"(recipient = ["@example.net"])", {}, {.recipients = {"bob@example.com"}}},
        {R"(recipient = ["@*.example.net"])", {.recipients = {"b@a.example.net"}}, {}},
        {R"(recipient = ["@example.net"])", {.recipients = {"b@example.net", "c@example.net"}}, {.recipients = {}}},
        {R"(recipient = ["@example.net"])",
         {.recipients = {"b@example.net", "c@example.com"}},
         {.recipients = {}},
         "!"},
        {R"(sender = ["<>"])", {.sender = ""}, {}, "!"},
        {R"(sender = ["@example.org"])", {}, {.sender = "alice@example.com"}, "!"},
        {R"(header = ["list-id: *NEWS*"])", {.header = "List-Id: Our\r\n <news.example>\r\n"}, {}, "!"},
        {R"(header = ["A: *news"])", {.header = "A: " + std::string(3000, 'x') + "news\r\n"}, {}, "!"},
        {R"(header = ["List-Id: *"])", {.header = "List-ID:\r\n"}, {.header = "X-List-Id: a\r\n"}, "!"},
        {R"(header = ["A: 1", "B: 2"])", {.header = "A: 3\r\nB: 2\r\n"}, {.header = "A: 2\r\nB: 1\r\n"}, "!"},
        {"header = [\"A: 1\"]\naccount = [\"alice@*\"]", {.header = "A: 1\r\n"}, {}},
        {"header = [\"A: 1\"]\naccount = [\"*@*\"]", {.header = "A: 1\r\n"}, {}, "!"},
        {"header = [\"A: 1\"]\nnetwork = [\"192.0.2.7\"]",
         {.header = "A: 1\r\n"},
         {.client = "192.0.2.8", .header = "A: 1\r\n"}},
        {"header = [\"A: 1\"]\nrecipient = [\"@example.net\"]", {.header = "A: 1\r\n"}, {}, "!"},
        {"sender = [\"@example.org\"]\nlogin_domain = [\"example.org\"]", {}, {.sender = ""}},
    };
    for (const auto& r : rows) {
        const auto toml = shop + "[[settings]]\nname = \"it\"\nscores = { tag = 1 }\n" + r.condition + "\n";
        BOOST_TEST_CONTEXT(r.condition) {
            BOOST_TEST(names(matched(toml, r.yes)) == std::string{"it"} + r.mark);
            BOOST_TEST(names(matched(toml, r.no)).empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(the_highest_priority_applies_and_of_equals_the_first) {
    const std::string toml = R"(
[profile.default]
scores = { tag = 6, hold = 10, reject = 15 }
[[settings]]
name = "low"
account = ["alice@*"]
scores = { tag = 1 }
[[settings]]
name = "first"
priority = 5
origin = ["authenticated"]
scores = { hold = 30, reject = 0 }
symbols = { A = { enabled = false }, B = { score = 2 } }
[[settings]]
name = "second"
priority = 5
account = ["alice@*"]
scores = { tag = 2 }
)";
    const auto m = matched(toml);
    BOOST_TEST(names(m) == "first");
    const auto& now = *m.sender.profile;
    BOOST_TEST(now.name == "default");
    BOOST_TEST(now.tag_score == 6.0);
    BOOST_TEST(now.hold_score == 30.0);
    BOOST_TEST(now.reject_score == 0.0);
    BOOST_TEST(!now.symbols.at("A").counts());
    BOOST_TEST(now.symbols.at("B").score.value() == 2.0);
    BOOST_TEST(m.at_least.empty());
    BOOST_TEST(m.settings->profiles.at("default")->hold_score == 10.0); // the profile itself is as it was
}

BOOST_AUTO_TEST_CASE(members_of_a_symbol_join_those_of_the_profile) {
    const auto m =
        matched("[profile.default]\nsymbols = { A = { score = 3, action = \"hold\" }, B = { enabled = false } }\n"
                "[[settings]]\nname = \"x\"\norigin = [\"authenticated\"]\n"
                "symbols = { A = { score = 1 }, B = { score = 4 } }\n");
    const auto& now = *m.sender.profile;
    BOOST_TEST(now.symbols.at("A").score.value() == 1.0);
    BOOST_TEST((now.symbols.at("A").action == config::forced_verdict::hold));
    BOOST_TEST(!now.symbols.at("B").counts());
}

BOOST_AUTO_TEST_CASE(groups_and_checks_are_switched) {
    const auto disabled = [](const std::string& said) {
        const auto m =
            matched("[profile.default]\ndisabled_checks = [\"size\", \"links\"]\n[[settings]]\nname = \"x\"\n"
                    "origin = [\"authenticated\"]\n" +
                    said);
        auto out = m.sender.profile->disabled_checks;
        std::sort(out.begin(), out.end());
        return out;
    };
    using list = std::vector<std::string>;
    BOOST_TEST(disabled("disabled_groups = [\"urls\"]\nenabled_checks = [\"links\"]") == (list{"size", "url_lists"}));
    BOOST_TEST(disabled("enabled_groups = [\"urls\", \"size\"]") == list{});
    BOOST_TEST(disabled("enabled_groups = [\"urls\"]\ndisabled_checks = [\"clamd\"]") == (list{"clamd", "size"}));
}

BOOST_AUTO_TEST_CASE(what_a_sender_can_write_only_makes_it_stricter) {
    const std::string toml = R"(
[profile.default]
scores = { tag = 6, hold = 10, reject = 15 }
disabled_checks = ["links", "shape"]
[[settings]]
name = "strict"
account = ["alice@*"]
scores = { hold = 8, reject = 0 }
[[settings]]
name = "lists"
priority = 9
header = ["Precedence: bulk"]
scores = { tag = 3, hold = 11, reject = 12 }
symbols = { A = { score = 5, action = "tag" }, B = { score = -5, action = "none" } }
enabled_checks = ["links"]
[[settings]]
name = "more"
header = ["Precedence: *"]
symbols = { A = { score = 4, action = "hold" } }
)";
    const auto m = matched(toml, {.header = "Precedence: bulk\r\n"});
    // What a sender writes puts nothing else out of force, whatever its priority.
    BOOST_TEST(names(m) == "strict lists! more!");
    const auto& now = *m.sender.profile;
    BOOST_TEST(now.tag_score == 3.0);
    BOOST_TEST(now.hold_score == 8.0);
    BOOST_TEST(now.reject_score == 12.0);
    BOOST_TEST(now.disabled_checks == std::vector<std::string>{"shape"});
    BOOST_TEST(now.symbols.empty());
    BOOST_TEST(m.at_least.at("A").score.value() == 5.0);
    BOOST_TEST((m.at_least.at("A").action == config::forced_verdict::hold));

    finding b;
    b.symbol = "B";
    b.score = 1;
    const auto v = decide({b}, {now, config::filter_error_policy::tempfail, false, nullptr, &m.at_least});
    BOOST_TEST(v.score == 1.0);
}

BOOST_AUTO_TEST_CASE(a_header_beside_an_account_may_loosen_for_that_account_alone) {
    const std::string toml =
        "[[settings]]\nname = \"news\"\naccount = [\"news@example.org\"]\nheader = [\"List-Id: *\"]\n"
        "scores = { hold = 50, reject = 60 }\ndisabled_groups = [\"reputation\"]\n";
    const std::string list = "List-Id: <n.example.org>\r\n";
    const auto news = matched(toml, {.account = "news@example.org", .header = list});
    BOOST_TEST(names(news) == "news");
    BOOST_TEST(news.sender.profile->hold_score == 50.0);
    const auto other = matched(toml, {.header = list});
    BOOST_TEST(names(other).empty());
    BOOST_TEST(other.sender.profile->hold_score == 10.0);
    const auto forwards =
        matched("[[settings]]\nname = \"r\"\nrecipient = [\"@example.net\"]\ndisabled_checks = [\"links\"]\n",
                {.recipients = {"a@example.net", "b@example.com"}});
    BOOST_TEST(forwards.sender.profile->disabled_checks.empty());
}

BOOST_AUTO_TEST_SUITE_END()
