// SPDX-License-Identifier: Apache-2.0
// The rule files that ship: each symbol by a message that has it and by the nearest honest one, which has not.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/checks/rule_files.hpp"

#include <set>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

struct shipped {
    std::shared_ptr<check_resources> resources = std::make_shared<check_resources>();
    std::set<std::string> symbols;

    shipped() {
        std::vector<std::string> errors;
        auto read = read_rule_files({"contentfilter/rules.d/*.toml"}, errors);
        BOOST_REQUIRE(errors.empty());
        for (const auto& rule : read.patterns)
            symbols.insert(rule.found.symbol);
        resources->patterns = std::make_shared<pattern_database>(std::move(read.patterns));
    }
    bool finds(std::string_view symbol, const std::string& text) const {
        return find_symbol(run_check("patterns", make_message("Subject: hello\r\n\r\n" + text + "\r\n"), resources),
                           symbol) != nullptr;
    }
};

struct row {
    const char *symbol, *fraud, *honest;
};
const row table[] = {
    {"ADVANCE_FEE",
     "I am the lawyer of a late client who left no next of kin.\r\nThe sum of USD 14.5 million lies in a bank.",
     "The city council voted to spend 14.5 million dollars on the new bridge."},
    {"ADVANCE_FEE", "US$ 8.2 million awaits a foreign partner.", "Our foreign partner sends 14 chairs."},
    {"LOTTERY_PRIZE", "EURO LOTTERY: your winning number is 7-11; contact the claims agent.",
     "The lottery fund pays for the new hall."},
    {"SEXTORTION", "My trojan gave me full access to your device. Send 900 USD in bitcoin.",
     "Your camera was repaired; please pay on collection."},
    {"SEXTORTION", "Pay in BTC within 48 hours.", "The price of bitcoin rose again."},
    {"MAILBOX_THREAT", "Your mailbox has exceeded its quota. Click here to keep it.",
     "Your mailbox has exceeded its quota; delete what you do not need."},
    {"PASSWORD_THREAT", "Your password expires today. Keep the same password: use the button below.",
     "Your password expires in 14 days; change it in the portal as usual."},
    {"ACCOUNT_THREAT", "Your account has been limited. Please verify your identity.",
     "Your account has been credited with 20 EUR."},
    {"PARCEL_FEE", "Your parcel is on hold at the depot until payment of 1.99 EUR customs.",
     "Your parcel is on its way and arrives on Tuesday."},
    {"GIFT_CARDS", "Buy five Steam cards, scratch them and send me the codes.", "Gift cards are sold at the desk."},
    {"SURE_PROFIT", "Guaranteed returns of 20 % when you invest today.", "Returns are accepted within 30 days."},
    {"STOCK_TIP", "STRONG BUY! Price target $4.", "I have a strong buyer for the flat."},
    {"PILLS", "V1agra and more, no prescription needed.", "Viagra was approved in 1998."},
    {"REMOVE_BY_SUBJECT", "To be taken off, reply with \"REMOVE\" in the subject line.",
     "Please reply, and remove the old file from the share."},
};

} // namespace

BOOST_AUTO_TEST_SUITE(shipped_rules_test)

BOOST_AUTO_TEST_CASE(each_finds_what_it_is_for_and_not_the_nearest_honest_message) {
    const shipped rules;
    for (const auto& r : table)
        BOOST_TEST_CONTEXT(r.symbol << ": " << r.fraud) {
            BOOST_TEST(rules.finds(r.symbol, r.fraud));
            BOOST_TEST(!rules.finds(r.symbol, r.honest));
        }
}

BOOST_AUTO_TEST_CASE(each_has_a_row) {
    const shipped rules;
    std::set<std::string> tried{"EICAR", "GTUBE"}; // check_patterns_test
    for (const auto& r : table)
        tried.insert(r.symbol);
    BOOST_TEST(tried == rules.symbols, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
