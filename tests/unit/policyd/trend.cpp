// SPDX-License-Identifier: Apache-2.0
// The rule `trend` in the pipeline; what a trend is: tests/unit/core/trend_test.cpp.
#define BOOST_TEST_DYN_LINK
#include "rig.hpp"

namespace postsluice::policyd::test {

BOOST_AUTO_TEST_SUITE(trend)

namespace {

class memory_trends final : public state::trend_store {
public:
    std::map<std::string, trend_memory, std::less<>> of;
    std::vector<trend_message> observed;
    std::optional<failure> broken;

    result<trend_memory> read(std::string_view account) override {
        if (broken) {
            return *broken;
        }
        const auto at = of.find(account);
        return at == of.end() ? trend_memory{} : at->second;
    }
    asio::awaitable<result<void>> observe(std::string account, trend_message message,
                                          std::vector<std::uint64_t> recipients) override {
        if (broken) {
            co_return *broken;
        }
        observed.push_back(message);
        postsluice::observe(of[account], message, recipients);
        co_return result<void>{};
    }
    asio::awaitable<result<void>> take_back(std::string account, trend_message message) override {
        postsluice::take_back(of[account], message);
        co_return result<void>{};
    }
    asio::awaitable<result<void>> reset(std::string) override { co_return result<void>{}; }
    asio::awaitable<result<std::size_t>> sweep(std::size_t) override { co_return std::size_t{0}; }
    std::uint64_t hash_of(std::string_view account, std::string_view what) const override {
        return std::hash<std::string>{}(std::string{account} + ' ' + std::string{what}) | 1U;
    }
};

struct watched : rig {
    memory_trends trends;
    std::unique_ptr<pipeline> here;
    int message = 0;
    std::string instance;

    explicit watched(limit_action action = limit_action::hold, bool floor_in_recipients = false) {
        rule_helpers helpers;
        helpers.trends = &trends;
        auto settings = make_settings();
        auto p = *settings->profiles.at("default");
        p.limits = {};
        p.trend.factor = 8;
        p.trend.floor = {20, floor_in_recipients ? limit_unit::recipients : limit_unit::messages, seconds{86400}};
        p.trend.action = action;
        settings->profiles["default"] = std::make_shared<const config::profile>(p);
        here = std::make_unique<pipeline>(context.get_executor(),
                                          pipeline::parts{accounts, locks, *tickets, time, helpers}, settings);
    }
    decision hear(const request& what) { return run(here->answer(what, first)); }
    /// RCPT for each, then DATA; what the last RCPT was told.
    decision send(const std::vector<std::string>& to = {"friend@example.net"}) {
        instance = "a.b." + std::to_string(++message);
        decision out;
        std::uint32_t accepted = 0;
        for (const auto& one : to) {
            out = hear(rcpt(instance, one));
            accepted += out.refuses() ? 0U : 1U;
        }
        if (accepted > 0) {
            hear(data(instance, accepted));
        }
        return out;
    }
    void usual_days(int days, int messages) {
        for (int day = 0; day < days; ++day, time.advance(std::chrono::hours{24}))
            for (int i = 0; i < messages; ++i)
                BOOST_REQUIRE(to_wire(send()) == dunno);
    }
};

} // namespace

BOOST_AUTO_TEST_CASE(trend_holds_what_goes_far_beyond_the_usual_day) {
    watched w;
    w.usual_days(10, 3);
    int passed = 0;
    decision said;
    for (; passed < 100; ++passed) {
        said = w.send();
        if (said.kind != decision_kind::dunno) break;
    }
    BOOST_TEST(passed >= 20);
    BOOST_TEST(passed < 25);
    BOOST_TEST(to_wire(said).starts_with("action=HOLD "), to_wire(said));
    BOOST_TEST(said.text.find("messages within 24 hours, far more than this account usually sends (up to 3 a day)") !=
               std::string::npos);
    BOOST_TEST(w.logged("held reason=trend") == 1);
    BOOST_TEST(w.accounts.recorded.size() == 1U);
    BOOST_TEST(w.trends.observed.size() == 31U + static_cast<std::size_t>(passed)); // held mail was sent, too
}

BOOST_AUTO_TEST_CASE(trend_does_what_its_action_says) {
    const std::pair<limit_action, const char*> table[] = {{limit_action::defer, "action=450 4.7.1 "},
                                                          {limit_action::reject, "action=550 5.7.1 "},
                                                          {limit_action::hold, "action=HOLD "},
                                                          {limit_action::warn, "action=WARN "},
                                                          {limit_action::lock, "action=450 4.7.1 "}};
    for (const auto& [action, begins] : table) {
        BOOST_TEST_CONTEXT(begins) {
            watched w{action};
            w.usual_days(10, 1);
            decision said;
            for (int i = 0; i < 40 && said.kind == decision_kind::dunno; ++i)
                said = w.send();
            BOOST_TEST(to_wire(said).starts_with(begins), to_wire(said));
            const auto strikes = w.locks.strikes.size();
            BOOST_TEST(strikes == (action == limit_action::lock ? 1U : 0U));
            if (strikes == 1) BOOST_TEST(w.locks.strikes[0].second.kind == strike_kind::stolen_password);
        }
    }
}

BOOST_AUTO_TEST_CASE(trend_counts_refused_recipients_and_repetitions_nothing) {
    watched w{limit_action::defer};
    w.usual_days(10, 1);
    while (!w.send().refuses()) {
    }
    const auto before = w.trends.observed.size();
    for (int i = 0; i < 50; ++i)
        BOOST_TEST(w.send().refuses()); // a client that comes again and again
    BOOST_TEST(w.trends.observed.size() == before);
    w.time.advance(std::chrono::hours{25});
    const std::string one{"friend@example.net"};
    BOOST_TEST(to_wire(w.hear(rcpt("x.y.z", one))) == dunno);
    BOOST_TEST(to_wire(w.hear(rcpt("x.y.z", "Friend+a@EXAMPLE.net"))) == dunno);
    w.hear(data("x.y.z", 2));
    w.hear(data("x.y.z", 2)); // Postfix did not see the answer
    BOOST_TEST(w.trends.observed.size() == before + 1);
    BOOST_TEST(w.trends.observed.back().recipients == 2U);
}

BOOST_AUTO_TEST_CASE(trend_sees_the_recipients_of_the_message_under_way) {
    watched w{limit_action::reject, true};
    w.usual_days(10, 1);
    std::vector<std::string> many;
    for (int i = 0; i < 30; ++i)
        many.push_back("r" + std::to_string(i) + "@example.net");
    const auto said = w.send(many);
    BOOST_TEST(said.refuses());
    BOOST_TEST(w.trends.observed.back().recipients == 20U); // those that were accepted
    BOOST_TEST(w.trends.observed.back().new_recipients == 20U);
}

BOOST_AUTO_TEST_CASE(trend_takes_back_what_the_filter_puts_off_as_the_ticket_says) {
    watched w;
    w.usual_days(10, 3);
    w.send();
    const auto& memory = w.trends.of.begin()->second;
    const auto before = memory;
    w.hear(rcpt("x.y.z", "friend@example.net"));
    w.hear(rcpt("x.y.z", "stranger@example.net"));
    const auto put_off = w.tickets->unseal(w.hear(data("x.y.z", 2, "")).text).value();
    BOOST_TEST(put_off.new_recipients.value() == 1U);
    BOOST_TEST(memory.day_messages == before.day_messages + 1);
    BOOST_TEST(w.run(rules::trend_taken_back(&w.trends, put_off)).has_value());
    BOOST_TEST(memory.day_messages == before.day_messages);
    BOOST_TEST(memory.day_recipients == before.day_recipients);
    BOOST_TEST(memory.today_new == before.today_new);
    BOOST_TEST((memory.networks == before.networks)); // of the client
    w.hear(rcpt("x.y.1", "friend@example.net"));
    const auto queued = w.tickets->unseal(w.hear(data("x.y.1", 1)).text).value();
    BOOST_TEST(!queued.new_recipients.has_value());
    BOOST_TEST(w.run(rules::trend_taken_back(&w.trends, queued)).has_value());
    BOOST_TEST(memory.day_messages == before.day_messages + 1);
}

BOOST_AUTO_TEST_CASE(trend_leaves_alone_whom_it_is_not_asked_about) {
    watched w{limit_action::reject};
    w.usual_days(10, 1);
    while (!w.send().refuses()) {
    }
    BOOST_TEST(to_wire(w.send({"abuse@example.org"})) == dunno);
    auto settings = std::make_shared<config::settings>(*w.here->settings());
    auto p = *settings->profiles.at("default");
    p.trend.factor = 0;
    settings->profiles["default"] = std::make_shared<const config::profile>(p);
    w.here->use(settings);
    const auto before = w.trends.observed.size();
    BOOST_TEST(to_wire(w.send()) == dunno);
    BOOST_TEST(w.trends.observed.size() == before); // off: nothing is learned either
}

BOOST_AUTO_TEST_CASE(trend_in_observe_mode_learns_and_refuses_nothing) {
    watched w{limit_action::lock};
    w.usual_days(10, 1);
    auto settings = std::make_shared<config::settings>(*w.here->settings());
    settings->mode = config::run_mode::observe;
    w.here->use(settings);
    for (int i = 0; i < 40; ++i)
        BOOST_TEST(to_wire(w.send()) == dunno);
    BOOST_TEST(w.logged("would refuse") > 0);
    BOOST_TEST(w.locks.strikes.empty());
    BOOST_TEST(w.trends.observed.size() == 50U);
}

BOOST_AUTO_TEST_CASE(trend_that_cannot_be_read_defers) {
    watched w;
    w.trends.broken = failure{errc::unavailable, "gone"};
    BOOST_TEST(to_wire(w.hear(rcpt("x.y.z", "friend@example.net"))).starts_with("action=451 4.3.0 "));
    const auto ticket = w.hear(data("x.y.z", 1)); // what is learned never stands in the way
    BOOST_TEST(ticket.kind == decision_kind::prepend);
    BOOST_TEST(w.logged("trend not noted") == 1);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::policyd::test
