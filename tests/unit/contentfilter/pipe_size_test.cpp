// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "contentfilter/pipe/size_counter.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using postsluice::contentfilter::pipe::size_counter;

namespace {
std::uint64_t size_of(const std::string& octets, std::size_t piece) {
    size_counter counter;
    for (std::size_t at = 0; at < octets.size(); at += piece)
        counter.feed(std::string_view{octets}.substr(at, piece));
    return counter.finish();
}
} // namespace

BOOST_AUTO_TEST_SUITE(pipe_size)

BOOST_AUTO_TEST_CASE(a_message_has_the_size_of_its_records_however_it_is_cut) {
    struct row {
        std::string octets;
        std::uint64_t size;
    };
    const auto line = [](std::size_t length) { return std::string(length, 'x') + "\n"; };
    const row rows[] = {
        {"", 0},
        {"\n", 2},
        {"abc\n", 5},
        {"abc", 5},
        {line(127), 129},
        {line(128), 131},
        {line(2047), 2050},
        {line(2048), 2051 + 2},       // what is left of the line is empty, and a record too
        {line(5000), 2051 * 2 + 907}, // 2048 + 2048 + 904
        {line(1) + line(200) + "\n", 3 + 203 + 2},
    };
    for (const auto& r : rows)
        for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{65536}})
            BOOST_TEST_CONTEXT(r.octets.size() << " in pieces of " << piece) {
                BOOST_TEST(size_of(r.octets, piece) == r.size);
            }
}

BOOST_AUTO_TEST_SUITE_END()
