// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/sliding_window.hpp"

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

using namespace postsluice;

namespace {

const instant start{milliseconds{1767225600000}};

// Every event with its time: what the window approximates.
class exact_log {
public:
    void add(instant t) { events_.push_back(t); }
    std::uint64_t within(instant now, milliseconds period) const {
        return static_cast<std::uint64_t>(
            std::count_if(events_.begin(), events_.end(), [&](instant t) { return t > now - period && t <= now; }));
    }

private:
    std::deque<instant> events_;
};

struct traffic {
    const char* name;
    seconds period;
    std::uint64_t limit;
    std::int64_t mean_gap_ms;
};

void check_retry(const sliding_window& window, const traffic& row, instant now) {
    const auto frees = window.fits_at(now, row.period, row.limit, 1);
    BOOST_REQUIRE(frees.has_value());
    BOOST_TEST((*frees > now));
    BOOST_TEST(window.used(*frees, row.period) < row.limit);
    BOOST_TEST(window.used(*frees - milliseconds{1}, row.period) >= row.limit);
}

void run_traffic(const traffic& row, unsigned seed) {
    std::mt19937_64 random{seed};
    std::exponential_distribution<double> gap{1.0 / static_cast<double>(row.mean_gap_ms)};
    sliding_window window;
    exact_log log;
    instant now = start;
    for (int i = 0; i < 1500; ++i) {
        now += milliseconds{static_cast<std::int64_t>(gap(random))};
        if (random() % 200 == 0) now += row.period / 2;
        const bool admitted = window.used(now, row.period) < row.limit;
        if (admitted) {
            BOOST_TEST_REQUIRE(log.within(now, row.period) < row.limit); // never what the exact log refuses
            window.charge(now, row.period, 1);
            log.add(now);
        } else {
            const milliseconds longer = milliseconds{row.period} + milliseconds{row.period} / 32 + milliseconds{1};
            BOOST_TEST_REQUIRE(log.within(now, longer) >= row.limit); // refuses 1/32 longer at most
            check_retry(window, row, now);
        }
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(sliding_window_test)

BOOST_AUTO_TEST_CASE(random_traffic_is_never_admitted_beyond_the_exact_log) {
    const traffic table[] = {{"a minute, flooded", seconds{60}, 30, 300},
                             {"an hour, at the limit", seconds{3600}, 300, 12000},
                             {"a day, bursts", seconds{86400}, 50, 900000},
                             {"one second", seconds{1}, 3, 200},
                             {"seven seconds: slots are no whole milliseconds", seconds{7}, 5, 900},
                             {"limit of one", seconds{60}, 1, 20000}};
    for (const auto& row : table) {
        for (unsigned seed = 1; seed <= 3; ++seed) {
            BOOST_TEST_CONTEXT(row.name << ", seed " << seed) run_traffic(row, seed);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_refund_gives_back_what_was_charged_and_no_more) {
    sliding_window w;
    const auto slot = w.charge(start, seconds{3600}, 5);
    w.charge(start + seconds{600}, seconds{3600}, 2);
    w.refund(slot, 3);
    BOOST_TEST(w.used(start + seconds{600}, seconds{3600}) == 4U);
    w.refund(slot, 100);
    BOOST_TEST(w.used(start + seconds{600}, seconds{3600}) == 2U);
}

BOOST_AUTO_TEST_CASE(a_refund_for_a_slot_that_left_the_ring_changes_nothing) {
    sliding_window w;
    const auto slot = w.charge(start, seconds{60}, 5);
    w.charge(start + seconds{120}, seconds{60}, 2);
    w.refund(slot, 5);
    w.refund(slot + 1000, 5);
    w.refund(-1, 5);
    BOOST_TEST(w.used(start + seconds{120}, seconds{60}) == 2U);
}

BOOST_AUTO_TEST_CASE(a_cost_above_the_limit_never_fits) {
    const sliding_window w;
    BOOST_TEST(!w.fits_at(start, seconds{60}, 3, 4).has_value());
    BOOST_TEST((w.fits_at(start, seconds{60}, 3, 3) == start));
    BOOST_TEST(!w.fits_at(start, seconds{60}, 0, 1).has_value());
}

BOOST_AUTO_TEST_CASE(a_clock_that_steps_back_mints_nothing) {
    sliding_window w;
    w.charge(start, seconds{3600}, 10);
    BOOST_TEST(w.used(start - seconds{1800}, seconds{3600}) == 10U);
    w.charge(start - seconds{1800}, seconds{3600}, 1);
    BOOST_TEST(w.used(start, seconds{3600}) == 11U);
}

BOOST_AUTO_TEST_CASE(counts_from_far_in_the_future_are_kept_and_end_one_period_after_now) {
    sliding_window w;
    const auto wrong = start + std::chrono::hours{24 * 365};
    w.charge(wrong - seconds{1800}, seconds{3600}, 4);
    w.charge(wrong, seconds{3600}, 6);
    BOOST_TEST(w.from_future(start, seconds{3600}));
    BOOST_TEST(w.used(start, seconds{3600}) == 10U);
    BOOST_TEST(!w.from_future(wrong, seconds{3600}));
    const auto frees = w.fits_at(start, seconds{3600}, 10, 1);
    BOOST_REQUIRE(frees.has_value());
    BOOST_TEST((*frees <= start + seconds{3600} + seconds{3600} / 32));
    w.charge(start, seconds{3600}, 1);
    BOOST_TEST(w.used(start, seconds{3600}) == 11U);
    BOOST_TEST(!w.from_future(start, seconds{3600}));
    BOOST_TEST(w.used(start + seconds{3600} * 33 / 32 + seconds{1}, seconds{3600}) == 0U);
}

BOOST_AUTO_TEST_CASE(counts_saturate) {
    sliding_window w;
    w.charge(start, seconds{60}, sliding_window::max_count);
    w.charge(start, seconds{60}, std::uint64_t{1} << 60);
    BOOST_TEST(w.used(start, seconds{60}) == sliding_window::max_count);
}

namespace {
std::vector<std::uint8_t> encoded(const sliding_window& w) {
    std::vector<std::uint8_t> octets(sliding_window::longest_encoding);
    octets.resize(static_cast<std::size_t>(w.encode(octets.data()) - octets.data()));
    return octets;
}
} // namespace

BOOST_AUTO_TEST_CASE(encoding_is_reversible) {
    sliding_window w;
    for (int i = 0; i < 40; ++i) {
        w.charge(start + seconds{i * 100}, seconds{3600}, static_cast<std::uint64_t>(i) * 7919);
        const auto octets = encoded(w);
        BOOST_TEST(octets.size() == w.encoded_size());
        sliding_window back;
        back.charge(start, seconds{60}, 3); // which is written over
        BOOST_TEST(sliding_window::decode(octets, back) == octets.size());
        BOOST_TEST((back == w));
        BOOST_TEST(back.used(start + seconds{i * 100}, seconds{3600}) ==
                   w.used(start + seconds{i * 100}, seconds{3600}));
    }
}

BOOST_AUTO_TEST_CASE(only_slots_that_hold_something_are_encoded) {
    sliding_window w;
    BOOST_TEST(w.encoded_size() == 16U);
    const auto slot = w.charge(start, seconds{3600}, 2);
    w.charge(start + seconds{1800}, seconds{3600}, 1);
    BOOST_TEST(encoded(w).size() == 28U);
    w.refund(slot, 2);
    BOOST_TEST(encoded(w).size() == 22U);
    w.charge(start + seconds{36000}, seconds{3600}, 0); // all of that is over
    BOOST_TEST(encoded(w).size() == 16U);
    for (int i = 0; i < 100; ++i)
        w.charge(start + seconds{36000 + i * 100}, seconds{3600}, sliding_window::max_count / 50);
    BOOST_TEST(encoded(w).size() == sliding_window::longest_encoding);
}

BOOST_AUTO_TEST_CASE(what_is_cut_or_names_slots_that_are_not_there_is_no_window) {
    sliding_window w;
    w.charge(start, seconds{3600}, 2);
    w.charge(start + seconds{1800}, seconds{3600}, 1);
    auto octets = encoded(w);
    sliding_window unchanged;
    for (std::size_t n = 0; n < octets.size(); ++n)
        BOOST_TEST(sliding_window::decode(std::span{octets}.first(n), unchanged) == 0U);
    octets[8 + 4] |= 2; // bit 33
    BOOST_TEST(sliding_window::decode(octets, unchanged) == 0U);
    BOOST_TEST((unchanged == sliding_window{}));
}

BOOST_AUTO_TEST_CASE(any_octets_decode_to_a_window_that_can_be_used) {
    std::mt19937 random{7};
    for (int i = 0; i < 500; ++i) {
        std::array<std::uint8_t, sliding_window::longest_encoding> octets{};
        for (auto& o : octets)
            o = static_cast<std::uint8_t>(i == 0 ? 0xff : random());
        octets[12] &= 1; // 33 slots, and no more
        octets[13] = octets[14] = octets[15] = 0;
        sliding_window w;
        BOOST_REQUIRE(sliding_window::decode(octets, w) != 0U);
        const auto before = w.used(start, seconds{3600});
        w.refund(w.charge(start, seconds{3600}, 1), 1);
        BOOST_TEST(w.used(start, seconds{3600}) <= before);
        BOOST_TEST(w.fits_at(start, seconds{3600}, sliding_window::max_count * 33, 1).has_value());
    }
}

BOOST_AUTO_TEST_SUITE_END()
