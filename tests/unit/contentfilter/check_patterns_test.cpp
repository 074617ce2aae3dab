// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

#include <fstream>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

std::shared_ptr<const check_resources> rules(std::string_view text) {
    std::vector<pattern_rule> parsed;
    std::vector<std::string> errors;
    parse_rules(text, "test.rules", parsed, errors);
    BOOST_TEST(errors == std::vector<std::string>{}, boost::test_tools::per_element());
    auto made = std::make_shared<check_resources>();
    made->patterns = std::make_shared<pattern_database>(std::move(parsed));
    return made;
}
std::vector<std::string> mistakes(std::string_view text) {
    std::vector<pattern_rule> parsed;
    std::vector<std::string> errors;
    parse_rules(text, "x.rules", parsed, errors);
    return errors;
}
std::string symbols(const std::vector<finding>& found) {
    std::string text;
    for (const auto& f : found)
        text += (text.empty() ? "" : " ") + f.symbol;
    return text;
}
std::shared_ptr<const check_resources> shipped_rules() {
    std::vector<std::string> errors;
    auto made = std::make_shared<check_resources>();
    made->patterns = std::make_shared<pattern_database>(read_rule_files({"contentfilter/rules.d/*.rules"}, errors));
    BOOST_TEST(errors == std::vector<std::string>{}, boost::test_tools::per_element());
    return made;
}

} // namespace

BOOST_AUTO_TEST_SUITE(check_patterns_test)

BOOST_AUTO_TEST_CASE(each_place_is_looked_at_and_no_other) {
    struct row {
        const char* where;
        std::string text;
    };
    const std::string plain = "Subject: x\r\nContent-Type: ";
    const row rows[] = {
        {"subject", "Subject: =?utf-8?B?" + base64("needle") + "?=\r\n\r\nx"},
        {"text", plain + "text/plain; charset=utf-16le\r\n\r\n" + std::string("n\0e\0e\0d\0l\0e\0", 12)},
        {"html", plain + "text/html; charset=utf-16le\r\n\r\n" + std::string("n\0e\0e\0d\0l\0e\0", 12)},
        {"raw", plain + "application/x-y\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64("a needle b")},
        {"filename", plain + "application/x-y; name*=utf-8''n%65edle.txt\r\n\r\nx"},
        {"url", plain + "text/html; charset=utf-16le\r\n\r\n" +
                    [] {
                        std::string wide;
                        for (const char c : std::string_view{"http://x/n&amp;eedle"})
                            (wide += c) += '\0';
                        return wide;
                    }()},
    };
    for (const auto& r : rows)
        for (const auto& other : rows)
            BOOST_TEST_CONTEXT("rule for " << other.where << ", needle in " << r.where) {
                const bool url = std::string_view{r.where} == "url";
                const auto found = run_check("patterns", make_message(r.text),
                                             rules("HIT score=1 where=" + std::string{other.where} + " pattern=/" +
                                                   (url ? "n&eedle" : "needle") + "/"));
                BOOST_TEST(symbols(found) == (&r == &other ? "HIT" : ""));
            }
}

BOOST_AUTO_TEST_CASE(ascii_text_is_raw_as_well_as_text) {
    const auto m = make_message("Subject: x\r\n\r\nneedle\r\n");
    BOOST_TEST(symbols(run_check("patterns", m,
                                 rules("A where=raw pattern=/needle/\nB where=text pattern=/needle/"))) == "A B");
}

BOOST_AUTO_TEST_CASE(a_match_across_pieces_is_found) {
    scratch_directory dir;
    for (const std::size_t shift : {1U, 3U, 6U}) {
        auto content = std::make_shared<spool>(byte_count{0}, dir.path);
        const std::string head = "Subject: x\r\n\r\n";
        content->append(head + std::string(65536 - shift, 'x') + "needle" + std::string(100, 'x')).value();
        BOOST_TEST(symbols(run_check("patterns", make_message(content), rules("A where=text pattern=/needle/"))) ==
                   "A");
    }
}

BOOST_AUTO_TEST_CASE(what_lies_beyond_the_bound_is_not_looked_at) {
    message_options how;
    how.filter.max_pattern_input = byte_count{10};
    BOOST_TEST(symbols(run_check("patterns", make_message("S: x\r\n\r\n0123needle", how),
                                 rules("A where=text pattern=/needle/"))) == "A");
    BOOST_TEST(symbols(run_check("patterns", make_message("S: x\r\n\r\n01234needle", how),
                                 rules("A where=text pattern=/needle/"))) == "");
}

BOOST_AUTO_TEST_CASE(flags_and_anchors) {
    const auto m = make_message("S: x\r\n\r\nfirst\nNEEDLE\nlast");
    struct row {
        const char* rule;
        bool hit;
    };
    const row rows[] = {
        {"A where=text pattern=/needle/", false},       {"A where=text flags=i pattern=/needle/", true},
        {"A where=text pattern=/^NEEDLE$/", false},     {"A where=text flags=m pattern=/^NEEDLE$/", true},
        {"A where=text pattern=/first.NEEDLE/", false}, {"A where=text flags=s pattern=/first.NEEDLE/", true},
        {"A where=text pattern=/last$/", true},         {"A where=text pattern=/a\\/b|^first/", true},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.rule) {
            BOOST_TEST((symbols(run_check("patterns", m, rules(r.rule))) == "A") == r.hit);
        }
}

BOOST_AUTO_TEST_CASE(rules_of_one_symbol_count_once_with_the_highest_score) {
    const auto found = run_check("patterns", make_message("S: x\r\n\r\nab"),
                                 rules("A score=1 where=text pattern=/a/\nA score=2.5 where=text action=hold "
                                       "reason=spam strike=spam pattern=/b/"));
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].score == 2.5);
    BOOST_TEST((found[0].action == config::forced_verdict::hold));
    BOOST_TEST(found[0].why == reason::spam);
    BOOST_TEST((found[0].strikes == strike_kind::spam));
    BOOST_TEST(found[0].evidence == "part 1");
}

BOOST_AUTO_TEST_CASE(every_mistake_in_a_rule_file_has_its_line) {
    const auto errors = mistakes(
        "# comment\n\nlower where=text pattern=/x/\nA pattern=/x/\nA where=nowhere pattern=/x/\nA where=text\n"
        "A where=text pattern=x\nA where=text scroe=1 pattern=/x/\nA where=text score=1x pattern=/x/\n"
        "A where=text action=explode pattern=/x/\nA where=text flags=q pattern=/x/\nGOOD where=text pattern=/x/\n"
        "A where=text reason=limit pattern=/x/\nA where=text strike=manual pattern=/x/\nA where=text bare "
        "pattern=/x/\n");
    BOOST_REQUIRE(errors.size() == 12u);
    BOOST_TEST(errors[0].starts_with("x.rules:3: a rule begins with its symbol"));
    BOOST_TEST(errors[1] == "x.rules:4: where= is missing");
    BOOST_TEST(errors[2].starts_with("x.rules:5: where: \"nowhere\" is none of subject, text"));
    BOOST_TEST(errors[5] == "x.rules:8: unknown option \"scroe\"; did you mean score?");
    BOOST_TEST(errors[11].starts_with("x.rules:15:"));
}

BOOST_AUTO_TEST_CASE(expressions_that_do_not_compile_are_all_named) {
    std::vector<pattern_rule> parsed;
    std::vector<std::string> errors;
    parse_rules("A where=text pattern=/(/\nB where=text pattern=/fine/\nC where=text pattern=/(a)\\1/\n", "x.rules",
                parsed, errors);
    BOOST_REQUIRE(parsed.size() == 3u);
    try {
        const pattern_database database{std::move(parsed)};
        BOOST_ERROR("it was compiled");
    } catch (const std::runtime_error& e) {
        const std::string text = e.what();
        BOOST_TEST(text.find("x.rules:1: pattern: ") != std::string::npos);
        BOOST_TEST(text.find("x.rules:2") == std::string::npos);
        BOOST_TEST(text.find("x.rules:3: pattern: ") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_rule_file_that_is_named_must_be_there_and_a_glob_may_be_empty) {
    scratch_directory dir;
    std::vector<std::string> errors;
    BOOST_TEST(read_rule_files({dir.path / "*.rules", "/nonexistent/*.rules"}, errors).empty());
    BOOST_TEST(errors.empty());
    BOOST_TEST(read_rule_files({dir.path / "own.rules"}, errors).empty());
    BOOST_TEST(errors.size() == 1u);
    std::ofstream{dir.path / "b.rules"} << "B where=text pattern=/b/\n";
    std::ofstream{dir.path / "a.rules"} << "A where=text pattern=/a/\n";
    std::ofstream{dir.path / "c.txt"} << "nonsense\n";
    errors.clear();
    const auto found = read_rule_files({dir.path / "*.rules"}, errors);
    BOOST_TEST(errors.empty());
    BOOST_REQUIRE(found.size() == 2u);
    BOOST_TEST(found[0].found.symbol == "A");
}

BOOST_AUTO_TEST_CASE(the_shipped_rules_find_the_test_strings_wherever_they_are) {
    const auto shipped = shipped_rules();
    BOOST_REQUIRE(shipped->patterns->rules().size() >= 2u);
    const auto in_attachment = [](const std::string& what) {
        return with_attachment(
            "Content-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n",
            base64(what));
    };
    const auto virus = run_check("patterns", make_message(in_attachment(eicar())), shipped);
    BOOST_REQUIRE(symbols(virus) == "EICAR");
    BOOST_TEST((virus[0].action == config::forced_verdict::quarantine));
    BOOST_TEST((virus[0].strikes == strike_kind::virus));
    BOOST_TEST(virus[0].why == reason::virus);
    BOOST_TEST(symbols(run_check("patterns", make_message("S: x\r\n\r\nhello\r\n" + eicar() + "\r\n"), shipped)) ==
               "EICAR");
    const auto spam = run_check("patterns", make_message("S: x\r\n\r\n" + gtube() + "\r\n"), shipped);
    BOOST_REQUIRE(symbols(spam) == "GTUBE");
    BOOST_TEST((spam[0].action == config::forced_verdict::quarantine));
    BOOST_TEST((spam[0].strikes == strike_kind::spam));
    BOOST_TEST(spam[0].why == reason::spam);
    BOOST_TEST(symbols(run_check("patterns", make_message(in_attachment("harmless")), shipped)) == "");
}

BOOST_AUTO_TEST_SUITE_END()
