// SPDX-License-Identifier: Apache-2.0
// An operator's limits for single accounts: what holds, for whom, until when, and how many there may be.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include "shared/state/overrides.hpp"

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;

namespace {

const limit hourly{300, limit_unit::recipients, seconds{3600}};
const limit daily{50, limit_unit::messages, seconds{86400}};
const instant now{seconds{1'000'000}};

struct desk {
    temp_directory dir;
    boost::asio::io_context io;
    std::unique_ptr<store> state = open_store(dir / "state");
    writer through{*state, seconds{60}};
    overrides kept{*state, through, "0123456789abcdef"};

    result<void> set(const std::string& account, const limit& what, instant until = {}, instant at = now) {
        limit_override one;
        one.account = account;
        one.what = what;
        one.text = to_string(what);
        one.set = at;
        one.until = until;
        one.actor = "anna";
        one.why = "newsletter";
        return run(io, kept.set(std::move(one)));
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(overrides_test)

BOOST_FIXTURE_TEST_CASE(one_of_a_subject_holds_for_its_account_with_who_when_and_why, desk) {
    BOOST_REQUIRE(set("a", hourly).has_value());
    BOOST_REQUIRE(set("a", daily).has_value());
    BOOST_REQUIRE(set("b", hourly).has_value());
    limit more = hourly;
    more.count = 900;
    BOOST_REQUIRE(set("a", more).has_value()); // in the place of the first
    const auto its = kept.of("a", now);
    BOOST_REQUIRE(its.has_value());
    BOOST_REQUIRE(its->size() == 2U);
    for (const auto& one : *its) {
        BOOST_TEST((one.text == to_string(more) || one.text == to_string(daily)));
        BOOST_TEST(one.actor == "anna");
        BOOST_TEST(one.why == "newsletter");
        BOOST_TEST((one.set == now));
    }
    BOOST_TEST(kept.all(now).value().size() == 3U);
    BOOST_TEST(run(io, kept.clear("a", subject(daily))).value() == 1U);
    BOOST_TEST(run(io, kept.clear("a", "")).value() == 1U);
    BOOST_TEST(kept.of("a", now).value().empty());
    BOOST_TEST(kept.of("b", now).value().size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(what_has_expired_holds_no_more_and_goes_with_the_next_write, desk) {
    const auto end = now + seconds{60};
    BOOST_REQUIRE(set("a", hourly, end).has_value());
    BOOST_TEST(kept.of("a", end - seconds{1}).value().size() == 1U);
    BOOST_TEST(kept.of("a", end).value().empty());
    BOOST_TEST(kept.all(end).value().empty());
    BOOST_REQUIRE(set("b", hourly, {}, end).has_value());
    BOOST_TEST(kept.all(now).value().size() == 1U); // although it held then
}

BOOST_FIXTURE_TEST_CASE(expired_ones_take_nobodys_place, desk) {
    {
        auto txn = state->write().value(); // thousands of writes would take their time
        for (std::size_t i = 0; i < overrides::most_overrides; ++i)
            BOOST_REQUIRE(txn.put("V" + std::to_string(10'000'000 + i), "damaged").has_value());
        BOOST_REQUIRE(txn.commit().has_value());
    }
    const auto full = set("a", hourly);
    BOOST_REQUIRE(!full);
    BOOST_TEST(full.error().code == errc::too_large);
    log_lines said;
    BOOST_TEST(kept.all(now).value().empty());
    BOOST_TEST(said.contain("overrides damaged"));
    {
        auto txn = state->write().value();
        BOOST_REQUIRE(txn.erase("V10000000").has_value());
        BOOST_REQUIRE(txn.commit().has_value());
    }
    BOOST_REQUIRE(set("a", hourly, now + seconds{1}).has_value());
    BOOST_TEST(!set("b", hourly).has_value());
    BOOST_TEST(set("b", hourly, {}, now + seconds{2}).has_value()); // the first one's place
}

BOOST_AUTO_TEST_CASE(they_stand_in_the_place_of_a_limit_of_their_subject) {
    limit_override one;
    one.what = hourly;
    one.what.count = 900;
    const auto merged = with_overrides({hourly, daily}, {&one, 1}, now);
    BOOST_REQUIRE(merged.size() == 2U);
    BOOST_TEST(merged[0].count == 900U);
    BOOST_TEST(with_overrides({daily}, {&one, 1}, now).size() == 2U);
    one.until = now;
    BOOST_TEST(with_overrides({hourly, daily}, {&one, 1}, now)[0].count == 300U);
}

BOOST_AUTO_TEST_SUITE_END()
