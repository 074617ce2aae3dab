// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/random.hpp"

#include <algorithm>
#include <set>

using namespace postsluice;

BOOST_AUTO_TEST_SUITE(randomness)

BOOST_AUTO_TEST_CASE(random_bytes_are_as_many_as_asked_for_and_differ) {
    BOOST_TEST(random_bytes(0).empty());
    BOOST_TEST(random_bytes(33).size() == 33U);
    BOOST_TEST(random_bytes(1U << 16U).size() == 1U << 16U); // more than one call of the kernel may give
    BOOST_TEST((random_bytes(32) != random_bytes(32)));
}

BOOST_AUTO_TEST_CASE(references_are_readable_and_differ) {
    std::set<std::string> seen;
    std::string used;
    for (int i = 0; i < 1000; ++i) {
        const auto reference = new_reference();
        BOOST_REQUIRE(reference.size() == 8U);
        BOOST_TEST(normalise_reference(reference) == reference);
        BOOST_TEST(seen.insert(reference).second);
        used += reference;
    }
    for (const char c : std::string{"ILOU"})
        BOOST_TEST(std::count(used.begin(), used.end(), c) == 0);
    std::sort(used.begin(), used.end());
    BOOST_TEST((std::unique(used.begin(), used.end()) - used.begin()) == 32); // the whole alphabet
}

BOOST_AUTO_TEST_CASE(a_reference_as_a_person_writes_it_is_normalised) {
    BOOST_TEST(normalise_reference("k7qm2p4x") == "K7QM2P4X");
    BOOST_TEST(normalise_reference("ILoO0000") == "11000000");
    for (const auto* text : {"", "K7QM2P4", "K7QM2P4XX", "K7QM-P4X", "K7QM2P4U", "K7QM2P4 "})
        BOOST_TEST(normalise_reference(text).empty(), text);
}

BOOST_AUTO_TEST_SUITE_END()
