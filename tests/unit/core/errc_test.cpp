// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/errc.hpp"

#include <set>
#include <sstream>
#include <string>

using namespace postsluice;

BOOST_AUTO_TEST_SUITE(errc_values)

BOOST_AUTO_TEST_CASE(every_value_has_a_sentence_of_its_own_and_prints_it) {
    std::set<std::string> seen;
    for (int i = 0; i <= static_cast<int>(errc::internal); ++i) {
        const auto code = static_cast<errc>(i);
        std::ostringstream printed;
        printed << code;
        BOOST_TEST(printed.str() == sentence(code));
        BOOST_TEST(seen.insert(std::string{sentence(code)}).second, printed.str());
    }
    BOOST_TEST(sentence(errc::disk_full) == "no room is left on the device");
}

BOOST_AUTO_TEST_SUITE_END()
