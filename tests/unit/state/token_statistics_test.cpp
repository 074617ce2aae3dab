// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"
#include "shared/state/token_records.hpp"
#include "shared/state/token_statistics.hpp"

#include <numeric>

using namespace postsluice;
using namespace postsluice::state;

namespace {

using outcome = token_statistics::outcome;
using outcomes = std::vector<outcome>;
constexpr auto spam = mail_class::spam, ham = mail_class::ham;
constexpr seconds day_long{86400};

struct open_statistics {
    test::temp_directory scratch;
    manual_clock time;
    std::unique_ptr<store> where = test::open_store(scratch / "filter", durability::background, 64U << 20U);
    token_statistics all{*where, "secret", time};
    token_statistics::bounds within;

    outcomes learn(mail_class as, const std::vector<token_set>& messages) {
        return all.learn(as, messages, within).value();
    }
    outcomes forget(const std::vector<token_set>& messages) { return all.forget(messages, within).value(); }
    class_counts of(std::uint64_t token) {
        const std::vector<std::uint64_t> asked{token};
        return all.ask(asked, within.half_life).value().tokens.at(0);
    }
    token_statistics::totals total() { return all.total(within.half_life).value(); }
    /// Of all tokens below `end`: those that are kept.
    std::size_t kept(std::uint64_t end) {
        std::vector<std::uint64_t> asked(end);
        std::iota(asked.begin(), asked.end(), 0U);
        const auto counts = all.ask(asked, within.half_life).value().tokens;
        return static_cast<std::size_t>(
            std::count_if(counts.begin(), counts.end(), [](const auto& c) { return c.sum() > 0; }));
    }
};

token_set range(std::uint64_t begin, std::uint64_t end) {
    token_set out(end - begin);
    std::iota(out.begin(), out.end(), begin);
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(token_statistics_suite)

BOOST_FIXTURE_TEST_CASE(messages_and_tokens_are_counted_by_class, open_statistics) {
    BOOST_TEST(learn(spam, {{1, 2}, {2, 3}}) == (outcomes{outcome::learned, outcome::learned}),
               boost::test_tools::per_element());
    learn(ham, {{2, 4}});
    BOOST_TEST(total().messages.spam == 2.0);
    BOOST_TEST(total().messages.ham == 1.0);
    BOOST_TEST(total().tokens == 4u);
    BOOST_TEST(total().remembered == 3u);
    BOOST_TEST(of(2).spam == 2.0);
    BOOST_TEST(of(2).ham == 1.0);
    BOOST_TEST(of(3).spam == 1.0);
    BOOST_TEST(of(5).sum() == 0.0);
    const std::vector<std::uint64_t> asked{4, 1};
    const auto answer = all.ask(asked, seconds{0}).value();
    BOOST_TEST(answer.messages.spam == 2.0);
    BOOST_TEST(answer.tokens[0].ham == 1.0);
    BOOST_TEST(answer.tokens[1].spam == 1.0);
}

BOOST_FIXTURE_TEST_CASE(a_message_counts_once, open_statistics) {
    learn(spam, {{1, 2}});
    BOOST_TEST(learn(spam, {{1, 2}, {1, 2, 3}, {1, 2, 3}}) ==
                   (outcomes{outcome::known, outcome::learned, outcome::known}),
               boost::test_tools::per_element());
    BOOST_TEST(of(1).spam == 2.0);
    BOOST_TEST(total().messages.spam == 2.0);
    BOOST_TEST(learn(spam, {{}}) == outcomes{outcome::empty}, boost::test_tools::per_element());
    BOOST_TEST(total().messages.spam == 2.0);
}

BOOST_FIXTURE_TEST_CASE(learned_the_other_way_it_is_moved, open_statistics) {
    learn(spam, {{1, 2}});
    BOOST_TEST(learn(ham, {{1, 2}}) == outcomes{outcome::moved}, boost::test_tools::per_element());
    BOOST_TEST(of(1).spam == 0.0);
    BOOST_TEST(of(1).ham == 1.0);
    BOOST_TEST(total().messages.spam == 0.0);
    BOOST_TEST(total().messages.ham == 1.0);
    BOOST_TEST(total().remembered == 1u);
}

BOOST_FIXTURE_TEST_CASE(what_is_forgotten_leaves_nothing, open_statistics) {
    learn(spam, {{1, 2}, {2, 3}});
    BOOST_TEST(forget({{1, 2}, {7, 8}}) == (outcomes{outcome::forgotten, outcome::unknown}),
               boost::test_tools::per_element());
    BOOST_TEST(of(1).sum() == 0.0);
    BOOST_TEST(of(2).spam == 1.0);
    BOOST_TEST(total().messages.spam == 1.0);
    BOOST_TEST(total().tokens == 2u);
    forget({{2, 3}});
    BOOST_TEST(total().tokens == 0u);
    BOOST_TEST(total().remembered == 0u);
    BOOST_TEST(forget({{2, 3}}) == outcomes{outcome::unknown}, boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(counts_fade_by_halves, open_statistics) {
    within.half_life = 10 * day_long;
    learn(spam, {{1, 2}});
    time.advance(10 * day_long);
    BOOST_TEST(of(1).spam == 0.5, boost::test_tools::tolerance(1e-6));
    BOOST_TEST(total().messages.spam == 0.5, boost::test_tools::tolerance(1e-6));
    learn(spam, {{1, 3}});
    BOOST_TEST(of(1).spam == 1.5, boost::test_tools::tolerance(1e-6));
    BOOST_TEST(of(2).spam == 0.5, boost::test_tools::tolerance(1e-6));
    BOOST_TEST(total().messages.spam == 1.5, boost::test_tools::tolerance(1e-6));
    time.advance(20 * day_long);
    BOOST_TEST(of(1).spam == 0.375, boost::test_tools::tolerance(1e-6));
    // What is taken back is what is left of it.
    forget({{1, 2}});
    BOOST_TEST(of(1).spam == 0.25, boost::test_tools::tolerance(1e-6));
    BOOST_TEST(of(2).spam == 0.0);
    within.half_life = seconds{0};
    time.advance(1000 * day_long);
    BOOST_TEST(of(1).spam == 0.25, boost::test_tools::tolerance(1e-6));
}

BOOST_FIXTURE_TEST_CASE(a_clock_that_goes_back_makes_nothing_grow, open_statistics) {
    within.half_life = 10 * day_long;
    learn(spam, {{1}});
    time.set(time.now() - 100 * day_long);
    BOOST_TEST(of(1).spam == 1.0);
    learn(spam, {{1, 2}});
    BOOST_TEST(of(1).spam == 2.0);
}

BOOST_FIXTURE_TEST_CASE(over_their_bound_the_weakest_tokens_go, open_statistics) {
    within.tokens = 2000;
    const auto common = range(0, 500);
    for (std::uint64_t i = 0; i < 4; ++i) { // four messages share 500 tokens
        auto message = common;
        message.push_back(1'000'000 + i);
        learn(spam, {message});
    }
    for (std::uint64_t i = 0; i < 20; ++i) {
        learn(ham, {range(1000 + 300 * i, 1300 + 300 * i)});
        BOOST_TEST(total().tokens <= 2000u);
    }
    BOOST_TEST(kept(500) > 450u); // those that were seen four times
    const auto rare = kept(7000) - kept(1000);
    BOOST_TEST(rare <= 2000u - 450u);
    BOOST_TEST(rare > 1000u);
}

BOOST_FIXTURE_TEST_CASE(a_lowered_bound_is_reached_step_by_step, open_statistics) {
    learn(spam, {range(0, 60'000)});
    within.tokens = 10'000;
    std::size_t steps = 0;
    for (std::uint64_t i = 0; total().tokens > 10'000 && steps < 10; ++i, ++steps)
        learn(spam, {{100'000 + i}});
    BOOST_TEST(total().tokens <= 10'000u);
    BOOST_TEST(steps > 1u); // not all of them in one transaction
    BOOST_TEST(kept(60'000) + steps >= total().tokens);
}

BOOST_FIXTURE_TEST_CASE(only_so_many_messages_are_remembered, open_statistics) {
    within.messages = 3;
    for (std::uint64_t i = 0; i < 5; ++i) {
        learn(spam, {{i, 100}});
        time.advance(seconds{1});
    }
    BOOST_TEST(total().remembered == 3u);
    BOOST_TEST(total().messages.spam == 5.0); // what they taught stays
    BOOST_TEST(forget({{0, 100}, {4, 100}}) == (outcomes{outcome::unknown, outcome::forgotten}),
               boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(it_survives_the_end_of_the_process, open_statistics) {
    learn(spam, {{1, 2}});
    where.reset();
    where = test::open_store(scratch / "filter", durability::background, 64U << 20U);
    token_statistics again{*where, "secret", time};
    BOOST_TEST(again.total(seconds{0}).value().messages.spam == 1.0);
    const std::vector<token_set> same{{1, 2}};
    BOOST_TEST(again.learn(spam, same, within).value().front() == outcome::known);
}

BOOST_FIXTURE_TEST_CASE(damaged_records_are_as_none, open_statistics) {
    learn(spam, {{1, 2}});
    test::put(*where, token_key(1), "\1xyz").value();
    test::put(*where, "S", "rubbish").value();
    BOOST_TEST(of(1).sum() == 0.0);
    BOOST_TEST(of(2).spam == 1.0);
    BOOST_TEST(total().messages.spam == 0.0);
    learn(spam, {{1, 5}});
    BOOST_TEST(of(1).spam == 1.0);
}

BOOST_AUTO_TEST_CASE(a_full_map_learns_nothing_and_says_so) {
    test::temp_directory scratch;
    manual_clock time;
    const auto small = test::open_store(scratch / "filter", durability::background, 1U << 20U);
    token_statistics all{*small, "secret", time};
    const token_statistics::bounds within;
    const std::vector<token_set> first{{1, 2}};
    all.learn(spam, first, within).value();
    const std::vector<token_set> large{range(10, 100'000)};
    const auto refused = all.learn(spam, large, within);
    BOOST_REQUIRE(!refused);
    BOOST_TEST(refused.error().code == errc::disk_full);
    BOOST_TEST(all.total(seconds{0}).value().messages.spam == 1.0);
    BOOST_TEST(all.forget(first, within).value().front() == outcome::forgotten);
}

BOOST_AUTO_TEST_SUITE_END()
