// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "contentfilter/verdict.hpp"

#include <sstream>

using namespace postsluice;
using namespace postsluice::contentfilter;
using config::filter_error_policy;
using config::forced_verdict;

namespace {

finding scored(std::string symbol, double score, std::optional<strike_kind> strikes = {}, reason why = reason::score) {
    finding f;
    f.symbol = std::move(symbol);
    f.score = score;
    f.strikes = strikes;
    f.why = why;
    return f;
}
finding forcing(std::string symbol, forced_verdict action, reason why, std::optional<strike_kind> strikes = {},
                double score = 1) {
    auto f = scored(std::move(symbol), score, strikes, why);
    f.action = action;
    return f;
}
finding failing() {
    finding f;
    f.symbol = "CHECK_FAILED";
    f.temperror = true;
    f.why = reason::check_failed;
    return f;
}
const auto virus = forcing("VIRUS", forced_verdict::quarantine, reason::virus, strike_kind::virus);
const auto forged = forcing("FORGED", forced_verdict::reject, reason::header_from_forbidden);

struct row {
    const char* about;
    std::vector<finding> findings;
    verdict_kind kind;
    reason why;
    std::optional<strike_kind> strikes = {};
    filter_error_policy on_error = filter_error_policy::tempfail;
};

} // namespace

BOOST_AUTO_TEST_SUITE(verdict_test)

BOOST_AUTO_TEST_CASE(findings_become_verdicts) {
    const auto spam = strike_kind::spam;
    const row rows[] = {
        {"nothing", {}, verdict_kind::pass, reason::none},
        {"below every threshold", {scored("A", 5.9)}, verdict_kind::pass, reason::none},
        {"tag at its threshold", {scored("A", 6)}, verdict_kind::tag, reason::score},
        {"a tag is no strike", {scored("A", 6, spam, reason::spam)}, verdict_kind::tag, reason::spam},
        {"scores add up", {scored("A", 6), scored("B", 4)}, verdict_kind::hold, reason::score},
        {"a sum is a sum, whatever its parts say",
         {scored("A", 6, {}, reason::spam), scored("B", 4, {}, reason::phish)},
         verdict_kind::hold,
         reason::score},
        {"one that is enough names the reason",
         {scored("A", 15, {}, reason::phish), scored("B", 1)},
         verdict_kind::reject,
         reason::phish},
        {"scores below zero help", {scored("A", 16), scored("B", -2)}, verdict_kind::hold, reason::score},
        {"strikes of what added to the score",
         {scored("A", 9), scored("B", 1, spam)},
         verdict_kind::hold,
         reason::score,
         spam},
        {"no strike for what did not add",
         {scored("A", 10), scored("B", -1, strike_kind::virus), scored("C", 1)},
         verdict_kind::hold,
         reason::score},
        {"forced", {virus}, verdict_kind::quarantine, reason::virus, strike_kind::virus},
        {"forced stands whatever the score",
         {virus, scored("A", 50, spam, reason::spam)},
         verdict_kind::quarantine,
         reason::virus,
         strike_kind::virus},
        {"a forced tag gives way to a worse score",
         {forcing("T", forced_verdict::tag, reason::spam), scored("A", 14)},
         verdict_kind::reject,
         reason::score},
        {"a forced tag beside little",
         {forcing("T", forced_verdict::tag, reason::spam, spam)},
         verdict_kind::tag,
         reason::spam},
        {"the worst of two forced, and every proof counts",
         {virus, forged},
         verdict_kind::reject,
         reason::header_from_forbidden,
         strike_kind::virus},
        {"the worse proof names the reason",
         {forcing("F", forced_verdict::quarantine, reason::forbidden_file, {}, 8), virus},
         verdict_kind::quarantine,
         reason::virus,
         strike_kind::virus},
        {"discard is worst",
         {virus, forged, forcing("D", forced_verdict::discard, reason::spam)},
         verdict_kind::discard,
         reason::spam,
         strike_kind::virus},
        {"a failed check defers", {failing()}, verdict_kind::tempfail, reason::check_failed},
        {"a failed check defers what would be tagged",
         {failing(), scored("A", 7)},
         verdict_kind::tempfail,
         reason::check_failed},
        {"a failed check does not save the worse",
         {failing(), virus},
         verdict_kind::quarantine,
         reason::virus,
         strike_kind::virus},
        {"a failed check does not save a high score", {failing(), scored("A", 10)}, verdict_kind::hold, reason::score},
        {"on_error hold", {failing()}, verdict_kind::hold, reason::check_failed, {}, filter_error_policy::hold},
        {"on_error pass", {failing()}, verdict_kind::pass, reason::none, {}, filter_error_policy::pass},
        {"on_error pass keeps the tag",
         {failing(), scored("A", 7)},
         verdict_kind::tag,
         reason::score,
         {},
         filter_error_policy::pass},
    };
    const config::profile profile;
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.about) {
            const auto v = decide(r.findings, {profile, r.on_error, false});
            BOOST_TEST(v.kind == r.kind);
            BOOST_TEST(v.why == r.why);
            BOOST_TEST((v.strikes == r.strikes));
            BOOST_TEST(!v.observed);
            BOOST_TEST(v.findings.size() == r.findings.size());
        }
}

BOOST_AUTO_TEST_CASE(a_profile_changes_symbols) {
    config::profile profile;
    profile.symbols["VIRUS"] = {{}, forced_verdict::reject, true};
    profile.symbols["LOUD"] = {1.0, {}, true};
    profile.symbols["OFF"] = {{}, {}, false};
    profile.symbols["CHECK_FAILED"] = {{}, {}, false};
    const auto v = decide({virus, scored("LOUD", 100), scored("OFF", 100), failing()},
                          {profile, filter_error_policy::pass, false});
    BOOST_TEST(v.kind == verdict_kind::reject);
    BOOST_TEST(v.score == 2.0);
    BOOST_TEST(v.findings.size() == 3u); // OFF is gone, the failure stays
    profile.symbols["VIRUS"] = {{}, forced_verdict::none, true};
    BOOST_TEST(decide({virus}, {profile, filter_error_policy::pass, false}).kind == verdict_kind::pass);
}

BOOST_AUTO_TEST_CASE(a_threshold_of_zero_is_off) {
    config::profile profile;
    profile.reject_score = profile.hold_score = 0;
    BOOST_TEST(decide({scored("A", 1000)}, {profile, filter_error_policy::tempfail, false}).kind == verdict_kind::tag);
    profile.tag_score = 0;
    BOOST_TEST(decide({scored("A", 1000)}, {profile, filter_error_policy::tempfail, false}).kind == verdict_kind::pass);
}

BOOST_AUTO_TEST_CASE(observing_says_what_would_have_been) {
    const config::profile profile;
    const auto v = decide({virus}, {profile, filter_error_policy::tempfail, true});
    BOOST_TEST(v.kind == verdict_kind::quarantine);
    BOOST_TEST(v.observed);
    BOOST_TEST(describe(v).find("observed only") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(findings_are_listed_highest_first) {
    const config::profile profile;
    const auto v =
        decide({scored("LOW", 1), scored("HIGH", 3), virus}, {profile, filter_error_policy::tempfail, false});
    BOOST_TEST(v.findings[0].symbol == "HIGH");
    BOOST_TEST(v.findings[1].symbol == "VIRUS"); // the graver of two with one score
    BOOST_TEST(v.findings[2].symbol == "LOW");
}

BOOST_AUTO_TEST_CASE(the_description_names_everything_in_lines) {
    const config::profile profile;
    auto f = virus;
    f.evidence = "a\nb.exe";
    f.group = "attachments";
    const auto text = describe(decide({f, scored("A", 1.5)}, {profile, filter_error_policy::tempfail, false}));
    BOOST_TEST(text == "    1.5  A                   : \n"
                       "    1.0  VIRUS   quarantine  attachments: a?b.exe\n"
                       "    2.5  verdict: quarantine (virus), strike: virus\n");
    BOOST_TEST(describe(decide({}, {profile, filter_error_policy::tempfail, false})) ==
               "nothing was found\n    0.0  verdict: pass\n");
}

BOOST_AUTO_TEST_CASE(a_check_that_failed_does_what_is_said_of_it_and_the_worst_of_several_counts) {
    const config::profile profile;
    const std::map<std::string, filter_error_policy> of{{"clamd", filter_error_policy::hold},
                                                        {"spamd", filter_error_policy::pass}};
    const auto failed = [](const char* check) {
        auto f = failing();
        f.check = check;
        return f;
    };
    const auto decided = [&](std::vector<finding> found, filter_error_policy on_error) {
        return decide(std::move(found), {profile, on_error, false, &of}).kind;
    };
    BOOST_TEST(decided({failed("clamd")}, filter_error_policy::tempfail) == verdict_kind::hold);
    BOOST_TEST(decided({failed("spamd")}, filter_error_policy::tempfail) == verdict_kind::pass);
    BOOST_TEST(decided({failed("archives")}, filter_error_policy::tempfail) == verdict_kind::tempfail);
    BOOST_TEST(decided({failed("archives")}, filter_error_policy::pass) == verdict_kind::pass);
    BOOST_TEST(decided({failed("spamd"), failed("archives")}, filter_error_policy::tempfail) == verdict_kind::tempfail);
    BOOST_TEST(decided({failed("archives"), failed("clamd")}, filter_error_policy::tempfail) == verdict_kind::hold);
}

BOOST_AUTO_TEST_CASE(what_a_symbol_comes_to_at_least_holds_whatever_the_profile_says) {
    config::profile profile;
    profile.symbols = {{"LOW", {1, {}, {}}},
                       {"HIGH", {9, forced_verdict::reject, {}}},
                       {"OFF", {{}, {}, false}},
                       {"BARE", {{}, {}, true}}};
    const std::map<std::string, config::symbol_setting> least = {{"LOW", {3, forced_verdict::hold, {}}},
                                                                 {"HIGH", {3, forced_verdict::hold, {}}},
                                                                 {"OFF", {}},
                                                                 {"FREE", {0.5, {}, {}}}};
    const auto v = decide({scored("LOW", 5), scored("HIGH", 5), scored("OFF", 2), scored("FREE", 2), scored("BARE", 1)},
                          {profile, filter_error_policy::tempfail, false, nullptr, &least});
    BOOST_TEST_REQUIRE(v.findings.size() == 5U);
    BOOST_TEST(v.score == 9.0 + 3 + 2 + 2 + 1);
    BOOST_TEST((v.findings[0].action == forced_verdict::reject));
    BOOST_TEST((v.findings[1].symbol == "LOW" && v.findings[1].action == forced_verdict::hold));
}

BOOST_AUTO_TEST_SUITE_END()
