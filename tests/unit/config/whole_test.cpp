// SPDX-License-Identifier: Apache-2.0
// What can only be said of a whole file: the documented sample, what follows from what, and how far inheritance goes.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"

using namespace postsluice;
using namespace postsluice::config;
using namespace postsluice::config::testing;

namespace {

/// The messages, one a line; empty where it loads.
std::string said_of(const std::string& text) {
    const auto loaded = load_text(text, "t");
    BOOST_TEST((loaded.settings == nullptr) == !loaded.errors.empty());
    return joined(messages(loaded.errors));
}

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
        ++count;
    return count;
}

} // namespace

BOOST_AUTO_TEST_SUITE(whole_files)

BOOST_AUTO_TEST_CASE(the_configuration_that_the_manual_shows_is_read_without_a_word) {
    const auto said = said_of(R"(hostname = "mail.example.org"                     # default: Postfix's myhostname
mode     = "enforce"                              # or "observe": decide, count and log, refuse nothing (both daemons)
contact  = "https://example.org/mail-policy"      # {contact} in every refusal
abuse_address = "abuse@example.org"               # always reachable, even from a locked account

[policyd]
listen = ["unix:/var/spool/postfix/postsluice/policyd"]

[[account]]
name    = "shop"
network = ["192.0.2.0/28", "2001:db8:5::/64"]
domains = ["shop.example"]

[profile.default]
limits = ["30 messages per minute", "300 recipients per hour", "1000 recipients per day",
          "200 new recipients per day", "50 invalid recipients per day", "1 GB per day",
          "100 recipients per message", "50 MB per message"]
from   = "own-domain"
lock   = { after = ["1 virus", "2 phish in 24 hours", "5 spam in 10 minutes"], for = "30 minutes", automatic_unlocks = 1 }

[profile.newsletter]
inherits = "default"
limits   = ["20000 recipients per day", "unlimited new recipients per day"]

[[assign]]
profile = "newsletter"
login   = ["news@example.org", "*@lists.example.org"]
)");
    BOOST_TEST_CONTEXT(said) {
        BOOST_TEST(said.empty());
    }
}

BOOST_AUTO_TEST_CASE(an_own_rule_needs_something_of_its_own_only_where_the_network_is_all_that_is_known) {
    const std::string network = "[[account]]\nname = \"net\"\nnetwork = [\"192.0.2.0/28\"]\n";
    const std::string own_address = "[profile.default]\nfrom = \"own-address\"\n";
    const std::string loose = "[profile.loose]\nfrom = \"any\"\n[[assign]]\nprofile = \"loose\"\naccount = [\"N*\"]\n";
    BOOST_TEST(said_of(network) ==
               "t:1: account.domains: \"net\" is known by its network and has no domain of its own, but its profile "
               "\"default\" says from = \"own-domain\"; give it domains, or assign it a profile with another from\n");
    BOOST_TEST(count_of(said_of(network + "login = [\"*@x.example\"]\n"), "has no domain of its own") == 1U);
    BOOST_TEST(count_of(said_of(own_address + network + "domains = [\"x.example\"]\n"), "account.aliases: ") == 1U);
    for (const auto& good :
         {loose + network, network + "domains = [\"x.example\"]\n", network + "login = [\"me@x.example\"]\n",
          own_address + network + "aliases = [\"a@x.example\"]\n",
          std::string{"[[account]]\nname = \"me\"\nlogin = [\"*\"]\n"}, std::string{"[[account]]\nname = \"me\"\n"}})
        BOOST_TEST_CONTEXT(good) {
            BOOST_TEST(said_of(good) == "");
        }
}

BOOST_AUTO_TEST_CASE(what_follows_from_one_mistake_is_not_reported_as_another) {
    const char* const each_has_one[] = {
        // nothing is known of the network, or of the rule
        "[[account]]\nname = \"net\"\nnetwork = [\"192.0.2.1/28\"]\n",
        "[profile.default]\nfrom = \"nay\"\n[[account]]\nname = \"net\"\nnetwork = [\"192.0.2.0/28\"]\n",
        // a profile with a mistake is there for those who refer to it
        "[profile.a]\nlimits = [\"x\"]\n[profile.b]\ninherits = \"a\"\n[[assign]]\nprofile = \"a\"\nlogin = "
        "[\"x@y.example\"]\n",
        // thresholds are not compared where one of them could not be read
        "[profile.default]\nscores = { tag = \"x\", hold = 1 }\n",
        // a name that could not be read is no second account without a name
        "[[account]]\nname = 5\n",
    };
    for (const auto* text : each_has_one)
        BOOST_TEST_CONTEXT(text) {
            BOOST_TEST(count_of(said_of(text), "\n") == 1U);
        }
}

BOOST_AUTO_TEST_CASE(a_profile_without_a_group_is_without_its_checks_and_its_heirs_say_their_own) {
    const auto read = load_text("[profile.a]\ndisabled_checks = [\"links\"]\ndisabled_groups = [\"urls\", \"size\"]\n"
                                "[profile.b]\ninherits = \"a\"\n[profile.c]\ninherits = \"a\"\ndisabled_groups = []\n",
                                "t");
    using list = std::vector<std::string>;
    BOOST_REQUIRE(read.settings != nullptr);
    const auto& profiles = read.settings->profiles;
    BOOST_TEST(profiles.at("a")->disabled_checks == (list{"links", "url_lists", "size"}));
    BOOST_TEST(profiles.at("b")->disabled_checks == (list{"links", "url_lists", "size"}));
    BOOST_TEST(profiles.at("c")->disabled_checks == list{"links"});
}

BOOST_AUTO_TEST_CASE(a_circle_of_profiles_is_named_once_and_whole) {
    BOOST_TEST(said_of("[profile.a]\ninherits = \"b\"\n[profile.b]\ninherits = \"a\"\n") ==
               "t:4: profile.b.inherits: profiles inherit in a circle: a -> b -> a; take one of these out\n");
    // One that leads into the circle is not part of it.
    BOOST_TEST(
        said_of("[profile.a]\ninherits = \"b\"\n[profile.b]\ninherits = \"c\"\n[profile.c]\ninherits = \"b\"\n") ==
        "t:6: profile.c.inherits: profiles inherit in a circle: b -> c -> b; take one of these out\n");
}

BOOST_AUTO_TEST_CASE(inheritance_goes_over_thirty_two_profiles_and_no_more) {
    const auto chain = [](int parents) {
        std::string out = "[profile.a0]\nfrom = \"any\"\n[profile.z]\nfrom = \"own-address\"\n";
        for (int i = 1; i <= parents; ++i)
            out += "[profile.a" + std::to_string(i) + "]\ninherits = \"a" + std::to_string(i - 1) + "\"\n";
        // The first name in the file's order is asked first, and so resolves the whole chain at once.
        return out + "[profile.\"0\"]\ninherits = \"a" + std::to_string(parents) + "\"\n";
    };
    const auto longest = load_text(chain(31));
    BOOST_TEST_CONTEXT(joined(messages(longest.errors))) {
        BOOST_REQUIRE(longest.settings != nullptr);
    }
    BOOST_TEST((longest.settings->profiles.at("0")->from.what == from_rule::kind::any));
    BOOST_TEST(count_of(said_of(chain(32)), "inherits over more than 32 profiles") == 1U);
    BOOST_TEST(count_of(said_of(chain(20'000)), "inherits over more than 32 profiles") >=
               1U); // and no stack is used up
}

BOOST_AUTO_TEST_SUITE_END()
