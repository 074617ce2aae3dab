// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"
#include "shared/state/campaigns.hpp"
#include "shared/state/codec.hpp"
#include "shared/state/known_fingerprints.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

using namespace postsluice;
using namespace postsluice::state;

namespace {

/// A text of `words` words of its own kind, of which the last `changed` are others.
fingerprint text(std::uint64_t seed, int changed = 0, fingerprint_kind kind = fingerprint_kind::text) {
    constexpr int words = 200;
    min_hash_maker maker;
    for (int i = 0; i < words; ++i)
        maker.add((i < words - changed ? seed : seed + 1'000'000) * 1000 + static_cast<std::uint64_t>(i));
    return {kind, maker.take().value(), "text"};
}

template <class T>
T run(boost::asio::awaitable<T> what) {
    boost::asio::io_context context;
    auto outcome = boost::asio::co_spawn(context, std::move(what), boost::asio::use_future);
    context.run();
    return outcome.get();
}

struct open_campaigns {
    test::temp_directory scratch;
    std::unique_ptr<store> where =
        store::open({.directory = scratch.path() / "filter", .map_size = byte_count{64U << 20U}}).value();
    campaigns memory{*where, "secret"};
    campaigns::bounds within{0.8, seconds{86400}, 100};
    instant now{milliseconds{std::int64_t{1'800'000'000} * 1000}};

    void sent(const fingerprint& what, const std::string& account, std::uint64_t recipients = 1) {
        memory.learn({what}, account, recipients, now, within).value();
    }
    campaigns::sighting seen(const fingerprint& what, const std::string& account) {
        return memory.ask(what, account, now, within).value();
    }
    std::size_t records() {
        const auto txn = where->read().value();
        std::size_t out = 0;
        txn.scan("F", {}, [&](std::string_view, std::string_view) { return ++out > 0; });
        return out;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(campaigns_suite)

BOOST_FIXTURE_TEST_CASE(the_same_text_of_several_accounts_is_one_campaign, open_campaigns) {
    BOOST_TEST(seen(text(1), "a@x").others == 0u);
    sent(text(1), "a@x");
    sent(text(1, 8), "b@x"); // like it
    sent(text(1), "b@x");
    BOOST_TEST(seen(text(1), "c@x").others == 2u);
    BOOST_TEST(seen(text(1, 4), "a@x").others == 1u);
    BOOST_TEST(seen(text(2), "c@x").others == 0u);      // another text
    BOOST_TEST(seen(text(1, 100), "c@x").others == 0u); // half of it
    BOOST_TEST(seen(text(1, 0, fingerprint_kind::layout), "c@x").others == 0u);
}

BOOST_FIXTURE_TEST_CASE(recipients_of_an_account_add_up, open_campaigns) {
    sent(text(1), "a@x", 100);
    sent(text(1), "b@x", 7);
    sent(text(1), "a@x", 50);
    BOOST_TEST(seen(text(1), "a@x").recipients == 150u);
    BOOST_TEST(seen(text(1), "b@x").recipients == 7u);
    BOOST_TEST(seen(text(1), "c@x").recipients == 0u);
    sent(text(1), "a@x", ~std::uint64_t{0}); // no overflow
    sent(text(1), "a@x", 1);
    BOOST_TEST(seen(text(1), "a@x").recipients == 0xffffffffu);
}

BOOST_FIXTURE_TEST_CASE(what_is_older_than_the_window_counts_no_more, open_campaigns) {
    sent(text(1), "a@x", 100);
    now += seconds{50'000};
    sent(text(1), "b@x");
    now += seconds{50'000};
    BOOST_TEST(seen(text(1), "c@x").others == 1u); // b
    BOOST_TEST(seen(text(1), "a@x").recipients == 0u);
    sent(text(1), "a@x", 3);
    BOOST_TEST(seen(text(1), "a@x").recipients == 3u);
    now += seconds{86'500};
    BOOST_TEST(seen(text(1), "c@x").others == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_campaign_keeps_a_bounded_number_of_accounts, open_campaigns) {
    for (int i = 0; i < 100; ++i)
        sent(text(1), "a" + std::to_string(i) + "@x");
    BOOST_TEST(seen(text(1), "z@x").others == campaigns::most_accounts);
}

BOOST_FIXTURE_TEST_CASE(the_number_of_campaigns_is_bounded_and_nothing_is_left_of_the_old, open_campaigns) {
    for (std::uint64_t i = 0; i < 350; ++i)
        sent(text(10 + i), "a@x");
    BOOST_TEST(records() == 1u + 100u);
    BOOST_TEST(seen(text(10), "b@x").others == 0u);
    BOOST_TEST(seen(text(10 + 349), "b@x").others == 1u);
    BOOST_TEST(seen(text(10 + 250), "b@x").others == 1u);
    within.most = 50; // a smaller bound after a reload
    for (std::uint64_t i = 0; i < 60; ++i)
        sent(text(1000 + i), "a@x");
    BOOST_TEST(seen(text(1000 + 59), "b@x").others == 1u);
}

BOOST_FIXTURE_TEST_CASE(mail_of_one_account_does_not_push_out_what_many_sent, open_campaigns) {
    sent(text(1), "a@x");
    sent(text(1), "b@x");
    for (std::uint64_t i = 0; i < 500; ++i)
        sent(text(10 + i), "a@x");
    BOOST_TEST(seen(text(1), "c@x").others == 2u);
    now += seconds{86'500}; // until nobody sends it any more
    for (std::uint64_t i = 0; i < 150; ++i)
        sent(text(5000 + i), "a@x");
    BOOST_TEST(records() == 1u + 100u);
}

BOOST_FIXTURE_TEST_CASE(a_damaged_record_is_none, open_campaigns) {
    sent(text(1), "a@x");
    auto txn = where->write().value();
    txn.put("FP" + std::string(8, '\0'), "\1damaged").value();
    txn.commit().value();
    BOOST_TEST(seen(text(1), "b@x").others == 0u);
    sent(text(1), "b@x");
    BOOST_TEST(seen(text(1), "c@x").others == 1u);
}

BOOST_FIXTURE_TEST_CASE(what_was_learned_is_found_again_after_a_restart, open_campaigns) {
    for (std::uint64_t i = 0; i < 250; ++i) // over the bound: some lie where others lay
        sent(text(10 + i), "a@x");
    sent(text(10 + 200), "b@x");
    campaigns again{*where, "secret"};
    BOOST_TEST(again.ask(text(10 + 200), "c@x", now, within).value().others == 2u);
    BOOST_TEST(again.ask(text(10 + 249, 8), "c@x", now, within).value().others == 1u);
    BOOST_TEST(again.ask(text(10 + 100), "c@x", now, within).value().others == 0u);
    again.learn({text(10 + 249)}, "d@x", 1, now, within).value();
    BOOST_TEST(again.ask(text(10 + 249), "c@x", now, within).value().others == 2u);
}

// No room: nothing of the message is learned, what was known stays known; once there is room it is learned again.
BOOST_AUTO_TEST_CASE(what_could_not_be_written_is_not_known) {
    const test::temp_directory scratch;
    const auto where = store::open({.directory = scratch.path() / "filter", .map_size = byte_count{1U << 20U}}).value();
    campaigns memory{*where, "secret"};
    const campaigns::bounds within{0.8, seconds{86400}, 100'000};
    const instant now{milliseconds{std::int64_t{1'800'000'000} * 1000}};
    std::uint64_t known = 0;
    while (known < 10'000 && memory.learn({text(10 + known), text(100'000 + known)}, "a@x", 1, now, within))
        ++known;
    BOOST_TEST_REQUIRE(known > 50u);
    BOOST_TEST_REQUIRE(known < 10'000u);
    const auto refused = memory.learn({text(10), text(90'000)}, "b@x", 1, now, within); // one is known, one is not
    BOOST_TEST_REQUIRE(!refused);
    BOOST_TEST((refused.error().code == errc::disk_full));
    const auto others = [&](std::uint64_t seed) { return memory.ask(text(seed), "z@x", now, within).value().others; };
    BOOST_TEST(others(10) == 1u);
    BOOST_TEST(others(90'000) == 0u);
    for (std::uint64_t i = 0; i < known; ++i)
        BOOST_TEST(others(10 + i) == 1u);
    auto txn = where->write().value(); // somebody clears up
    txn.use_reserve();
    for (std::uint64_t place = 0; place < known; ++place)
        txn.erase("FP" + big_endian(place)).value();
    txn.commit().value();
    memory.learn({text(90'000)}, "b@x", 1, now, within).value();
    BOOST_TEST(others(90'000) == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(known_fingerprints_suite)

BOOST_AUTO_TEST_CASE(what_operators_add_is_kept_until_they_delete_it) {
    const test::temp_directory scratch;
    const auto where = store::open({.directory = scratch.path() / "state", .map_size = byte_count{64U << 20U}}).value();
    writer through{*where, seconds{60}};
    known_fingerprints known{*where, through};
    known_fingerprint one;
    one.id = "AAAA1111";
    one.why = "campaign";
    one.actor = "root";
    one.subject = "Invoice";
    one.added = instant{milliseconds{5000}};
    one.of = {text(1), text(2, 0, fingerprint_kind::file)};
    run(known.add(one, 2)).value();
    auto two = one;
    two.id = "BBBB2222";
    two.added = instant{milliseconds{6000}};
    run(known.add(two, 2)).value();
    two.id = "CCCC3333";
    BOOST_TEST((run(known.add(two, 2)).error().code == errc::too_large));
    const auto all = known.all().value();
    BOOST_TEST_REQUIRE(all.size() == 2u);
    BOOST_TEST(all[0].id == "BBBB2222"); // the newest first
    BOOST_TEST(all[1].why == "campaign");
    BOOST_TEST(all[1].subject == "Invoice");
    BOOST_TEST_REQUIRE(all[1].of.size() == 2u);
    BOOST_TEST((all[1].of[1].kind == fingerprint_kind::file));
    BOOST_TEST((all[1].of[1].sketch == one.of[1].sketch));
    BOOST_TEST(run(known.remove("AAAA1111")).value());
    BOOST_TEST(!run(known.remove("AAAA1111")).value());
    BOOST_TEST(known.all().value().size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
