// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <random>

namespace postsluice::auth {

BOOST_AUTO_TEST_SUITE(dkim_canon)

namespace {

struct row {
    std::string_view raw, canonical;
};

// RFC 6376 section 3.4.4 and its example in 3.4.5; a body of nothing but empty lines is empty.
constexpr row bodies[] = {
    {"", ""},
    {"\r\n", ""},
    {"\r\n\r\n\r\n", ""},
    {" ", ""},
    {" \t\r\n", ""},
    {"x", "x\r\n"},
    {"x\r\n", "x\r\n"},
    {"x\r\n\r\n\r\n", "x\r\n"},
    {"x \t", "x\r\n"},
    {"x\r\n \r\n\t\r\n", "x\r\n"},
    {" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"},
    {"\r\n\r\nx\r\n", "\r\n\r\nx\r\n"},
    {"x\r\n\r\ny\r\n", "x\r\n\r\ny\r\n"},
    {"x\r\n \t\r\ny\r\n", "x\r\n\r\ny\r\n"},
    {"\tx", " x\r\n"},
    {"a  b\t\tc", "a b c\r\n"},
    {"a b c d", "a b c d\r\n"},
    {"a\rb\r\n", "a\rb\r\n"},
    {"a \rb\r\n", "a \rb\r\n"},
    {"a\r\r\n", "a\r\r\n"},
    {"a\r", "a\r\r\n"},
    {"a\nb\r\n", "a\nb\r\n"},
    {"\xC3\xA4\xFF \r\n", "\xC3\xA4\xFF\r\n"},
};

constexpr row headers[] = {
    {"A: X", "a:X"},
    {"B : Y\t\r\n\tZ  ", "b:Y Z"},
    {"Subject:", "subject:"},
    {"Subject: \t ", "subject:"},
    {"Subject:x", "subject:x"},
    {"SUBJECT:  Two   Words\t", "subject:Two Words"},
    {"To: a,\r\n b,\r\n\t  c", "to:a, b, c"},
    {"To:\r\n a", "to:a"},
    {"To: a\r\n ", "to:a"},
    {"X: a:b : c", "x:a:b : c"},
    {"X: \xC3\x84 \xFF", "x:\xC3\x84 \xFF"},
    {"no colon", "no colon"},
};

std::string reference_canonical(std::string_view body) {
    std::string out;
    std::string line;
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < body.size(); ++i) {
        if (body.substr(i, 2) == "\r\n") {
            lines.push_back(line);
            line.clear();
            ++i;
        } else {
            line.push_back(body[i]);
        }
    }
    lines.push_back(line);
    for (auto& l : lines) {
        std::string packed;
        for (const char c : l) {
            const char d = c == '\t' ? ' ' : c;
            if (d != ' ' || packed.empty() || packed.back() != ' ') packed.push_back(d);
        }
        if (packed.ends_with(' ')) packed.pop_back();
        l = packed;
    }
    while (!lines.empty() && lines.back().empty())
        lines.pop_back();
    for (const auto& l : lines)
        out += l + "\r\n";
    return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_body_is_hashed_in_its_relaxed_form_however_it_is_cut) {
    for (const auto& [raw, canonical] : bodies)
        BOOST_TEST_CONTEXT("body \"" << raw << "\"") {
            const auto expected = test::sha256_of(canonical);
            for (std::size_t cut = 0; cut <= raw.size(); ++cut) {
                body_hash hash;
                hash.update(raw.substr(0, cut));
                hash.update(raw.substr(cut));
                BOOST_TEST((hash.finish() == expected), "cut at " << cut);
            }
            body_hash octets;
            for (const char c : raw)
                octets.update({&c, 1});
            BOOST_TEST((octets.finish() == expected));
        }
}

BOOST_AUTO_TEST_CASE(random_bodies_agree_with_a_plain_reference) {
    std::mt19937 random{7};
    const std::vector<std::string> pieces = {"\r\n", " ", "\t", "x", "word", std::string(3000, 'z'), "\r\n\r\n", "a b"};
    for (int round = 0; round < 400; ++round) {
        std::string body;
        for (auto n = random() % 60; n > 0; --n)
            body += pieces[random() % pieces.size()];
        body_hash hash;
        for (std::string_view rest = body; !rest.empty();) {
            const auto size = std::min<std::size_t>(rest.size(), 1 + random() % 5000);
            hash.update(rest.substr(0, size));
            rest.remove_prefix(size);
        }
        BOOST_TEST((hash.finish() == test::sha256_of(reference_canonical(body))), "round " << round);
    }
}

BOOST_AUTO_TEST_CASE(the_empty_body_has_the_hash_of_the_rfc) {
    BOOST_TEST(base64(test::body_sha256("")) == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

BOOST_AUTO_TEST_CASE(a_hash_that_is_moved_goes_on) {
    body_hash first;
    first.update("a  b");
    body_hash second{std::move(first)};
    second.update(" \r\n");
    BOOST_TEST((second.finish() == test::sha256_of("a b\r\n")));
}

BOOST_AUTO_TEST_CASE(a_field_is_unfolded_and_its_blanks_reduced) {
    for (const auto& [raw, canonical] : headers)
        BOOST_TEST(canonical_header(raw) == canonical);
}

BOOST_AUTO_TEST_CASE(broken_fields_have_no_name) {
    const std::string long_name(998, 'x'), too_long(999, 'x');
    BOOST_TEST(field_name("Subject: x") == "Subject");
    BOOST_TEST(field_name("Subject \t: x") == "Subject");
    BOOST_TEST(field_name(long_name + ":") == long_name);
    for (const std::string& raw : {std::string{}, std::string{"no colon"}, std::string{": x"}, std::string{" : x"},
                                   std::string{"a b: x"}, std::string{" Subject: x"},
                                   std::string{"B\xC3\xA4"
                                               "d: x"},
                                   std::string{"a\x7F: x"}, too_long + ": x"})
        BOOST_TEST(field_name(raw).empty(), raw);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::auth
