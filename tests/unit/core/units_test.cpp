// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/units.hpp"

#include <sstream>

using namespace postsluice;

BOOST_AUTO_TEST_SUITE(units)

BOOST_AUTO_TEST_CASE(sizes_are_read_in_every_spelling) {
    struct row {
        const char* text;
        std::uint64_t octets;
    };
    const row table[] = {{"0", 0},
                         {"7", 7},
                         {"7 B", 7},
                         {"7 bytes", 7},
                         {"10 KB", 10240},
                         {"10KiB", 10240},
                         {"10 k", 10240},
                         {" 2 MiB ", 2U << 20U},
                         {"2mb", 2U << 20U},
                         {"3 M", 3U << 20U},
                         {"1 GiB", 1U << 30U},
                         {"1 g", 1U << 30U},
                         {"9007199254740992", std::uint64_t{1} << 53U}};
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.text) {
            const auto parsed = parse_bytes(one.text);
            BOOST_REQUIRE(parsed.has_value());
            BOOST_TEST(parsed->value == one.octets);
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_size_is_malformed_and_what_overflows_too_large) {
    for (const auto* text : {"", "MiB", "-1 B", "1.5 MiB", "1 TiB", "1 MiBs", "1 M B", "0x10", "+1"}) {
        BOOST_TEST_CONTEXT(text) {
            const auto parsed = parse_bytes(text);
            BOOST_REQUIRE(parsed.has_error());
            BOOST_TEST((parsed.error().code == errc::malformed));
            BOOST_TEST(!parsed.error().detail.empty());
        }
    }
    for (const auto* text : {"9007199254740993", "8388609 GiB", "18446744073709551615 GiB"}) {
        BOOST_TEST_CONTEXT(text) {
            const auto parsed = parse_bytes(text);
            BOOST_REQUIRE(parsed.has_error());
            BOOST_TEST((parsed.error().code == errc::too_large));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_size_is_printed_in_the_largest_unit_that_divides_and_reads_back) {
    struct row {
        std::uint64_t octets;
        const char* text;
    };
    const row table[] = {{0, "0 B"},           {1, "1 B"},
                         {1023, "1023 B"},     {1024, "1 KiB"},
                         {1025, "1025 B"},     {1536, "1536 B"},
                         {2048, "2 KiB"},      {1U << 20U, "1 MiB"},
                         {3U << 30U, "3 GiB"}, {(1U << 20U) + 1024, "1025 KiB"}};
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.text) {
            BOOST_TEST(to_string(byte_count{one.octets}) == one.text);
            BOOST_TEST(parse_bytes(one.text).value().value == one.octets);
        }
    }
    std::ostringstream out;
    out << byte_count{2048};
    BOOST_TEST(out.str() == "2 KiB");
}

BOOST_AUTO_TEST_CASE(durations_are_read_in_every_spelling) {
    struct row {
        const char* text;
        std::int64_t length;
    };
    const row table[] = {{"90 seconds", 90}, {"1 second", 1},    {"90s", 90},          {"5 minutes", 300},
                         {"5 m", 300},       {"1 Hour", 3600},   {"36 hours", 129600}, {"3 days", 259200},
                         {"1d", 86400},      {"1 week", 604800}, {"1 month", 2592000}, {"0 s", 0}};
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.text) {
            const auto parsed = parse_duration(one.text);
            BOOST_REQUIRE(parsed.has_value());
            BOOST_TEST(parsed->count() == one.length);
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_duration_is_refused) {
    for (const auto* text : {"", "5", "hours", "-5 minutes", "5 years", "1 hour 5 minutes", "1.5 hours"})
        BOOST_TEST(parse_duration(text).has_error(), text);
    BOOST_TEST((parse_duration("9007199254740993 s").error().code == errc::too_large));
    BOOST_TEST((parse_duration("104249991375 days").error().code == errc::too_large));
}

BOOST_AUTO_TEST_CASE(a_duration_is_printed_in_the_largest_unit_that_divides_and_reads_back) {
    struct row {
        std::int64_t length;
        const char* text;
    };
    const row table[] = {{0, "0 seconds"},    {1, "1 second"},   {59, "59 seconds"},   {60, "1 minute"},
                         {90, "90 seconds"},  {3600, "1 hour"},  {5400, "90 minutes"}, {86400, "1 day"},
                         {90000, "25 hours"}, {604800, "7 days"}};
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.text) {
            BOOST_TEST(to_string(seconds{one.length}) == one.text);
            BOOST_TEST(parse_duration(one.text).value().count() == one.length);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
