// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "admin/human.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace postsluice;
using namespace postsluice::admin;
using nlohmann::json;

namespace {
const instant now = *parse_iso8601("2026-11-21T10:15:30Z");
} // namespace

BOOST_AUTO_TEST_SUITE(human)

BOOST_AUTO_TEST_CASE(durations_name_their_two_largest_units) {
    struct row {
        std::int64_t seconds;
        const char* text;
    };
    for (const auto& r : {row{0, "0 s"}, row{-5, "0 s"}, row{1, "1 s"}, row{59, "59 s"}, row{60, "1 min"},
                          row{412, "6 min 52 s"}, row{3600, "1 h"}, row{3601, "1 h"}, row{3660, "1 h 1 min"},
                          row{86399, "23 h 59 min"}, row{86400, "1 d"}, row{183600, "2 d 3 h"}, row{86460, "1 d"}}) {
        BOOST_TEST_CONTEXT(r.seconds) {
            BOOST_TEST(say_duration(seconds{r.seconds}) == r.text);
        }
    }
}

BOOST_AUTO_TEST_CASE(distances_round_towards_the_future) {
    BOOST_TEST(say_distance(now + milliseconds{411001}, now) == "in 6 min 52 s");
    BOOST_TEST(say_distance(now + milliseconds{1}, now) == "in 1 s");
    BOOST_TEST(say_distance(now, now) == "now");
    BOOST_TEST(say_distance(now - milliseconds{999}, now) == "now");
    BOOST_TEST(say_distance(now - seconds{412}, now) == "6 min 52 s ago");
}

BOOST_AUTO_TEST_CASE(times_are_read_strictly_and_shown_in_utc) {
    BOOST_TEST(say_time(parse_iso8601("2026-11-21T10:08:38Z"), now) == "2026-11-21 10:08:38Z (6 min 52 s ago)");
    BOOST_TEST(say_time(std::nullopt, now) == "-");
    for (const char* bad :
         {"", "2026-11-21", "2026-11-21T10:15:30", "2026-11-21T10:15:30Zx", "2026-13-21T10:15:30Z", "yesterday"}) {
        BOOST_TEST_CONTEXT(bad) {
            BOOST_TEST(!parse_iso8601(bad).has_value());
        }
    }
}

BOOST_AUTO_TEST_CASE(sizes_counts_and_scores_read_well) {
    BOOST_TEST(say_size(0) == "0 B");
    BOOST_TEST(say_size(1023) == "1023 B");
    BOOST_TEST(say_size(1536) == "1.5 KiB");
    BOOST_TEST(say_size(std::uint64_t{10} << 30) == "10.0 GiB");
    BOOST_TEST(say_size(~std::uint64_t{0}) == "16777216.0 TiB");
    BOOST_TEST(say_count(1, "message") == "1 message");
    BOOST_TEST(say_count(0, "message") == "0 messages");
    BOOST_TEST(say_score(3.5) == "3.5");
    BOOST_TEST(say_score(15) == "15");
    BOOST_TEST(say_score(100) == "100");
    BOOST_TEST(say_score(-1.254) == "-1.25");
    BOOST_TEST(say_score(-0.001) == "0");
}

BOOST_AUTO_TEST_CASE(members_of_another_type_read_as_nothing) {
    const json object = {{"text", 7}, {"number", "x"}, {"flag", 1},    {"part", "x"},
                         {"time", 5}, {"huge", 1e300}, {"float", 2.75}};
    for (const json& j : {object, json{}, json::array(), json("text")}) {
        BOOST_TEST_CONTEXT(j.dump()) {
            BOOST_TEST(text_of(j, "text", "-") == "-");
            BOOST_TEST(number_of(j, "number", -7) == -7);
            BOOST_TEST(number_of(j, "huge", -7) == -7);
            BOOST_TEST(!flag_of(j, "flag"));
            BOOST_TEST(part_of(j, "part").empty());
            BOOST_TEST(!time_of(j, "time").has_value());
        }
    }
    BOOST_TEST(number_of(object, "float") == 2);
}

BOOST_AUTO_TEST_CASE(use_says_how_much_of_what_and_when_more_fits) {
    const json full = {{"subject", "recipients per hour"}, {"count", 300}, {"used", 300}, {"frees_in", 412}};
    const json half = {{"subject", "messages per minute"}, {"count", 30}, {"used", 15}, {"frees_in", 0}};
    const json idle = {{"subject", "recipients per day"}, {"count", 1000}, {"used", 0}, {"frees_in", 0}};
    const json open = {{"subject", "messages per day"}, {"count", nullptr}, {"used", 9}, {"frees_in", 0}};
    BOOST_TEST(say_use(full) == "300 of 300 recipients per hour (next in 6 min 52 s)");
    BOOST_TEST(say_use(open) == "9 of unlimited messages per day");
    BOOST_TEST(say_uses(json::array({idle, half, open, full})) ==
               "300 of 300 recipients per hour (next in 6 min 52 s), 15 of 30 messages per minute");
    BOOST_TEST(say_uses(json::array()) == "");
}

BOOST_AUTO_TEST_CASE(locks_say_until_when_why_and_by_whom) {
    json lock = {{"locked", true},
                 {"kind", "timed"},
                 {"until", "2026-11-21T10:22:22Z"},
                 {"cause", "5 spam in 10 minutes"},
                 {"actor", "postsluice"},
                 {"reference", "K7QM2P4X"}};
    BOOST_TEST(say_lock(lock, now) ==
               "locked until 2026-11-21 10:22:22Z (in 6 min 52 s): 5 spam in 10 minutes, ref K7QM2P4X");
    lock["kind"] = "permanent";
    BOOST_TEST(say_lock(lock, now) == "locked until somebody unlocks it: 5 spam in 10 minutes, ref K7QM2P4X");
    lock = {{"locked", true}, {"kind", "manual"}, {"actor", "ann"}, {"cause", "phone call"}};
    BOOST_TEST(say_lock(lock, now) == "locked by ann until somebody unlocks it: phone call");
    lock["locked"] = false;
    BOOST_TEST(say_lock(lock, now) == "open");
}

BOOST_AUTO_TEST_CASE(long_lists_are_cut) {
    BOOST_TEST(join(json::array({"a", "b", 7, "c"})) == "a, b, c");
    BOOST_TEST(join(json::array({"a", "b", "c"}), ", ", 2) == "a, b, ...");
    BOOST_TEST(join(json::array()) == "");
}

BOOST_AUTO_TEST_SUITE_END()
