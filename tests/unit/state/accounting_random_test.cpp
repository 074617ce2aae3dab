// SPDX-License-Identifier: Apache-2.0
// Random interleavings of many transactions against a simple model of what they are charged with. The books lie behind
// a journal, and the process "dies" now and then: what was answered is there afterwards.
#define BOOST_TEST_DYN_LINK
#include "committed.hpp"
#include "fixture.hpp"

#include "shared/state/accounting_lmdb.hpp"

#include <map>
#include <random>
#include <set>

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;

namespace {

constexpr std::uint32_t most = 40;
const limit recipients{most, limit_unit::recipients, seconds{86400}};
const limit messages{15, limit_unit::messages, seconds{86400}};
const std::vector<counted_limits> limits{{"account:a", {recipients, messages}}};

struct model_transaction {
    std::set<std::string> known;
    std::uint32_t charged = 0, repeats = 0;
    bool data = false;
};

class simulation {
public:
    explicit simulation(unsigned seed)
        : random_{seed} {}

    void step() {
        if (random_() % 16 == 0) BOOST_REQUIRE(store_->sync().has_value()); // what maintenance does
        if (random_() % 16 == 0) restart();
        const auto name = "i" + std::to_string(random_() % 8 + 8 * round_);
        switch (random_() % 8) {
        case 0:
            return data(name);
        case 1:
            return settle(name);
        case 2:
            return abort(name);
        default:
            return admit(name);
        }
    }
    void check() {
        const auto use = books_->usage(limits[0]).value();
        std::uint64_t open = 0, open_messages = 0;
        for (const auto& [name, t] : open_) {
            open += t.charged;
            open_messages += t.charged != 0 ? 1 : 0;
        }
        BOOST_TEST_REQUIRE(use[0].used == accepted_ + open);
        BOOST_TEST_REQUIRE(use[1].used == accepted_messages_ + open_messages);
        BOOST_TEST_REQUIRE(use[0].used <= most);
        BOOST_TEST_REQUIRE(use[1].used <= messages.count);
    }
    void end() {
        while (!open_.empty())
            abort(open_.begin()->first);
        check();
        BOOST_TEST(books_->usage(limits[0])->at(0).used == accepted_);
    }

private:
    // Nothing is brought to the environment at this end: it is a kill to the journal.
    void restart() {
        books_.reset();
        store_.reset();
        store_ = open_journaled_store(dir_ / "counters");
        books_ = open_books();
    }
    std::unique_ptr<accounting_lmdb> open_books() {
        return std::make_unique<accounting_lmdb>(*store_, io_.get_executor(), "0123456789abcdef", clock_,
                                                 accounting_options{});
    }
    std::uint64_t total() const {
        std::uint64_t sum = accepted_;
        for (const auto& [name, t] : open_)
            sum += t.charged;
        return sum;
    }
    std::uint64_t total_messages() const {
        std::uint64_t sum = accepted_messages_;
        for (const auto& [name, t] : open_)
            sum += t.charged != 0 ? 1 : 0;
        return sum;
    }
    bool fits(std::uint32_t more, bool message) const {
        return total() + more <= most && (!message || total_messages() + 1 <= messages.count);
    }

    void admit(const std::string& name) {
        const auto recipient = std::to_string(random_() % 6);
        const auto answer =
            run(io_, admit_committed(*books_, {{"s", name}, 1, "a", recipient, limits, false, false})).value();
        auto known = open_.find(name);
        if (known != open_.end()) known->second.data = false;
        if (known != open_.end() && known->second.known.contains(recipient)) {
            BOOST_TEST_REQUIRE(answer.repeated);
            ++known->second.repeats;
            return;
        }
        const bool first = known == open_.end() || known->second.charged == 0;
        BOOST_TEST_REQUIRE(answer.breach.has_value() == !fits(1, first));
        if (answer.breach) return;
        auto& t = open_[name];
        t.known.insert(recipient);
        ++t.charged;
    }
    void data(const std::string& name) {
        const auto known = open_.find(name);
        if (known != open_.end() && known->second.data) return;
        auto t = known == open_.end() ? model_transaction{} : known->second;
        const auto count = static_cast<std::uint32_t>(1 + random_() % (t.charged + t.repeats + 2));
        const auto more = count > t.charged + t.repeats ? count - t.charged - t.repeats : 0;
        const auto answer =
            run(io_, data_committed(*books_, {{"s", name}, 1, "a", "Q" + name, count, limits, false, false, false}))
                .value();
        BOOST_TEST_REQUIRE(answer.breach.has_value() == ((more != 0 || t.charged == 0) && !fits(more, t.charged == 0)));
        if (answer.breach) return;
        if (count < t.charged) {
            t.charged = count;
            t.known.clear();
            t.repeats = 0;
        }
        t.charged += more;
        t.data = true;
        BOOST_TEST_REQUIRE(answer.charged == t.charged);
        open_[name] = t;
    }
    void settle(const std::string& name) {
        const auto known = open_.find(name);
        if (known == open_.end() || !known->second.data) return;
        BOOST_REQUIRE(run(io_, settle_committed(*books_, {"s", name}, 1, "Q" + name, 1)).has_value());
        accepted_ += known->second.charged;
        ++accepted_messages_;
        open_.erase(known);
        ++round_; // this instance does not come again
    }
    void abort(const std::string& name) {
        BOOST_REQUIRE(run(io_, abort_committed(*books_, {"s", name}, 1, true)).has_value());
        open_.erase(name);
    }

    std::mt19937 random_;
    temp_directory dir_;
    manual_clock clock_;
    boost::asio::io_context io_;
    std::unique_ptr<store> store_ = open_journaled_store(dir_ / "counters");
    std::unique_ptr<accounting_lmdb> books_ = open_books();
    std::map<std::string, model_transaction> open_;
    std::uint64_t accepted_ = 0, accepted_messages_ = 0;
    int round_ = 0;
};

} // namespace

BOOST_AUTO_TEST_SUITE(accounting_random_test)

BOOST_AUTO_TEST_CASE(the_books_agree_with_a_simple_model_after_every_event) {
    for (unsigned seed = 1; seed <= 15; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed) {
            simulation s{seed};
            for (int i = 0; i < 300; ++i) {
                s.step();
                s.check();
            }
            s.end();
        }
    }
}

// Time passes here: the books are checked against the exact log of what was settled or is still reserved.
BOOST_AUTO_TEST_CASE(with_time_passing_no_period_ever_holds_more_than_the_limit) {
    std::mt19937 random{4711};
    temp_directory dir;
    manual_clock clock;
    boost::asio::io_context io;
    const auto counters = open_store(dir / "counters");
    accounting_lmdb books{*counters, io.get_executor(), "0123456789abcdef", clock, {}};
    const std::vector<counted_limits> hourly{{"account:a", {{20, limit_unit::recipients, seconds{3600}}}}};
    std::map<std::string, std::vector<instant>> admitted; // by transaction
    for (int i = 0; i < 3000; ++i) {
        clock.advance(milliseconds{random() % 120'000});
        const auto name = "i" + std::to_string(i / 4 - static_cast<int>(random() % 3));
        if (random() % 5 == 0) {
            BOOST_REQUIRE(run(io, abort_committed(books, {"s", name}, 1, true)).has_value());
            admitted.erase(name);
        } else if (!run(io, admit_committed(books, {{"s", name}, 1, "a", std::to_string(i), hourly, false, false}))
                        ->breach) {
            admitted[name].push_back(clock.now());
        }
        std::size_t within = 0;
        for (const auto& [id, times] : admitted) {
            for (const auto t : times)
                within += t > clock.now() - seconds{3600} ? 1 : 0;
        }
        BOOST_TEST_REQUIRE(within <= 20U);
    }
}

BOOST_AUTO_TEST_SUITE_END()
