// SPDX-License-Identifier: Apache-2.0
// What a part holds is decoded once for all that ask, within its bound.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

#include <set>
#include <thread>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

constexpr auto as_base64 = "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n";

std::shared_ptr<const mime::tree> tree_with(std::size_t octets, byte_count memory) {
    message_options how;
    how.filter.decoded_memory = memory;
    return tree_of(*make_message(with_attachment(as_base64, base64(std::string(octets, 'x'))), how));
}

std::string octets_of(const mime::part& of, std::uint64_t most = ~std::uint64_t{0}) {
    std::string out;
    mime::decoded(of, most, [&](std::string_view piece) { return out += piece, true; }).value();
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(mime_decoded_test)

BOOST_AUTO_TEST_CASE(what_is_encoded_is_decoded_once_for_all) {
    const auto tree = tree_with(200'000, byte_count{1U << 20U});
    const auto& part = tree->parts().back();
    const auto first = mime::kept_octets(part);
    BOOST_REQUIRE(first.has_value());
    BOOST_TEST(*first == std::string(200'000, 'x'));
    std::set<const char*> seen{first->data()};
    mime::decoded(part, 10, [&](std::string_view piece) { return seen.insert(piece.data()).second; }).value();
    BOOST_TEST(seen.size() == 1u);
    BOOST_TEST(!mime::kept_octets(tree->parts()[1]).has_value()); // lies there as it is
}

BOOST_AUTO_TEST_CASE(visitors_have_pieces_and_may_stop) {
    const auto tree = tree_with(200'000, byte_count{1U << 20U});
    const auto& part = tree->parts().back();
    BOOST_TEST(octets_of(part).size() == 200'000u);
    BOOST_TEST(octets_of(part, 70'000).size() == 70'000u);
    BOOST_TEST(octets_of(part, 0).empty());
    std::size_t pieces = 0, longest = 0;
    mime::decoded(part, ~std::uint64_t{0}, [&](std::string_view piece) {
        longest = std::max(longest, piece.size());
        return ++pieces < 2;
    }).value();
    BOOST_TEST(pieces == 2u);
    BOOST_TEST(longest <= 65536u);
}

BOOST_AUTO_TEST_CASE(beyond_its_memory_each_decodes_for_itself) {
    for (const std::uint64_t memory : {0U, 1000U, 199'999U})
        BOOST_TEST_CONTEXT(memory) {
            const auto tree = tree_with(200'000, byte_count{memory});
            BOOST_TEST(!mime::kept_octets(tree->parts().back()).has_value());
            BOOST_TEST(octets_of(tree->parts().back()) == std::string(200'000, 'x'));
        }
}

BOOST_AUTO_TEST_CASE(the_parts_of_a_message_share_its_memory) {
    message_options how;
    how.filter.decoded_memory = byte_count{150'000};
    std::string text = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (int i = 0; i < 2; ++i)
        text += std::string{"--b\r\n"} + as_base64 + "\r\n" + base64(std::string(100'000, 'x')) + "\r\n";
    const auto tree = tree_of(*make_message(text + "--b--\r\n", how));
    const auto& parts = tree->parts();
    BOOST_REQUIRE(parts.size() == 3u);
    BOOST_TEST(mime::kept_octets(parts[2]).has_value());
    BOOST_TEST(!mime::kept_octets(parts[1]).has_value());
    BOOST_TEST(octets_of(parts[1]) == octets_of(parts[2]));
}

BOOST_AUTO_TEST_CASE(many_threads_have_the_same) {
    const auto tree = tree_with(500'000, byte_count{1U << 20U});
    const auto& part = tree->parts().back();
    std::vector<const char*> seen(8);
    {
        std::vector<std::jthread> threads;
        for (auto& one : seen)
            threads.emplace_back([&] { one = mime::kept_octets(part).value_or("").data(); });
    }
    BOOST_TEST((std::set<const char*>{seen.begin(), seen.end()}).size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
