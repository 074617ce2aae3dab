// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/config/dns_list.hpp"

using namespace postsluice;
using namespace postsluice::config;

BOOST_AUTO_TEST_SUITE(dns_list_test)

BOOST_AUTO_TEST_CASE(a_zone_and_what_its_answers_mean) {
    const auto list = dns_list::parse("Multi.Example.org. 127.0.1.2=dbl_spam:6.5  &8=PHISH:-2").value();
    BOOST_TEST(list.zone == "multi.example.org");
    BOOST_REQUIRE(list.answers.size() == 2u);
    BOOST_TEST((list.answers[0] == dns_list_answer{0x7F000102, false, "DBL_SPAM", 6.5}));
    BOOST_TEST((list.answers[1] == dns_list_answer{8, true, "PHISH", -2}));
    BOOST_TEST(list.answers[0].matches(0x7F000102));
    BOOST_TEST(!list.answers[0].matches(0x7F000103));
    BOOST_TEST(list.answers[1].matches(0x7F000018)); // 24 = 16 + 8
    BOOST_TEST(!list.answers[1].matches(0x7F000010));
}

BOOST_AUTO_TEST_CASE(mistakes_are_named) {
    for (const char* text :
         {"", "zone.example", "bad_zone!! 127.0.0.2=X:1", "zone.example 127.0.0.2", "zone.example 127.0.0.2=X",
          "zone.example 10.0.0.2=X:1", "zone.example &0=X:1", "zone.example &256=X:1", "zone.example 2=X:1",
          "zone.example 127.0.0.2=a b:1", "zone.example 127.0.0.2=X:many", "zone.example 127.0.0.2=X:1001"})
        BOOST_TEST_CONTEXT(text) {
            const auto outcome = dns_list::parse(text);
            BOOST_REQUIRE(!outcome);
            BOOST_TEST(outcome.error().code == errc::malformed);
            BOOST_TEST(!outcome.error().detail.empty());
        }
}

BOOST_AUTO_TEST_SUITE_END()
