// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/state/band_index.hpp"

#include <map>
#include <random>

using namespace postsluice::state;

BOOST_AUTO_TEST_SUITE(band_index_suite)

// Against a map, with so few bands that slots are shared, freed, and lie at the end of the table and its beginning.
BOOST_AUTO_TEST_CASE(it_is_as_a_map_is) {
    std::minstd_rand random{7};
    for (const std::uint32_t bands : {40U, 3000U}) {
        band_index index;
        std::map<std::uint32_t, band_index::place> wanted;
        const auto step = 0xffffffffU / bands;
        for (int i = 0; i < 20'000; ++i) {
            const auto band = static_cast<std::uint32_t>(random()) % bands * step;
            const auto close = band + static_cast<std::uint32_t>(random()) % 3U; // same home, another band
            const auto place = static_cast<band_index::place>(random() % 1000U);
            const bool out = random() % 3U == 0;
            const auto known = wanted.find(close);
            const auto before = known == wanted.end() ? band_index::nowhere : known->second;
            BOOST_REQUIRE(index.lead(close, out ? band_index::nowhere : place) == before);
            if (out)
                wanted.erase(close);
            else
                wanted[close] = place;
            BOOST_REQUIRE(index.size() == wanted.size());
        }
        for (std::uint32_t i = 0; i < bands; ++i)
            for (std::uint32_t more = 0; more < 3; ++more) {
                const auto known = wanted.find(i * step + more);
                BOOST_TEST(index.find(i * step + more) ==
                           (known == wanted.end() ? band_index::nowhere : known->second));
            }
        index.clear();
        BOOST_TEST(index.size() == 0u);
        BOOST_TEST(index.find(step) == band_index::nowhere);
    }
}

BOOST_AUTO_TEST_SUITE_END()
