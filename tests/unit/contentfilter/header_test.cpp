// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;

namespace {
header_block parsed(std::string_view text) {
    return parse_header_text(text, 1U << 20U, 2000);
}
} // namespace

BOOST_AUTO_TEST_SUITE(header_test)

BOOST_AUTO_TEST_CASE(fields_are_kept_as_they_are) {
    const auto h = parsed("Subject: one\r\n two\r\n\tthree\r\nFrom : a@example.org\r\n\r\nbody\r\n");
    BOOST_REQUIRE(h.fields.size() == 2u);
    BOOST_TEST(h.fields[0].raw == "Subject: one\r\n two\r\n\tthree");
    BOOST_TEST(h.fields[0].name() == "Subject");
    BOOST_TEST(h.fields[0].value() == " one\r\n two\r\n\tthree");
    BOOST_TEST(h.fields[0].unfolded() == "one two three");
    BOOST_TEST(h.fields[1].name() == "From");
    BOOST_TEST(h.body_offset == 52u);
    BOOST_TEST(!h.truncated);
}

BOOST_AUTO_TEST_CASE(where_a_header_ends) {
    struct row {
        const char* about;
        std::string text;
        std::size_t fields;
        std::uint64_t body;
    };
    const row rows[] = {
        {"an empty message", "", 0, 0},
        {"no body and no empty line", "A: b\r\n", 1, 6},
        {"no final line end", "A: b", 1, 4},
        {"an empty line only", "\r\nbody", 0, 2},
        {"a line without a colon", "A: b\r\nnot a field\r\nC: d\r\n\r\n", 1, 6},
        {"a continuation of nothing", " x\r\nA: b\r\n\r\n", 0, 0},
        {"a name with a blank", "A b: c\r\n\r\n", 0, 0},
        {"an mbox line", "From a@b Thu Jan  1 00:00:00 1970\r\nA: b\r\n\r\n", 0, 0},
        {"bare LF ends lines too", "A: b\nC: d\n\nbody", 2, 11},
        {"a bare CR ends nothing", "A: b\rC: d\r\n\r\nx", 1, 13},
        {"a line of blanks goes on with the field", "A: b\r\n  \r\nC: d\r\n\r\n", 2, 18},
        {"a name that its line can just hold", std::string(997, 'X') + ": b\r\n\r\n", 1, 1004},
        {"a name that is broken on its way", "A: b\r\n" + std::string(998, 'X') + ": b\r\n\r\n", 1, 6},
        {"an old one with many blanks", "A" + std::string(1200, ' ') + ": b\r\n\r\n", 1, 1208},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.about) {
            const auto h = parsed(r.text);
            BOOST_TEST(h.fields.size() == r.fields);
            BOOST_TEST(h.body_offset == r.body);
        }
}

BOOST_AUTO_TEST_CASE(a_field_is_found_by_any_case_and_all_of_a_name_in_order) {
    const auto h = parsed("To: 1\r\nFROM: x\r\nto: 2\r\n\r\n");
    BOOST_REQUIRE(h.find("from"));
    BOOST_TEST(h.find("from")->unfolded() == "x");
    BOOST_TEST(h.all("TO").size() == 2u);
    BOOST_TEST(h.find("Cc") == nullptr);
}

BOOST_AUTO_TEST_CASE(ten_thousand_headers_are_cut_at_the_bound) {
    std::string text;
    for (int i = 0; i < 10000; ++i)
        text += "X-" + std::to_string(i) + ": y\r\n";
    const auto h = parsed(text + "\r\nbody");
    BOOST_TEST(h.truncated);
    BOOST_TEST(h.fields.size() == 2000u);
    BOOST_TEST(h.body_offset == text.find("X-2000:"));
}

BOOST_AUTO_TEST_CASE(a_field_over_the_octet_bound_is_body) {
    const std::string first = "A: b\r\n";
    const auto h = parse_header_text(
        first + "B: " + std::string(100, 'x') + "\r\n " + std::string(100, 'x') + "\r\n\r\n", 150, 10);
    BOOST_TEST(h.truncated);
    BOOST_TEST(h.fields.size() == 1u);
    BOOST_TEST(h.body_offset == first.size());
}

BOOST_AUTO_TEST_CASE(a_header_in_a_file_is_read_in_steps_with_the_same_outcome) {
    testing::scratch_directory dir;
    std::string text;
    for (int i = 0; i < 1500; ++i)
        text += "X-" + std::to_string(i) + ": " + std::string(100, 'v') + "\r\n";
    text += "\r\n";
    const auto body = text.size();
    text += std::string(50000, 'b');
    spool s{byte_count{0}, dir.path};
    BOOST_TEST(s.append(text).has_value());
    const auto h = parse_header(s, {}).value();
    BOOST_TEST(h.fields.size() == 1500u);
    BOOST_TEST(h.body_offset == body);
    BOOST_TEST(!h.truncated);
}

BOOST_AUTO_TEST_CASE(one_endless_line_in_a_file_is_cut_at_the_bound) {
    testing::scratch_directory dir;
    spool s{byte_count{0}, dir.path};
    BOOST_TEST(s.append("A: b\r\nB: " + std::string(3U << 20U, 'x')).has_value());
    const auto h = parse_header(s, {}).value();
    BOOST_TEST(h.truncated);
    BOOST_TEST(h.fields.size() == 1u);
    BOOST_TEST(h.body_offset == 6u);
}

BOOST_AUTO_TEST_SUITE_END()
