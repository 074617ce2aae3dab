// SPDX-License-Identifier: Apache-2.0
// A client of the accounting for tests that speak to it as a policy session would.
#pragma once

#include "committed.hpp"
#include "fixture.hpp"

#include "shared/state/accounting_lmdb.hpp"

namespace postsluice::state::test {

namespace asio = boost::asio;

inline const limit five_recipients{5, limit_unit::recipients, seconds{3600}};
inline const limit two_messages{2, limit_unit::messages, seconds{3600}};
inline const std::string alice = "alice@example.org";

// One client of the accounting, that says what a policy session would say.
struct desk {
    temp_directory dir;
    manual_clock clock;
    asio::io_context io;
    std::unique_ptr<store> counters = open_store(dir / "counters", durability::background, 64U << 20U);
    std::unique_ptr<accounting_lmdb> books = make();
    std::vector<counted_limits> limits = {{"account:" + alice, {five_recipients}}};
    std::uint64_t connection = 1;
    bool observe = false, at_once = false, data_settles = false;

    std::unique_ptr<accounting_lmdb> make() {
        return std::make_unique<accounting_lmdb>(*counters, io.get_executor(), "0123456789abcdef", clock,
                                                 accounting_options{});
    }
    static transaction_id id(const std::string& instance) { return {"192.0.2.1:587", instance}; }

    admit_answer rcpt(const std::string& instance, const std::string& recipient) {
        auto a =
            run(io, admit_committed(*books, {id(instance), connection, alice, recipient, limits, observe, at_once}));
        BOOST_REQUIRE(a.has_value());
        return *a;
    }
    bool admitted(const std::string& instance, const std::string& recipient) {
        return !rcpt(instance, recipient).breach;
    }
    data_answer data(const std::string& instance, std::uint32_t count, const std::string& queue_id = "Q1") {
        auto a = run(io, data_committed(*books, {id(instance), connection, alice, queue_id, count, limits, observe,
                                                 data_settles, at_once}));
        BOOST_REQUIRE(a.has_value());
        return *a;
    }
    void eom(const std::string& instance, const std::string& queue_id = "Q1") {
        BOOST_REQUIRE(run(io, settle_committed(*books, id(instance), connection, queue_id, 1000)).has_value());
    }
    void abort(const std::string& instance, bool after_data_too = true) {
        BOOST_REQUIRE(run(io, abort_committed(*books, id(instance), connection, after_data_too)).has_value());
    }
    std::size_t sweep(std::size_t most = 1000) { return run(io, books->sweep(most)).value(); }
    std::string refuse(const std::string& subject, const std::string& recipient) {
        refusal what;
        what.account = alice;
        what.why = reason::limit;
        what.subject = subject;
        what.detail = "no";
        what.recipient = recipient;
        return run(io, books->record(what, seconds{3600})).value();
    }
    void add(limit l) {
        std::vector<limit> all{limits[0].limits.begin(), limits[0].limits.end()};
        all.push_back(std::move(l));
        limits[0].limits = std::move(all);
    }
    void set_count(std::uint64_t count) {
        std::vector<limit> all{limits[0].limits.begin(), limits[0].limits.end()};
        all[0].count = count;
        limits[0].limits = std::move(all);
    }
    std::uint64_t used(const limit& l = five_recipients, const std::string& key = "account:" + alice) {
        return books->usage({key, {l}}).value().at(0).used;
    }
};

} // namespace postsluice::state::test
