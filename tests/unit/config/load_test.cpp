// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"

#include "shared/config/print.hpp"

using namespace postsluice;
using namespace postsluice::config;
using namespace postsluice::config::testing;

namespace {

settings_ptr good(std::string_view text) {
    auto loaded = load_text(text);
    BOOST_TEST_CONTEXT(joined(messages(loaded.errors))) {
        BOOST_REQUIRE(loaded.settings != nullptr);
    }
    return loaded.settings;
}

std::vector<std::string> limits_of(const settings& s, const std::string& profile) {
    std::vector<std::string> out;
    for (const auto& one : s.profiles.at(profile)->limits)
        out.push_back(to_string(one));
    return out;
}

using lines = std::vector<std::string>;

constexpr const char* sample = R"(
hostname = "mail.example.org"
mode     = "observe"
contact  = "https://example.org/mail-policy"
abuse_address = "abuse@example.org"
default_domain = "example.org"
identify = ["network", "sasl"]

[policyd]
listen = ["unix:/var/spool/postfix/postsluice/policyd", "inet:127.0.0.1:10031"]

[[account]]
name    = "shop"
network = ["192.0.2.0/28", "2001:db8:5::/64"]
domains = ["shop.example"]

[profile.default]
limits = ["30 messages per minute", "300 recipients per hour", "1000 recipients per day"]
from   = "own-domain"
lock   = { after = ["1 virus", "2 phish in 24 hours", "5 spam in 10 minutes"], for = "30 minutes", automatic_unlocks = 1 }

[profile.newsletter]
inherits = "default"
limits   = ["20000 recipients per day", "unlimited messages per minute"]

[[assign]]
profile = "newsletter"
login   = ["news@example.org", "*@lists.example.org"]
)";

} // namespace

BOOST_AUTO_TEST_SUITE(load)

BOOST_AUTO_TEST_CASE(the_sample_of_the_documentation_means_what_it_says) {
    const auto s = good(sample);
    BOOST_TEST(s->hostname == "mail.example.org");
    BOOST_TEST((s->mode == run_mode::observe));
    BOOST_TEST(s->contact == "https://example.org/mail-policy");
    BOOST_TEST(s->abuse_address == "abuse@example.org");
    BOOST_TEST(s->default_domain == "example.org");
    BOOST_TEST((s->identify == std::vector{account_source::network, account_source::sasl}));
    BOOST_TEST(s->policyd.listen.at(1) == "inet:127.0.0.1:10031");
    BOOST_REQUIRE(s->accounts.size() == 1);
    BOOST_TEST(s->accounts[0].name == "shop");
    BOOST_TEST(s->accounts[0].network.at(1).to_string() == "2001:db8:5::/64");
    BOOST_TEST(s->accounts[0].domains.at(0) == "shop.example");
    BOOST_TEST(limits_of(*s, "default") ==
                   (lines{"30 messages per minute", "300 recipients per hour", "1000 recipients per day"}),
               boost::test_tools::per_element());
    const auto& lock = s->profiles.at("default")->lock;
    BOOST_REQUIRE(lock.after.size() == 3);
    BOOST_TEST(to_string(lock.after[2]) == "5 spam in 10 minutes");
    BOOST_TEST((lock.duration == seconds{1800}));
    BOOST_TEST(lock.automatic_unlocks == 1U);
    BOOST_REQUIRE(s->assigns.size() == 1);
    BOOST_TEST(s->assigns[0].profile == "newsletter");
    BOOST_TEST(s->assigns[0].login.at(1) == "*@lists.example.org");
}

BOOST_AUTO_TEST_CASE(an_empty_file_has_the_defaults_and_a_default_profile) {
    const auto s = good("");
    BOOST_TEST((s->mode == run_mode::enforce));
    BOOST_TEST(!s->hostname.empty()); // this host's name
    BOOST_TEST(s->policyd.max_connections == policyd_settings{}.max_connections);
    BOOST_TEST(s->profiles.size() == 1U);
    BOOST_TEST(s->profiles.at("default")->limits.size() == 8U);
    BOOST_TEST((s->profiles.at("default")->from.what == from_rule::kind::own_domain));
}

BOOST_AUTO_TEST_CASE(an_inherited_limit_of_the_same_unit_and_period_is_replaced_and_others_stay) {
    const auto s = good(sample);
    BOOST_TEST(limits_of(*s, "newsletter") ==
                   (lines{"unlimited messages per minute", "300 recipients per hour", "20000 recipients per day"}),
               boost::test_tools::per_element());
    BOOST_TEST(s->profiles.at("newsletter")->lock.after.size() == 3U);
    BOOST_TEST(s->profiles.at("newsletter")->name == "newsletter");
}

BOOST_AUTO_TEST_CASE(inheritance_goes_over_several_profiles_in_any_order_of_the_file) {
    const auto s = good(R"(
[profile.c]
inherits = "b"
subject_prefix = "[c] "
[profile.b]
inherits = "a"
from = "any"
limits = ["2 messages per hour"]
symbols = { GTUBE = { action = "reject" } }
[profile.a]
limits = ["1 messages per hour", "9 recipients per day"]
from = ["boss@example.org", "@Example.COM", "@*.example.net"]
symbols = { gtube = { score = 4.5 }, EICAR = { enabled = false } }
)");
    BOOST_TEST(limits_of(*s, "c") == (lines{"2 messages per hour", "9 recipients per day"}),
               boost::test_tools::per_element());
    const auto& a = *s->profiles.at("a");
    BOOST_TEST((a.from.what == from_rule::kind::list));
    BOOST_TEST(a.from.entries == (lines{"boss@example.org", "@example.com", "@*.example.net"}),
               boost::test_tools::per_element());
    const auto& c = *s->profiles.at("c");
    BOOST_TEST((c.from == from_rule{from_rule::kind::any, {}}));
    BOOST_TEST(c.subject_prefix == "[c] ");
    BOOST_TEST(c.symbols.size() == 2U);
    BOOST_TEST(c.symbols.at("GTUBE").score.value() == 4.5);
    BOOST_TEST((c.symbols.at("GTUBE").action == forced_verdict::reject));
    BOOST_TEST(!c.symbols.at("EICAR").counts());
}

BOOST_AUTO_TEST_CASE(from_names_a_map_or_a_list_with_maps) {
    const auto s = good(R"(
[profile.one]
from = "lmdb:/etc/postfix/Sender_Login_Maps"
[profile.mixed]
from = ["Boss@example.org", "texthash:/etc/postfix/X", "socketmap:unix:/run/maps:logins", "@example.net"]
)");
    const auto& one = *s->profiles.at("one");
    BOOST_TEST((one.from == from_rule{from_rule::kind::map, {"lmdb:/etc/postfix/Sender_Login_Maps"}}));
    const auto& mixed = *s->profiles.at("mixed");
    BOOST_TEST((mixed.from == from_rule{from_rule::kind::map,
                                        {"boss@example.org", "texthash:/etc/postfix/X",
                                         "socketmap:unix:/run/maps:logins", "@example.net"}}));
    const auto again = good(print_settings(*s));
    BOOST_TEST((again->profiles.at("one")->from == one.from));
    BOOST_TEST((again->profiles.at("mixed")->from == mixed.from));
}

BOOST_AUTO_TEST_CASE(a_profile_that_inherits_from_nobody_has_its_own_limits_only) {
    const auto s = good("[profile.alone]\nlimits = [\"5 messages per day\"]\n[profile.none]\nlimits = "
                        "[]\n[profile.silent]\nfrom = \"any\"\n");
    BOOST_TEST(limits_of(*s, "alone") == (lines{"5 messages per day"}), boost::test_tools::per_element());
    BOOST_TEST(limits_of(*s, "none").empty());
    BOOST_TEST(limits_of(*s, "silent").size() == 8U); // the built-in ones
}

BOOST_AUTO_TEST_CASE(a_profile_may_inherit_a_default_that_is_not_in_the_file) {
    const auto s = good("[profile.more]\ninherits = \"default\"\nlimits = [\"31 messages per minute\"]\n");
    BOOST_TEST(limits_of(*s, "more") ==
                   (lines{"31 messages per minute", "300 recipients per hour", "1000 recipients per day",
                          "200 new recipients per day", "50 invalid recipients per day", "1 GB per day",
                          "100 recipients per message", "50 MB per message"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(sizes_and_durations_have_units) {
    const auto s =
        good("[contentfilter]\nmax_message_size = \"50 MB\"\ndeadline = \"9 minutes\"\n[policyd]\nlease = \"90 s\"\n");
    BOOST_TEST(s->contentfilter.max_message_size == byte_count{50U << 20U});
    BOOST_TEST((s->contentfilter.deadline == seconds{540}));
    BOOST_TEST((s->policyd.lease == seconds{90}));
}

BOOST_AUTO_TEST_CASE(bounds_belong_to_the_range) {
    const auto s = good("[policyd]\nmax_connections = 1\nidle_timeout = \"1100 seconds\"\n[profile.default]\nscores = "
                        "{ tag = -10000, hold = 0, reject = 10000 }\n");
    BOOST_TEST(s->policyd.max_connections == 1U);
    BOOST_TEST((s->policyd.idle_timeout == seconds{1100}));
    BOOST_TEST(s->profiles.at("default")->reject_score == 10000);
}

BOOST_AUTO_TEST_SUITE_END()
