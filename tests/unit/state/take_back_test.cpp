// SPDX-License-Identifier: Apache-2.0
// What the filter put off before the queue is given back: all of it, once, and never more.
#define BOOST_TEST_DYN_LINK
#include "committed.hpp"
#include "fixture.hpp"

#include "shared/state/accounting_lmdb.hpp"

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;
namespace asio = boost::asio;

namespace {

constexpr seconds hour{3600};
const limit messages{100, limit_unit::messages, hour}, recipients{100, limit_unit::recipients, hour},
    bytes{1'000'000, limit_unit::bytes, hour}, fresh{100, limit_unit::new_recipients, hour},
    different{100, limit_unit::distinct_recipients, hour}, invalid{100, limit_unit::invalid_recipients, hour};

struct desk {
    temp_directory dir;
    manual_clock clock;
    asio::io_context io;
    std::unique_ptr<store> counters = open_store(dir / "counters", durability::background, 64U << 20U);
    accounting_lmdb books{*counters,
                          io.get_executor(),
                          "0123456789abcdef",
                          clock,
                          {.books = {.new_recipients_after = seconds{0}, .known_recipients = 5000}}};
    std::vector<counted_limits> under{{"account:a", {messages, recipients, bytes, fresh, different, invalid}},
                                      {"domain:d", {messages, recipients}}};

    static transaction_id id(const char* instance) { return {"192.0.2.1:587", instance}; }
    void rcpt(const char* instance, const char* to, std::uint64_t announced = 0, bool for_good = false) {
        counted_facts facts;
        facts.size = announced;
        BOOST_REQUIRE(
            run(io, admit_committed(books, {id(instance), 1, "a", to, under, false, for_good, facts})).has_value());
    }
    void data(const char* instance, std::uint32_t count, const char* queue_id = "", bool settles = false,
              bool for_good = false) {
        BOOST_REQUIRE(
            run(io, data_committed(books, {id(instance), 1, "a", queue_id, count, under, false, settles, for_good, {}}))
                .has_value());
    }
    void end(const char* instance, std::uint64_t size = 0, const char* queue_id = "") {
        BOOST_REQUIRE(run(io, settle_committed(books, id(instance), 1, queue_id, size)).has_value());
    }
    void message(const char* instance, std::vector<const char*> to, std::uint64_t size = 0) {
        for (const auto* one : to)
            rcpt(instance, one);
        data(instance, static_cast<std::uint32_t>(to.size()));
        end(instance, size);
    }
    bool take_back(const char* instance) { return run(io, books.take_back(id(instance))).value(); }
    std::uint64_t used(const limit& l, const std::string& key = "account:a") {
        return books.usage({key, {l}}).value().at(0).used;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(take_back_test)

BOOST_AUTO_TEST_CASE(everything_a_settled_message_cost_is_given_back) {
    desk d;
    d.message("1.1.0", {"x@e", "y@e"}, 5000);
    BOOST_TEST(d.used(messages) == 1U);
    BOOST_TEST(d.used(recipients, "domain:d") == 2U);
    BOOST_TEST(d.used(bytes) == 5000U);
    BOOST_TEST(d.used(fresh) == 2U);
    BOOST_TEST(d.used(different) == 2U);
    BOOST_TEST(d.take_back("1.1.0"));
    for (const auto& l : {messages, recipients, bytes, fresh, different})
        BOOST_TEST(d.used(l) == 0U, to_string(l));
    BOOST_TEST(d.used(messages, "domain:d") == 0U);
    BOOST_TEST(d.used(recipients, "domain:d") == 0U);
}

BOOST_AUTO_TEST_CASE(it_is_given_back_once_however_often_it_is_asked_for) {
    desk d;
    d.message("1.1.0", {"x@e"}, 10);
    d.message("1.2.0", {"x@e"}, 10);
    BOOST_TEST(d.take_back("1.1.0"));
    for (int i = 0; i < 3; ++i)
        BOOST_TEST(!d.take_back("1.1.0"));
    BOOST_TEST(!d.take_back("9.9.9"));
    BOOST_TEST(d.used(messages) == 1U);
    BOOST_TEST(d.used(bytes) == 10U);
    d.end("1.1.0", 10); // Postfix asks again where an answer was lost
    BOOST_TEST(d.used(messages) == 1U);
    BOOST_TEST(!d.take_back("1.1.0"));
}

BOOST_AUTO_TEST_CASE(bytes_are_given_back_as_they_were_charged_whatever_was_announced) {
    for (const std::uint64_t announced : {0U, 100U, 5000U, 90000U}) {
        desk d;
        d.message("1.0.0", {"x@e"}, 7);
        d.rcpt("1.1.0", "x@e", announced);
        d.clock.advance(seconds{300}); // the debt goes to another slot
        d.data("1.1.0", 1);
        d.end("1.1.0", 5000);
        BOOST_TEST(d.used(bytes) == 5007U);
        BOOST_TEST(d.take_back("1.1.0"));
        BOOST_TEST(d.used(bytes) == 7U);
    }
}

BOOST_AUTO_TEST_CASE(who_was_new_is_new_again_and_who_was_known_stays_known) {
    desk d;
    d.message("1.1.0", {"old@e"});
    d.message("1.2.0", {"old@e", "new@e"});
    BOOST_TEST(d.used(fresh) == 2U);
    BOOST_TEST(d.take_back("1.2.0"));
    BOOST_TEST(d.used(fresh) == 1U);
    d.message("1.3.0", {"old@e", "new@e"});
    BOOST_TEST(d.used(fresh) == 2U);
    d.message("1.4.0", {"new@e"});
    BOOST_TEST(d.used(fresh) == 2U);
}

BOOST_AUTO_TEST_CASE(invalid_recipients_stay_counted) {
    desk d;
    BOOST_REQUIRE(run(d.io, d.books.count_invalid({desk::id("1.1.0"), 1, "bad@e", d.under})).has_value());
    d.message("1.1.0", {"x@e"});
    BOOST_TEST(d.take_back("1.1.0"));
    BOOST_TEST(d.used(invalid) == 1U);
    BOOST_TEST(d.used(messages) == 0U);
}

BOOST_AUTO_TEST_CASE(what_was_queued_or_is_not_whole_or_was_charged_for_good_stays_charged) {
    desk d;
    d.rcpt("1.1.0", "x@e");
    d.data("1.1.0", 1, "4XyZ");
    d.end("1.1.0", 10, "4XyZ");
    d.rcpt("1.2.0", "x@e"); // no DATA: nobody has a ticket
    d.rcpt("1.3.0", "x@e", 0, true);
    d.data("1.3.0", 1, "", false, true);
    d.end("1.3.0", 10);
    for (const auto* one : {"1.1.0", "1.2.0", "1.3.0"})
        BOOST_TEST(!d.take_back(one), one);
    BOOST_TEST(d.used(messages) == 3U);
}

BOOST_AUTO_TEST_CASE(where_data_settles_it_is_given_back_as_well) {
    desk d;
    d.rcpt("1.1.0", "x@e");
    d.data("1.1.0", 1, "", true);
    d.data("1.1.0", 1, "", true); // repeated
    BOOST_TEST(d.used(messages) == 1U);
    BOOST_TEST(d.take_back("1.1.0"));
    BOOST_TEST(d.used(messages) == 0U);
    BOOST_TEST(!d.take_back("1.1.0"));
}

BOOST_AUTO_TEST_CASE(after_its_lease_nothing_is_given_back) {
    desk d;
    d.message("1.1.0", {"x@e"});
    d.clock.advance(seconds{601});
    BOOST_REQUIRE(run(d.io, d.books.sweep(1000)).has_value());
    BOOST_TEST(!d.take_back("1.1.0"));
    BOOST_TEST(d.used(messages) == 1U);
}

BOOST_AUTO_TEST_CASE(what_was_reset_since_does_not_go_below_nothing) {
    desk d;
    d.message("1.1.0", {"x@e"}, 10);
    BOOST_REQUIRE(run(d.io, d.books.reset("a")).has_value());
    d.message("1.2.0", {"x@e"}, 10);
    BOOST_TEST(d.take_back("1.1.0"));
    BOOST_TEST(d.used(messages) == 1U);
    BOOST_TEST(d.used(messages, "domain:d") == 1U);
}

BOOST_AUTO_TEST_CASE(the_next_message_of_the_instance_has_a_charge_of_its_own) {
    desk d;
    d.message("1.1.0", {"x@e"});
    d.message("1.1.0", {"y@e"}); // a new generation
    BOOST_TEST(d.used(messages) == 2U);
    BOOST_TEST(d.take_back("1.1.0"));
    BOOST_TEST(d.used(messages) == 1U);
    BOOST_TEST(!d.take_back("1.1.0"));
}

BOOST_AUTO_TEST_SUITE_END()
