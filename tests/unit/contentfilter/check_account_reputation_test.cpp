// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "shared/state/environments.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

struct fixture {
    scratch_directory scratch;
    std::unique_ptr<state::environments> state =
        state::environments::open({.directory = scratch.path, .map_size = byte_count{64U << 20U}},
                                  state::user::contentfilter)
            .value();

    static std::vector<std::string> addresses(int from, int to) {
        std::vector<std::string> out;
        for (int i = from; i < to; ++i)
            out.push_back("r" + std::to_string(i) + "@example.net");
        return out;
    }
    void wrote_to(int from, int to) { state->recipients().learn("a@example.org", addresses(from, to), 5000).value(); }
    void strike(strike_kind kind, seconds ago, const std::string& digest) {
        postsluice::strike s;
        s.kind = kind;
        s.at = state->time().now() - ago;
        s.digest = digest;
        run_awaitable(state->accounts().add_strike("a@example.org", s, {})).value();
    }
    void judged(int bad, int good, seconds ago = seconds{60}) {
        for (int i = 0; i < bad + good; ++i)
            state->judged().learn("a@example.org", i < bad, state->time().now() - ago, {}).value();
    }
    std::string symbols(int from, int to, const message_options& how = {}) {
        auto m = std::make_shared<message>(*make_message("From: a@example.org\r\n\r\nx", how));
        for (const auto& to_whom : addresses(from, to))
            m->envelope.recipients.push_back(smtp::parse_path_argument("<" + to_whom + ">").value());
        auto resources = std::make_shared<check_resources>();
        resources->accounts = {&state->accounts(), &state->recipients(), &state->time()};
        resources->accounts.verdicts = &state->judged();
        std::string out;
        for (const auto& f : run_check("account_reputation", m, resources))
            out += (out.empty() ? "" : " ") + f.symbol + ":" + std::to_string(static_cast<int>(f.score));
        return out;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(check_account_reputation_test)

BOOST_FIXTURE_TEST_CASE(a_burst_of_new_recipients_is_found, fixture) {
    wrote_to(0, 60);
    BOOST_TEST(symbols(100, 120) == "NEW_RECIPIENTS:2");
    BOOST_TEST(symbols(100, 119) == ""); // 19 are few
    BOOST_TEST(symbols(0, 60) == "");    // whom it always writes to
    BOOST_TEST(symbols(35, 80) == "");   // 20 of 45
    BOOST_TEST(symbols(56, 76) == "");   // 16 of 20
    BOOST_TEST(symbols(56, 160) == "NEW_RECIPIENTS:2");
    wrote_to(100, 120);
    BOOST_TEST(symbols(100, 120) == "");
}

BOOST_FIXTURE_TEST_CASE(an_account_without_history_is_left_alone, fixture) {
    BOOST_TEST(symbols(100, 200) == "");
    wrote_to(0, 49);
    BOOST_TEST(symbols(100, 200) == "");
    wrote_to(49, 50);
    BOOST_TEST(symbols(100, 200) == "NEW_RECIPIENTS:2");
    message_options how;
    how.account = "-";
    BOOST_TEST(symbols(100, 200, how) == "");
    how.account = "b@example.org";
    BOOST_TEST(symbols(100, 200, how) == "");
}

BOOST_FIXTURE_TEST_CASE(each_threshold_is_an_option, fixture) {
    wrote_to(0, 10);
    message_options how;
    how.content.novelty_history = 10;
    how.content.novelty_recipients = 2;
    how.content.novelty_share = 0.5;
    BOOST_TEST(symbols(8, 12, how) == "NEW_RECIPIENTS:2");
    BOOST_TEST(symbols(7, 12, how) == "");
    how.content.novelty_history = 11;
    BOOST_TEST(symbols(8, 12, how) == "");
}

BOOST_FIXTURE_TEST_CASE(strikes_of_content_count_for_a_while, fixture) {
    BOOST_TEST(symbols(0, 1) == "");
    strike(strike_kind::invalid_recipients, seconds{60}, "");
    BOOST_TEST(symbols(0, 1) == "");
    strike(strike_kind::spam, seconds{60}, "1");
    BOOST_TEST(symbols(0, 1) == "RECENT_STRIKES:1");
    for (const char* digest : {"2", "3", "4"})
        strike(strike_kind::phish, seconds{50}, digest);
    BOOST_TEST(symbols(0, 1) == "RECENT_STRIKES:3");
    message_options how;
    how.content.strike_memory = seconds{30};
    BOOST_TEST(symbols(0, 1, how) == "");
    how.content.strike_memory = seconds{0};
    BOOST_TEST(symbols(0, 1, how) == "");
}

BOOST_FIXTURE_TEST_CASE(a_share_of_bad_messages_counts_for_a_while, fixture) {
    judged(2, 7);
    BOOST_TEST(symbols(0, 1) == ""); // 9 messages are few
    judged(0, 2);
    BOOST_TEST(symbols(0, 1) == ""); // 2 of 11
    judged(1, 0);
    BOOST_TEST(symbols(0, 1) == "RECENT_VERDICTS:1"); // 3 of 12
    message_options how;
    how.account = "-";
    BOOST_TEST(symbols(0, 1, how) == "");
    how = {};
    how.content.strike_memory = seconds{30};
    BOOST_TEST(symbols(0, 1, how) == "");
    how.content.strike_memory = seconds{0};
    BOOST_TEST(symbols(0, 1, how) == "");
}

BOOST_FIXTURE_TEST_CASE(the_score_of_recent_verdicts_goes_by_their_share, fixture) {
    judged(5, 5);
    message_options how;
    how.content.recent_verdicts_share = 0.5;
    BOOST_TEST(symbols(0, 1, how) == "RECENT_VERDICTS:1");
    how.content.recent_verdicts_share = 0.51;
    BOOST_TEST(symbols(0, 1, how) == "");
    judged(50, 0);
    BOOST_TEST(symbols(0, 1, how) == "RECENT_VERDICTS:3");
    how.content.recent_verdicts_needed = 51;
    BOOST_TEST(symbols(0, 1, how) == "");
    how.content.recent_verdicts = 0;
    BOOST_TEST(symbols(0, 1, how) == "");
}

BOOST_FIXTURE_TEST_CASE(what_was_before_a_person_opened_the_account_is_settled, fixture) {
    judged(10, 0);
    BOOST_TEST(symbols(0, 1) == "RECENT_VERDICTS:3");
    run_awaitable(state->accounts().lock("a@example.org", "t", "stolen", "")).value();
    BOOST_TEST(symbols(0, 1) == "RECENT_VERDICTS:3");
    run_awaitable(state->accounts().unlock("a@example.org", "t", "new password")).value();
    BOOST_TEST(symbols(0, 1) == "");
    judged(10, 0, seconds{-60}); // what comes later counts
    BOOST_TEST(symbols(0, 1) == "RECENT_VERDICTS:3");
}

BOOST_FIXTURE_TEST_CASE(so_it_is_where_a_person_reset_the_account, fixture) {
    judged(10, 0);
    run_awaitable(state->accounts().reset("a@example.org", "t")).value();
    BOOST_TEST(symbols(0, 1) == "");
}

BOOST_AUTO_TEST_CASE(without_a_state_nothing_is_found) {
    BOOST_TEST(run_check("account_reputation", make_message("From: a@example.org\r\n\r\nx")).empty());
}

BOOST_AUTO_TEST_SUITE_END()
