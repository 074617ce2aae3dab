// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/result.hpp"

#include <sstream>
#include <stdexcept>

using namespace postsluice;

namespace {
result<int> half(int n) {
    if (n % 2 != 0) return failure{errc::malformed, std::to_string(n) + " is odd"};
    return n / 2;
}
} // namespace

BOOST_AUTO_TEST_SUITE(results)

BOOST_AUTO_TEST_CASE(a_result_holds_a_value_or_a_failure_with_its_detail) {
    BOOST_TEST(half(4).value() == 2);
    BOOST_REQUIRE(half(3).has_error());
    BOOST_TEST((half(3).error() == failure{errc::malformed, "3 is odd"}));
}

BOOST_AUTO_TEST_CASE(a_failure_reads_as_detail_and_sentence) {
    BOOST_TEST((failure{errc::timed_out, ""}.message() == "the deadline passed"));
    BOOST_TEST((failure{errc::timed_out, "next hop"}.message() == "next hop: the deadline passed"));
    std::ostringstream out;
    out << failure{errc::closed, "x"};
    BOOST_TEST(out.str() == "x: the connection is closed");
}

BOOST_AUTO_TEST_CASE(the_value_of_a_failure_throws_its_message) {
    BOOST_CHECK_EXCEPTION((void)half(5).value(), std::runtime_error, [](const auto& e) {
        return std::string{e.what()} == "5 is odd: the input breaks its grammar";
    });
}

BOOST_AUTO_TEST_SUITE_END()
