// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "committed.hpp"
#include "fixture.hpp"

#include "shared/state/accounting_lmdb.hpp"
#include "shared/state/trend_store.hpp"

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;
namespace asio = boost::asio;

namespace {

const std::string alice = "alice@example.org";

struct shelf {
    temp_directory dir;
    manual_clock clock;
    asio::io_context io;
    std::unique_ptr<store> counters = open_store(dir / "counters", durability::background, 64U << 20U);
    std::unique_ptr<accounting_lmdb> books = std::make_unique<accounting_lmdb>(
        *counters, io.get_executor(), "0123456789abcdef", clock, accounting_options{});
    std::unique_ptr<trend_store> trends = make_trend_store(*books, "0123456789abcdef", clock);

    void send(const std::string& account, std::uint32_t recipients = 1) {
        const auto one = trends->hash_of(account, "friend@example.net");
        const trend_message message{clock.now(), recipients, 1, 7};
        BOOST_REQUIRE(run(io, trends->observe(account, message, {one})).has_value());
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(trend_store_suite)

BOOST_AUTO_TEST_CASE(what_was_observed_is_read_again_after_a_restart) {
    shelf s;
    BOOST_TEST((s.trends->read(alice).value() == trend_memory{}));
    for (int day = 0; day < 10; ++day) {
        s.send(alice, 3);
        s.clock.advance(std::chrono::hours{25});
    }
    const auto memory = s.trends->read(alice).value();
    BOOST_TEST(memory.usual_recipients > 2.5);
    BOOST_TEST(knows(memory, s.trends->hash_of(alice, "friend@example.net")));
    BOOST_TEST(!knows(memory, s.trends->hash_of(alice, "stranger@example.net")));
    s.trends.reset();
    s.books.reset();
    s.counters.reset();
    s.counters = open_store(s.dir / "counters", durability::background, 64U << 20U);
    s.books = std::make_unique<accounting_lmdb>(*s.counters, s.io.get_executor(), "0123456789abcdef", s.clock,
                                                accounting_options{});
    s.trends = make_trend_store(*s.books, "0123456789abcdef", s.clock);
    BOOST_TEST((s.trends->read(alice).value() == memory));
}

BOOST_AUTO_TEST_CASE(accounts_do_not_mix_and_a_reset_forgets_one) {
    shelf s;
    s.send(alice);
    s.send("bob@example.org");
    s.send("bob@example.org");
    BOOST_TEST(s.trends->read(alice).value().day_messages == 1);
    BOOST_TEST(s.trends->read("bob@example.org").value().day_messages == 2);
    BOOST_TEST(s.trends->hash_of(alice, "x") != s.trends->hash_of("bob@example.org", "x"));
    BOOST_REQUIRE(run(s.io, s.trends->reset("bob@example.org")).has_value());
    BOOST_TEST((s.trends->read("bob@example.org").value() == trend_memory{}));
    BOOST_TEST(s.trends->read(alice).value().day_messages == 1);
}

BOOST_AUTO_TEST_CASE(what_was_put_off_is_taken_back_from_its_account_and_of_nobody_nothing_is_kept) {
    shelf s;
    s.send(alice, 3);
    s.send(alice, 2);
    s.send("bob@example.org");
    const trend_message put_off{s.clock.now(), 2, 1, 7};
    BOOST_REQUIRE(run(s.io, s.trends->take_back(alice, put_off)).has_value());
    BOOST_TEST(s.trends->read(alice).value().day_messages == 1);
    BOOST_TEST(s.trends->read(alice).value().day_recipients == 3);
    BOOST_TEST(s.trends->read("bob@example.org").value().day_messages == 1);
    BOOST_REQUIRE(run(s.io, s.trends->take_back("carol@example.org", put_off)).has_value());
    BOOST_TEST((s.trends->read("carol@example.org").value() == trend_memory{}));
    const auto txn = s.counters->read().value();
    int records = 0;
    txn.scan("B", "", [&records](std::string_view, std::string_view) { return ++records > 0; });
    BOOST_TEST(records == 2);
}

BOOST_AUTO_TEST_CASE(a_trend_and_a_charge_of_one_turn_share_a_commit) {
    shelf s;
    const limit five{5, limit_unit::recipients, seconds{3600}};
    int done = 0;
    const auto count = [&done](std::exception_ptr e, const auto& answer) {
        BOOST_TEST(!e);
        BOOST_TEST(answer.has_value());
        ++done;
    };
    const trend_message message{s.clock.now(), 1, 1, 7};
    asio::co_spawn(s.io, s.trends->observe(alice, message, {}), count);
    asio::co_spawn(
        s.io, admit_committed(*s.books, {{"192.0.2.1:587", "a.b.c"}, 1, alice, "x@y", {{"account:" + alice, {five}}}}),
        count);
    s.io.restart();
    s.io.run();
    BOOST_TEST(done == 2);
    BOOST_TEST(s.trends->read(alice).value().day_messages == 1);
    BOOST_TEST(s.books->usage({"account:" + alice, {five}}).value().at(0).used == 1U);
}

BOOST_AUTO_TEST_CASE(a_record_stays_under_its_size_and_a_damaged_one_starts_empty) {
    shelf s;
    trend_memory full;
    for (auto& filter : full.known)
        filter.fill(~std::uint64_t{0});
    BOOST_TEST(encode(full, "").size() <= trend_memory_octets + 20);
    const auto text = encode(full, alice);
    BOOST_TEST((decode_trend(text).value() == full));
    for (std::size_t size = 0; size < text.size(); ++size)
        BOOST_REQUIRE(!decode_trend(std::string_view{text}.substr(0, size)).has_value());
    full.usual_messages = -1;
    BOOST_TEST(!decode_trend(encode(full, alice)).has_value());
    full.usual_messages = std::numeric_limits<float>::quiet_NaN();
    BOOST_TEST(!decode_trend(encode(full, alice)).has_value());

    s.send(alice);
    std::string key;
    {
        const auto txn = s.counters->read().value();
        txn.scan("B", "", [&key](std::string_view k, std::string_view) {
            key = k;
            return false;
        });
    }
    BOOST_REQUIRE(put(*s.counters, key, "\1nonsense").has_value());
    log_lines log;
    BOOST_TEST((s.trends->read(alice).value() == trend_memory{}));
    BOOST_TEST(log.contain("damaged trend record"));
}

BOOST_AUTO_TEST_CASE(a_trend_is_swept_when_its_account_rested_for_long) {
    shelf s;
    s.send(alice);
    s.clock.advance(std::chrono::hours{24 * 200});
    s.send("bob@example.org");
    s.clock.advance(std::chrono::hours{24 * 201});
    BOOST_TEST(run(s.io, s.trends->sweep(1)).value() + run(s.io, s.trends->sweep(1)).value() == 1U);
    BOOST_TEST((s.trends->read(alice).value() == trend_memory{}));
    BOOST_TEST(s.trends->read("bob@example.org").value().hour > 0);
}

BOOST_AUTO_TEST_SUITE_END()
