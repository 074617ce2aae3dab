// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/reason.hpp"

#include <set>
#include <sstream>
#include <string>

using namespace postsluice;

BOOST_AUTO_TEST_SUITE(reasons)

BOOST_AUTO_TEST_CASE(every_reason_has_a_name_that_reads_back_and_a_sentence) {
    std::set<std::string_view> names;
    for (const reason r : all_reasons()) {
        BOOST_TEST_CONTEXT(to_string(r)) {
            BOOST_TEST(names.insert(to_string(r)).second);
            BOOST_TEST(to_string(r).find('_') == std::string_view::npos);
            const auto again = parse_reason(to_string(r));
            BOOST_REQUIRE(again.has_value());
            BOOST_TEST((*again == r));
            BOOST_TEST(sentence(r).ends_with("."));
            std::ostringstream out;
            out << r;
            BOOST_TEST(out.str() == to_string(r));
        }
    }
    BOOST_TEST(names.contains("from-forbidden"));
    BOOST_TEST(names.size() == all_reasons().size());
}

BOOST_AUTO_TEST_CASE(foreign_names_are_no_reason) {
    for (const auto* text : {"", "from_forbidden", "From-Forbidden", "limit ", "whim"})
        BOOST_TEST(!parse_reason(text).has_value(), text);
}

BOOST_AUTO_TEST_SUITE_END()
