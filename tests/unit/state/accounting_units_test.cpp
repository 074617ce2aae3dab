// SPDX-License-Identifier: Apache-2.0
// Every unit against an exact log: what is admitted fits the log, what is refused would not fit 1/32 of a period longer
// (distinct counts: would not fit), and a retry at the stated time passes.
#define BOOST_TEST_DYN_LINK
#include "committed.hpp"
#include "fixture.hpp"

#include "shared/state/accounting_lmdb.hpp"
#include "shared/state/known_recipients.hpp"

#include <map>
#include <random>
#include <set>

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;
namespace asio = boost::asio;

namespace {

constexpr seconds hour{3600};
constexpr seconds history{7200};

struct request_of {
    std::string account = "a", recipient = "r@x";
    counted_facts facts;
};

struct books_rig {
    temp_directory dir;
    manual_clock clock;
    asio::io_context io;
    std::unique_ptr<store> counters = open_store(dir / "counters", durability::background, 64U << 20U);
    accounting_lmdb books{*counters,
                          io.get_executor(),
                          "0123456789abcdef",
                          clock,
                          {.books = {.new_recipients_after = history, .known_recipients = 5000}}};
    std::vector<limit> own, shared; // of the account, of its domain
    int last = 0;

    std::vector<counted_limits> under(const std::string& account) const {
        std::vector<counted_limits> out{{"account:" + account, own}};
        if (!shared.empty()) out.push_back({"domain:d", shared});
        return out;
    }
    static transaction_id id(int n) { return {"s", "i" + std::to_string(n)}; }
    admit_answer rcpt(int n, const request_of& r) {
        auto a = run(
            io, admit_committed(books, {id(n), 1, r.account, r.recipient, under(r.account), false, false, r.facts}));
        BOOST_REQUIRE(a.has_value());
        return *a;
    }
    data_answer data(int n, std::uint32_t count, const request_of& r = {}) {
        auto a = run(io, data_committed(
                             books, {id(n), 1, r.account, "Q", count, under(r.account), false, false, false, r.facts}));
        BOOST_REQUIRE(a.has_value());
        return *a;
    }
    void settle(int n, std::uint64_t size = 0) {
        BOOST_REQUIRE(run(io, settle_committed(books, id(n), 1, "Q", size)).has_value());
    }
    void abort(int n) { BOOST_REQUIRE(run(io, abort_committed(books, id(n), 1, true)).has_value()); }
    void invalid(int n, const std::string& recipient, const std::string& account = "a") {
        BOOST_REQUIRE(run(io, books.count_invalid({id(n), 1, recipient, under(account)})).has_value());
    }
    std::uint64_t used(const limit& l, const std::string& key = "account:a") {
        return books.usage({key, {l}}).value().at(0).used;
    }
    void sweep() { BOOST_REQUIRE(run(io, books.sweep(1000)).has_value()); }
};

struct event {
    instant at;
    std::uint64_t amount;
    std::string value;
};

class exact_log {
public:
    void add(instant at, std::uint64_t amount, std::string value) { events_.push_back({at, amount, std::move(value)}); }
    std::uint64_t sum(instant now, milliseconds period) const {
        std::uint64_t out = 0;
        for (const auto& e : events_)
            out += e.at > now - period ? e.amount : 0;
        return out;
    }
    std::set<std::string> distinct(instant now, milliseconds period) const {
        std::set<std::string> out;
        for (const auto& e : events_)
            if (e.at > now - period) out.insert(e.value);
        return out;
    }

private:
    std::vector<event> events_;
};

std::string value_of(limit_unit unit, const request_of& r) {
    switch (unit) {
    case limit_unit::distinct_recipients:
        return r.recipient;
    case limit_unit::client_addresses:
        return r.facts.client_address;
    case limit_unit::client_networks:
        return r.facts.client_network;
    case limit_unit::sender_addresses:
        return r.facts.sender;
    default:
        return r.facts.sender.empty() ? std::string{} : r.facts.sender.substr(r.facts.sender.find('@') + 1);
    }
}

request_of random_request(std::mt19937& random) {
    request_of r;
    const auto pick = [&](unsigned n) { return std::to_string(random() % n); };
    r.recipient = pick(12) + "@x" + pick(2);
    r.facts.sender = random() % 4 == 0 ? std::string{} : "s" + pick(3) + "@d" + pick(8);
    r.facts.client_address = "192.0.2." + pick(9);
    r.facts.client_network = "192.0." + pick(9) + ".0/24";
    r.facts.size = random() % 50;
    r.facts.external = random() % 2 == 0;
    return r;
}

} // namespace

BOOST_AUTO_TEST_SUITE(accounting_units_test)

BOOST_AUTO_TEST_CASE(windows_of_every_unit_agree_with_an_exact_log) {
    const limit table[] = {{9, limit_unit::messages, hour},
                           {9, limit_unit::recipients, hour},
                           {7, limit_unit::external_recipients, hour},
                           {200, limit_unit::bytes, hour},
                           {4, limit_unit::null_sender_messages, hour}};
    for (const auto& l : table) {
        BOOST_TEST_CONTEXT(l) {
            std::mt19937 random{17};
            books_rig b;
            b.own = {l};
            exact_log log;
            int refused = 0;
            for (int i = 0; i < 1200; ++i) {
                b.clock.advance(milliseconds{random() % 400'000});
                const auto r = random_request(random);
                const std::uint64_t cost = l.unit == limit_unit::bytes                 ? r.facts.size
                                           : l.unit == limit_unit::external_recipients ? (r.facts.external ? 1 : 0)
                                           : l.unit == limit_unit::null_sender_messages
                                               ? (r.facts.sender.empty() ? 1 : 0)
                                               : 1;
                const auto now = b.clock.now();
                auto answer = b.rcpt(i, r);
                if (!answer.breach) {
                    BOOST_TEST_REQUIRE(log.sum(now, l.period) + cost <= l.count);
                } else {
                    ++refused;
                    const auto loose = milliseconds{l.period} * 33 / 32;
                    const auto held = log.sum(now, loose);
                    BOOST_TEST_REQUIRE((held + cost > l.count || (l.unit == limit_unit::bytes && held >= l.count)));
                    if (random() % 4 != 0) continue;
                    b.clock.set(answer.breach->frees);
                    BOOST_TEST_REQUIRE(!b.rcpt(i, r).breach.has_value());
                }
                if (random() % 3 == 0) {
                    b.abort(i);
                    continue;
                }
                BOOST_TEST_REQUIRE(!b.data(i, 1, r).breach.has_value());
                b.settle(i, r.facts.size);
                log.add(b.clock.now(), cost, {});
            }
            BOOST_TEST(refused > 20);
        }
    }
}

BOOST_AUTO_TEST_CASE(distinct_counts_of_every_unit_are_those_of_an_exact_log) {
    const limit table[] = {{5, limit_unit::distinct_recipients, hour}, {4, limit_unit::client_addresses, hour},
                           {4, limit_unit::client_networks, hour},     {5, limit_unit::sender_addresses, hour},
                           {4, limit_unit::sender_domains, hour},      {1, limit_unit::client_addresses, hour}};
    for (const auto& l : table) {
        BOOST_TEST_CONTEXT(l) {
            std::mt19937 random{23};
            books_rig b;
            b.own = {l};
            exact_log log;
            int refused = 0;
            for (int i = 0; i < 1200; ++i) {
                b.clock.advance(milliseconds{random() % 700'000});
                const auto r = random_request(random);
                const auto value = value_of(l.unit, r);
                const auto there = log.distinct(b.clock.now(), l.period);
                BOOST_TEST_REQUIRE(b.used(l) == there.size());
                const auto answer = b.rcpt(i, r);
                const bool fits = value.empty() || there.contains(value) || there.size() < l.count;
                BOOST_TEST_REQUIRE(answer.breach.has_value() == !fits);
                if (answer.breach) {
                    ++refused;
                    if (random() % 4 != 0) continue;
                    b.clock.set(answer.breach->frees - milliseconds{1});
                    BOOST_TEST_REQUIRE(b.rcpt(i, r).breach.has_value());
                    b.clock.advance(milliseconds{1});
                    BOOST_TEST_REQUIRE(!b.rcpt(i, r).breach.has_value());
                }
                if (random() % 3 == 0) {
                    b.abort(i);
                    continue;
                }
                b.settle(i);
                if (!value.empty()) log.add(b.clock.now(), 1, value);
            }
            BOOST_TEST(refused > 20);
        }
    }
}

BOOST_AUTO_TEST_CASE(new_recipients_are_those_that_an_exact_log_does_not_know) {
    const limit l{6, limit_unit::new_recipients, hour};
    std::mt19937 random{29};
    books_rig b;
    b.own = {l};
    exact_log log;
    std::set<std::string> known;
    const auto begun = b.clock.now();
    int refused = 0, silent = 0;
    for (int i = 0; i < 2000; ++i) {
        b.clock.advance(milliseconds{random() % 60'000});
        request_of r;
        r.recipient = std::to_string(random() % 2000) + "@x";
        const bool fresh = !known.contains(r.recipient);
        const auto now = b.clock.now();
        const bool ripe = i > 0 && now - begun >= history + seconds{60};
        const auto answer = b.rcpt(i, r);
        if (answer.breach) {
            ++refused;
            BOOST_TEST_REQUIRE(fresh);
            BOOST_TEST_REQUIRE(log.sum(now, milliseconds{l.period} * 33 / 32) + 1 > l.count);
            continue;
        }
        if (fresh && ripe) BOOST_TEST_REQUIRE(log.sum(now, l.period) + 1 <= l.count);
        if (fresh && log.sum(now, l.period) + 1 > l.count) ++silent;
        if (random() % 3 == 0) {
            b.abort(i);
            continue;
        }
        b.data(i, 1);
        b.settle(i);
        if (fresh) log.add(now, 1, {});
        known.insert(r.recipient);
    }
    BOOST_TEST(refused > 20);
    BOOST_TEST(silent > 20);
}

BOOST_AUTO_TEST_CASE(invalid_recipients_refuse_what_comes_after_them_and_count_once) {
    books_rig b;
    const limit l{3, limit_unit::invalid_recipients, hour};
    b.own = {l};
    b.invalid(1, "x@nowhere");
    b.invalid(1, "x@nowhere");
    b.invalid(1, "y@nowhere");
    BOOST_TEST(b.used(l) == 2U);
    BOOST_TEST(!b.rcpt(1, {}).breach.has_value());
    b.abort(1); // what is invalid stays counted
    BOOST_TEST(b.used(l) == 2U);
    b.invalid(2, "z@nowhere");
    b.invalid(2, "zz@nowhere");
    BOOST_TEST(b.used(l) == 4U);
    const auto refused = b.rcpt(3, {});
    BOOST_REQUIRE(refused.breach.has_value());
    BOOST_TEST(refused.breach->used == 4U);
    b.clock.set(refused.breach->frees);
    BOOST_TEST(!b.rcpt(3, {}).breach.has_value());
}

BOOST_AUTO_TEST_CASE(what_others_refused_is_an_invalid_recipient) {
    books_rig b;
    const limit l{5, limit_unit::invalid_recipients, hour};
    b.own = {l, {100, limit_unit::recipients, hour}};
    for (const char* r : {"a@x", "b@x", "c@x"})
        BOOST_TEST(!b.rcpt(1, {"a", r, {}}).breach.has_value());
    BOOST_TEST(b.data(1, 1).refunded == 2U);
    BOOST_TEST(b.used(l) == 2U);
    BOOST_TEST(b.used(b.own[1]) == 1U);
    BOOST_TEST(b.data(1, 1).refunded == 2U);
    BOOST_TEST(b.used(l) == 2U);
}

BOOST_AUTO_TEST_CASE(of_each_window_only_what_is_certain_is_refunded) {
    books_rig b;
    const limit all{100, limit_unit::recipients, hour}, external{100, limit_unit::external_recipients, hour};
    b.own = {all, external};
    counted_facts outside;
    outside.external = true;
    for (const char* r : {"a@x", "b@x", "c@x"})
        BOOST_TEST(!b.rcpt(1, {"a", r, outside}).breach.has_value());
    BOOST_TEST(!b.rcpt(1, {"a", "d@local", {}}).breach.has_value());
    BOOST_TEST(b.data(1, 2).refunded == 2U); // one of them at least was external
    BOOST_TEST(b.used(all) == 2U);
    BOOST_TEST(b.used(external) == 2U);
    b.abort(1);
    BOOST_TEST(b.used(all) == 0U);
    BOOST_TEST(b.used(external) == 0U);
}

BOOST_AUTO_TEST_CASE(bytes_that_were_not_announced_are_a_debt_that_refuses_the_next_transaction) {
    books_rig b;
    const limit l{1000, limit_unit::bytes, hour};
    b.own = {l};
    BOOST_TEST(!b.rcpt(1, {}).breach.has_value());
    BOOST_TEST(!b.rcpt(2, {}).breach.has_value());
    b.data(1, 1);
    b.settle(1, 5000);
    b.settle(1, 5000); // once
    BOOST_TEST(b.used(l) == 5000U);
    BOOST_TEST(!b.rcpt(2, {"a", "second@x", {}}).breach.has_value()); // of a transaction that began before
    BOOST_TEST(b.rcpt(3, {}).breach.has_value());
    b.clock.advance(hour * 2);
    counted_facts announced;
    announced.size = 1001;
    BOOST_TEST(b.rcpt(4, {"a", "r@x", announced}).breach.has_value());
    announced.size = 900;
    BOOST_TEST(!b.rcpt(4, {"a", "r@x", announced}).breach.has_value());
    announced.size = 101;
    BOOST_TEST(b.rcpt(5, {"a", "r@x", announced}).breach.has_value()); // reserved by the one above
    b.data(4, 1);
    b.settle(4, 850); // less than announced
    BOOST_TEST(b.used(l) == 850U);
    BOOST_TEST(!b.rcpt(5, {"a", "r@x", announced}).breach.has_value());
    b.abort(5);
    BOOST_TEST(b.used(l) == 850U);
}

BOOST_AUTO_TEST_CASE(limits_per_message_hold_within_the_message_and_keep_nothing) {
    books_rig b;
    b.own = {{2, limit_unit::recipients, seconds{0}}, {500, limit_unit::bytes, seconds{0}}};
    BOOST_TEST(!b.rcpt(1, {"a", "a@x", {}}).breach.has_value());
    BOOST_TEST(!b.rcpt(1, {"a", "b@x", {}}).breach.has_value());
    BOOST_TEST(b.rcpt(1, {"a", "c@x", {}}).breach.has_value());
    BOOST_TEST(b.rcpt(1, {"a", "a@x", {}}).repeated);
    BOOST_TEST(b.data(1, 9).breach.has_value());
    BOOST_TEST(!b.rcpt(2, {"a", "c@x", {}}).breach.has_value());
    BOOST_TEST(b.data(3, 3).breach.has_value());
    counted_facts large;
    large.size = 501;
    BOOST_TEST(b.rcpt(4, {"a", "c@x", large}).breach.has_value());
    large.size = 500;
    BOOST_TEST(!b.rcpt(4, {"a", "c@x", large}).breach.has_value());
}

BOOST_AUTO_TEST_CASE(recipients_in_excepted_domains_are_not_counted) {
    books_rig b;
    limit l{1, limit_unit::recipients, hour};
    l.except_to = {"example.org", "*.example.net"};
    b.own = {l};
    const auto to = [&](const std::string& domain) {
        request_of r{"a", "r@" + domain, {}};
        r.facts.recipient_domain = domain;
        return !b.rcpt(1, r).breach.has_value();
    };
    BOOST_TEST(to("example.org"));
    BOOST_TEST(to("a.example.net"));
    BOOST_TEST(b.used(l) == 0U);
    BOOST_TEST(to("example.net"));
    BOOST_TEST(!to("a.example.org"));
    BOOST_TEST(to("b.example.net"));
}

BOOST_AUTO_TEST_CASE(a_parents_limit_is_the_sum_of_its_children_in_one_transaction) {
    std::mt19937 random{31};
    books_rig b;
    b.own = {{6, limit_unit::recipients, hour}};
    b.shared = {{10, limit_unit::recipients, hour}, {3, limit_unit::distinct_recipients, hour}};
    exact_log domain;
    std::map<std::string, exact_log> accounts;
    int by_parent = 0;
    for (int i = 0; i < 1000; ++i) {
        b.clock.advance(milliseconds{random() % 500'000});
        request_of r;
        r.account = random() % 2 == 0 ? "a" : "b";
        r.recipient = std::to_string(random() % 6) + "@x";
        const auto now = b.clock.now();
        const auto answer = b.rcpt(i, r);
        if (answer.breach) {
            by_parent += answer.breach->key == "domain:d" ? 1 : 0;
            continue;
        }
        domain.add(now, 1, r.recipient);
        accounts[r.account].add(now, 1, r.recipient);
        BOOST_TEST_REQUIRE(domain.sum(now, hour) <= 10U);
        BOOST_TEST_REQUIRE(domain.distinct(now, hour).size() <= 3U);
        BOOST_TEST_REQUIRE(accounts[r.account].sum(now, hour) <= 6U);
        b.settle(i);
    }
    BOOST_TEST(by_parent > 20);
}

BOOST_AUTO_TEST_CASE(hold_and_warn_charge_and_the_gravest_limit_is_named) {
    books_rig b;
    limit hold{1, limit_unit::recipients, hour}, reject{2, limit_unit::recipients, hour * 2};
    hold.then = limit_action::hold;
    reject.then = limit_action::reject;
    b.own = {hold, reject};
    BOOST_TEST(!b.rcpt(1, {"a", "a@x", {}}).breach.has_value());
    const auto held = b.rcpt(2, {"a", "b@x", {}});
    BOOST_REQUIRE(held.breach.has_value());
    BOOST_TEST(held.breach->what.then == limit_action::hold);
    BOOST_TEST(b.used(hold) == 2U);
    const auto again = b.rcpt(2, {"a", "b@x", {}}); // the answer was lost: the same once more
    BOOST_TEST(again.repeated);
    BOOST_REQUIRE(again.breach.has_value());
    BOOST_TEST(again.breach->what.then == limit_action::hold);
    BOOST_TEST(b.used(hold) == 2U);
    const auto refused = b.rcpt(3, {"a", "c@x", {}});
    BOOST_REQUIRE(refused.breach.has_value());
    BOOST_TEST(refused.breach->what.then == limit_action::reject);
    BOOST_TEST(b.used(hold) == 2U);
}

BOOST_AUTO_TEST_CASE(a_reset_forgets_sets_and_known_recipients_too) {
    books_rig b;
    const limit l{2, limit_unit::distinct_recipients, hour}, fresh{2, limit_unit::new_recipients, hour};
    b.own = {l, fresh};
    BOOST_TEST(!b.rcpt(1, {"a", "a@x", {}}).breach.has_value());
    b.data(1, 1);
    b.settle(1, 0);
    BOOST_TEST(b.used(l) == 1U);
    BOOST_REQUIRE(run(b.io, b.books.reset("a")).has_value());
    BOOST_TEST(b.used(l) == 0U);
    BOOST_TEST(b.used(fresh) == 0U);
    std::size_t left = 0;
    b.counters->read()->scan("K", {}, [&](std::string_view, std::string_view) { return ++left != 0; });
    b.counters->read()->scan("D", {}, [&](std::string_view, std::string_view) { return ++left != 0; });
    BOOST_TEST(left == 0U);
}

BOOST_AUTO_TEST_CASE(known_recipients_are_bounded_rarely_mistaken_and_forgotten_only_when_they_are_many) {
    temp_directory dir;
    const auto counters = open_store(dir / "counters", durability::background, 64U << 20U);
    constexpr std::size_t most = 50'000;
    const auto account = account_key("0123456789abcdef", "account:a");
    std::mt19937_64 random{7};
    std::vector<std::uint64_t> written;
    auto txn = counters->write().value();
    const auto write = [&](std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) {
            written.push_back(random());
            BOOST_REQUIRE(learn_recipient(txn, account, written.back(), most).has_value());
        }
    };
    write(most * 3 / 4);
    std::size_t forgotten = 0, mistaken = 0;
    for (const auto hash : written)
        forgotten += knows_recipient(txn, account, hash) ? 0 : 1;
    BOOST_TEST(forgotten == 0U);
    for (int i = 0; i < 100'000; ++i)
        mistaken += knows_recipient(txn, account, random()) ? 1 : 0;
    BOOST_TEST(mistaken <= 1U); // 0.005 are expected
    write(most);
    BOOST_TEST(count_recipients(txn, account) <= most + 256);
    BOOST_TEST(knows_recipient(txn, account, written.back()));
    BOOST_TEST(!knows_recipient(txn, account, written.front()));
    BOOST_REQUIRE(txn.commit().has_value());
}

BOOST_AUTO_TEST_SUITE_END()
