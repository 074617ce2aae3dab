// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/auth/aes_siv.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;

namespace {

std::string unhex(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        out += static_cast<char>(std::stoi(std::string{text.substr(i, 2)}, nullptr, 16));
    return out;
}

// RFC 5297, appendix A.1
const std::string key = unhex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
const std::string data = unhex("101112131415161718191a1b1c1d1e1f2021222324252627");
const std::string plain = unhex("112233445566778899aabbccddee");
const std::string sealed = unhex("85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c");

} // namespace

BOOST_AUTO_TEST_SUITE(aes_siv)

BOOST_AUTO_TEST_CASE(the_vector_of_rfc_5297_is_met_both_ways) {
    BOOST_TEST(auth::aes_siv_seal(key, data, plain) == sealed);
    BOOST_TEST(auth::aes_siv_open(key, data, sealed).value() == plain);
}

BOOST_AUTO_TEST_CASE(what_was_changed_or_belongs_elsewhere_does_not_open) {
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        auto changed = sealed;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        BOOST_TEST_CONTEXT("octet " << i) BOOST_TEST(!auth::aes_siv_open(key, data, changed).has_value());
    }
    for (std::size_t size = 0; size < sealed.size(); ++size)
        BOOST_TEST_CONTEXT(size << " octets")
    BOOST_TEST(!auth::aes_siv_open(key, data, sealed.substr(0, size)).has_value());
    BOOST_TEST(!auth::aes_siv_open(key, "other", sealed).has_value());
    auto other = key;
    other[0] = '\0';
    BOOST_TEST(!auth::aes_siv_open(other, data, sealed).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
