// SPDX-License-Identifier: Apache-2.0
// The check and its trainer, on a real state.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/bayes/trainer.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

constexpr auto spam = state::mail_class::spam, ham = state::mail_class::ham;
using outcome = bayes::trainer::outcome;

std::string letter(std::string_view subject, std::string_view body) {
    return "From: a@example.org\r\nSubject: " + std::string{subject} + "\r\n\r\n" + std::string{body} + "\r\n";
}
std::string offer(int n) {
    return letter("your prize " + std::to_string(n),
                  "claim the lottery prize now, wire the fee to our agent " + std::to_string(n));
}
std::string report(int n) {
    return letter("minutes " + std::to_string(n),
                  "attached are the minutes of our weekly meeting, please review the budget " + std::to_string(n));
}

struct fixture {
    scratch_directory scratch;
    manual_clock time;
    std::unique_ptr<state::store> where =
        state::store::open({.directory = scratch.path / "filter", .map_size = byte_count{64U << 20U}}).value();
    state::token_statistics learned{*where, "secret", time};
    bayes::trainer trainer{learned};
    config::bayes_settings how;
    config::profile profile;

    fixture() { how.min_spam = how.min_ham = 20; }

    message_ptr message_of(const std::string& text) const {
        message_options options;
        options.profile = profile;
        auto m = std::make_shared<message>(*make_message(text, options));
        auto settings = std::make_shared<config::settings>(*m->settings);
        settings->bayes = how;
        m->settings = std::move(settings);
        return m;
    }
    std::vector<outcome> teach(std::optional<state::mail_class> as, const std::vector<std::string>& texts) {
        std::vector<message_ptr> all;
        for (const auto& text : texts)
            all.push_back(message_of(text));
        return run_awaitable(trainer.teach(as, std::move(all))).value();
    }
    void teach_both(int count) {
        for (int i = 0; i < count; ++i) {
            teach(spam, {offer(i)});
            teach(ham, {report(i)});
        }
    }
    std::vector<finding> judge(const std::string& text) {
        auto resources = std::make_shared<check_resources>();
        resources->learned = &learned;
        return run_check("bayes", message_of(text), resources);
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(check_bayes_test)

BOOST_FIXTURE_TEST_CASE(it_is_silent_until_it_has_seen_enough_of_both, fixture) {
    BOOST_TEST(judge(offer(1000)).empty());
    for (int i = 0; i < 40; ++i)
        teach(spam, {offer(i)});
    BOOST_TEST(judge(offer(1000)).empty());
    for (int i = 0; i < 19; ++i)
        teach(ham, {report(i)});
    BOOST_TEST(judge(offer(1000)).empty());
    teach(ham, {report(19)});
    BOOST_TEST(judge(offer(1000)).size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(spam_and_ham_are_told_apart, fixture) {
    teach_both(30);
    const auto bad = judge(offer(1000));
    BOOST_REQUIRE(find_symbol(bad, "BAYES_SPAM"));
    BOOST_TEST(find_symbol(bad, "BAYES_SPAM")->score > how.spam_score / 2);
    BOOST_TEST(find_symbol(bad, "BAYES_SPAM")->score <= how.spam_score);
    BOOST_TEST(find_symbol(bad, "BAYES_SPAM")->group == "content");
    BOOST_TEST(find_symbol(bad, "BAYES_SPAM")->evidence.find("% spam by") != std::string::npos);
    BOOST_TEST(find_symbol(bad, "BAYES_SPAM")->evidence.find("lottery") == std::string::npos);
    const auto good = judge(report(1000));
    BOOST_REQUIRE(find_symbol(good, "BAYES_HAM"));
    BOOST_TEST(find_symbol(good, "BAYES_HAM")->score < 0);
    BOOST_TEST(judge(letter("hello", "completely different topic")).empty());
}

BOOST_FIXTURE_TEST_CASE(it_never_refuses_by_itself, fixture) {
    teach_both(30);
    how.spam_score = 100;
    for (const double reject : {15.0, 5.0, 0.05}) {
        profile.reject_score = reject;
        profile.hold_score = profile.tag_score = 0;
        const auto found = judge(offer(1000));
        const auto v = decide(found, {profile, config::filter_error_policy::tempfail, false, nullptr});
        BOOST_TEST(v.kind == verdict_kind::pass);
    }
    profile.reject_score = 0; // off
    BOOST_TEST(judge(offer(1000)).front().score > 50);
}

BOOST_FIXTURE_TEST_CASE(scores_and_probabilities_are_options, fixture) {
    teach_both(30);
    how.spam_score = 4;
    how.ham_score = 1;
    BOOST_TEST(judge(offer(1000)).front().score <= 4);
    BOOST_TEST(judge(report(1000)).front().score >= -1);
    how.ham_score = 0;
    BOOST_TEST(judge(report(1000)).front().score == 0);
    how.min_spam = 31;
    BOOST_TEST(judge(offer(1000)).empty());
}

BOOST_FIXTURE_TEST_CASE(what_was_learned_fades, fixture) {
    how.half_life = seconds{10 * 86400};
    teach_both(30);
    BOOST_TEST(judge(offer(1000)).size() == 1u);
    time.advance(seconds{10 * 86400}); // half of 30 is under 20
    BOOST_TEST(judge(offer(1000)).empty());
}

BOOST_FIXTURE_TEST_CASE(a_mistake_is_put_right, fixture) {
    teach_both(30);
    for (int i = 100; i < 130; ++i)
        teach(spam, {report(i)});
    BOOST_TEST(!find_symbol(judge(report(1000)), "BAYES_HAM"));
    for (int i = 100; i < 130; ++i)
        BOOST_TEST(teach(ham, {report(i)}).front() == outcome::moved);
    BOOST_TEST(find_symbol(judge(report(1000)), "BAYES_HAM"));
    BOOST_TEST(teach(std::nullopt, {report(100)}).front() == outcome::forgotten);
    BOOST_TEST(teach(std::nullopt, {report(100)}).front() == outcome::unknown);
}

BOOST_FIXTURE_TEST_CASE(many_messages_are_learned_in_their_order, fixture) {
    std::vector<std::string> texts;
    for (int i = 0; i < 30; ++i) { // more tokens than one transaction takes
        std::string words;
        for (int word = 0; word < 1000; ++word)
            words += " w" + std::to_string(500 * i + word);
        texts.push_back(letter("s", words));
    }
    texts.push_back(texts.front());
    const auto outcomes = teach(spam, texts);
    BOOST_TEST(outcomes.size() == 31u);
    BOOST_TEST(std::count(outcomes.begin(), outcomes.end(), outcome::learned) == 30);
    BOOST_TEST(outcomes.back() == outcome::known);
    BOOST_TEST(trainer.total(seconds{0}).value().messages.spam == 30);
}

BOOST_FIXTURE_TEST_CASE(a_message_beyond_the_bounds_teaches_its_header, fixture) {
    std::string text = "Subject: many\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (int i = 0; i < 2000; ++i)
        text += "--b\r\n\r\nx\r\n";
    BOOST_TEST(teach(spam, {text + "--b--\r\n"}).front() == outcome::learned);
}

BOOST_AUTO_TEST_CASE(without_a_state_it_says_nothing) {
    BOOST_TEST(run_check("bayes", make_message(offer(1))).empty());
}

BOOST_AUTO_TEST_SUITE_END()
