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
    rule_set parsed;
    std::vector<std::string> errors;
    parse_rules(text, "test.toml", parsed, errors);
    BOOST_TEST(errors == std::vector<std::string>{}, boost::test_tools::per_element());
    auto made = std::make_shared<check_resources>();
    made->patterns = std::make_shared<pattern_database>(parsed.patterns);
    made->rules = std::make_shared<const rule_set>(std::move(parsed));
    return made;
}
/// One [[pattern]]; `more`: further lines of it.
std::string rule(const std::string& symbol, const std::string& where, const std::string& match,
                 const std::string& more = "") {
    return "[[pattern]]\nsymbol = '" + symbol + "'\nwhere = ['" + where + "']\nmatch = '" + match + "'\n" + more + "\n";
}
std::vector<std::string> mistakes(std::string_view text) {
    rule_set parsed;
    std::vector<std::string> errors;
    parse_rules(text, "x.toml", parsed, errors);
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
    const auto read = read_rule_files({"contentfilter/rules.d/*.toml"}, errors);
    BOOST_TEST(errors == std::vector<std::string>{}, boost::test_tools::per_element());
    auto made = std::make_shared<check_resources>();
    made->patterns = std::make_shared<pattern_database>(read.patterns);
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
                                             rules(rule("HIT", other.where, url ? "n&eedle" : "needle")));
                // What HTML says is in its source and, shown, a text.
                const std::string_view in = r.where;
                const bool shown = std::string_view{other.where} == "text" && (in == "html" || in == "url");
                BOOST_TEST(symbols(found) == (&r == &other || shown ? "HIT" : ""));
            }
}

BOOST_AUTO_TEST_CASE(ascii_text_is_raw_as_well_as_text) {
    const auto m = make_message("Subject: x\r\n\r\nneedle\r\n");
    BOOST_TEST(symbols(run_check("patterns", m, rules(rule("A", "raw", "needle") + rule("B", "text", "needle")))) ==
               "A B");
}

BOOST_AUTO_TEST_CASE(a_match_across_pieces_is_found) {
    scratch_directory dir;
    for (const std::size_t shift : {1U, 3U, 6U}) {
        auto content = std::make_shared<spool>(byte_count{0}, dir.path);
        const std::string head = "Subject: x\r\n\r\n";
        content->append(head + std::string(65536 - shift, 'x') + "needle" + std::string(100, 'x')).value();
        BOOST_TEST(symbols(run_check("patterns", make_message(content), rules(rule("A", "text", "needle")))) == "A");
    }
}

BOOST_AUTO_TEST_CASE(what_lies_beyond_the_bound_is_not_looked_at_and_told) {
    message_options how;
    how.filter.max_pattern_input = byte_count{10};
    BOOST_TEST(symbols(run_check("patterns", make_message("S: x\r\n\r\n0123needle", how),
                                 rules(rule("A", "text", "needle")))) == "A");
    BOOST_TEST(symbols(run_check("patterns", make_message("S: x\r\n\r\n01234needle", how),
                                 rules(rule("A", "text", "needle")))) == "PATTERNS_BOUND");
    BOOST_TEST(symbols(run_check("patterns", make_message("S: x\r\n\r\n0123456789", how),
                                 rules(rule("A", "text", "needle")))) == ""); // all of it
}

BOOST_AUTO_TEST_CASE(flags_and_anchors) {
    const auto m = make_message("S: x\r\n\r\nfirst\nNEEDLE\nlast");
    struct row {
        std::string rule;
        bool hit;
    };
    const row rows[] = {
        {rule("A", "text", "needle"), false},       {rule("A", "text", "needle", "flags = 'i'"), true},
        {rule("A", "text", "^NEEDLE$"), false},     {rule("A", "text", "^NEEDLE$", "flags = 'm'"), true},
        {rule("A", "text", "first.NEEDLE"), false}, {rule("A", "text", "first.NEEDLE", "flags = 's'"), true},
        {rule("A", "text", "last$"), true},         {rule("A", "text", "a/b|^first"), true},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.rule) {
            BOOST_TEST((symbols(run_check("patterns", m, rules(r.rule))) == "A") == r.hit);
        }
}

BOOST_AUTO_TEST_CASE(words_are_found_as_words_in_any_case_and_over_line_ends) {
    const auto list = rules("[[words]]\nsymbol = 'W'\nscore = 1\nwhere = ['text', 'subject']\n"
                            "words = ['wire transfer', 'a+b', 'größe']\n");
    struct row {
        std::string text;
        bool hit;
    };
    const row rows[] = {{"a Wire\r\n TRANSFER.", true},
                        {"wiretransfer", false},
                        {"a wire transfers", false},
                        {"1 a+b 2", true},
                        {"1 aab 2", false},
                        {"die größe", true}};
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.text) {
            BOOST_TEST((symbols(run_check("patterns", make_message("S: x\r\n\r\n" + r.text), list)) == "W") == r.hit);
        }
}

BOOST_AUTO_TEST_CASE(what_html_shows_is_text_and_what_it_hides_is_not) {
    const std::string head = "Subject: x\r\nContent-Type: text/html\r\n\r\n";
    const auto needle = rules(rule("A", "text", "free needle"));
    BOOST_TEST(symbols(run_check("patterns", make_message(head + "<p>fr<!-- x -->ee <b>ne</b>edle"), needle)) == "A");
    BOOST_TEST(symbols(run_check("patterns", make_message(head + "<p style='display:none'>free needle"), needle)) ==
               "");
}

BOOST_AUTO_TEST_CASE(lists_of_one_name_are_one_and_extensions_are_in_lower_case) {
    rule_set read;
    std::vector<std::string> errors;
    parse_rules("[[list]]\nname = 'shorteners'\nwords = ['One', 'two']\n"
                "[[list]]\nname = 'shorteners'\nwords = ['three']\n"
                "[[extension]]\nextensions = ['ISO', 'img', 'Tar.Gz']\nscore = 2\n",
                "x.toml", read, errors);
    BOOST_TEST(errors.empty());
    BOOST_TEST(read.list("shorteners") == (word_list{"one", "three", "two"}), boost::test_tools::per_element());
    BOOST_TEST(read.list("bad-domains").empty());
    BOOST_REQUIRE(read.extensions.contains("iso"));
    BOOST_TEST(read.extensions.at("iso").symbol == "RISKY_NAME");
    BOOST_TEST(read.extensions.at("iso").score == 2);
    BOOST_TEST(read.extensions.contains("tar.gz"));
}

BOOST_AUTO_TEST_CASE(a_list_that_no_check_asks_for_is_a_mistake) {
    const auto told = [](const std::string& name) {
        return mistakes("# own words\n[[list]]\nname = '" + name + "'\nwords = ['x']\n");
    };
    for (const auto& name : rule_set::list_names())
        BOOST_TEST(told(name).empty(), name);
    const std::vector<std::string> misspelt{
        R"(x.toml:3: list.name: "shortners" is not known here; did you mean "shorteners"?)"};
    BOOST_TEST(told("shortners") == misspelt, boost::test_tools::per_element());
    const std::vector<std::string> unheard_of{
        R"(x.toml:3: list.name: "animals" is not known here; use "bad-domains", "bad-urls", "password-words", "shorteners" or "user-name-words")"};
    BOOST_TEST(told("animals") == unheard_of, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_extension_may_have_a_dot_within_and_none_at_its_ends) {
    for (const auto* good : {"gz", "tar.gz", "library-ms", "a.b.c"})
        BOOST_TEST(mistakes("[[extension]]\nextensions = ['" + std::string{good} + "']\n").empty(), good);
    for (const auto* bad : {"", ".", ".gz", "gz.", "tar..gz", "a/b", "a\\b", "a b"})
        BOOST_TEST(mistakes("[[extension]]\nextensions = ['" + std::string{bad} + "']\n").size() == 1U, bad);
    BOOST_TEST(mistakes("[[extension]]\nextensions = ['.gz']\n").front().find("without its dot") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(rules_of_one_symbol_count_once_with_the_highest_score) {
    const auto found =
        run_check("patterns", make_message("S: x\r\n\r\nab"),
                  rules(rule("A", "text", "a", "score = 1") +
                        rule("A", "text", "b", "score = 2.5\naction = 'hold'\nreason = 'spam'\nstrike = 'spam'")));
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].score == 2.5);
    BOOST_TEST((found[0].action == config::forced_verdict::hold));
    BOOST_TEST(found[0].why == reason::spam);
    BOOST_TEST((found[0].strikes == strike_kind::spam));
    BOOST_TEST(found[0].evidence == "part 1");
}

BOOST_AUTO_TEST_CASE(every_mistake_in_a_rule_file_has_its_line) {
    const auto errors = mistakes("[[pattern]]\nsymbol = 'lower'\nwhere = ['text']\nmatch = 'x'\n" // 1
                                 "[[pattern]]\nsymbol = 'A'\nmatch = 'x'\n"                       // 5
                                 "[[pattern]]\nsymbol = 'A'\nwhere = ['nowhere']\nmatch = 'x'\n"  // 8
                                 "[[pattern]]\nsymbol = 'A'\nwhere = ['text']\nmatch = ''\n"      // 12
                                 "scroe = 1\n"                                                    // 16
                                 "[[words]]\nsymbol = 'A'\nwhere = ['text']\nwords = []\n"        // 17
                                 "flags = 's'\naction = 'explode'\nscore = '1'\n"                 // 21
                                 "[[patern]]\n"                                                   // 24
                                 "[[extension]]\nextensions = ['.exe']\nreason = 'limit'\n"       // 25
                                 "[[list]]\nwords = ['x']\n");                                    // 28
    const std::vector<std::string> wanted = {
        "x.toml:2: pattern.symbol: is no symbol; write capital letters, digits and underscores",
        "x.toml:5: pattern.where: is missing",
        "x.toml:10: pattern.where: \"nowhere\" is not known here",
        "x.toml:15: pattern.match: is empty",
        "x.toml:16: pattern.scroe: ",
        "x.toml:20: words.words: is empty",
        "x.toml:21: words.flags: ",
        "x.toml:22: words.action: \"explode\"",
        "x.toml:23: words.score: ",
        "x.toml:24: patern: ",
        "x.toml:26: extension.extensions: is no extension",
        "x.toml:27: extension.reason: \"limit\"",
        "x.toml:28: list.name: is missing",
    };
    BOOST_REQUIRE(errors.size() == wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
        BOOST_TEST(errors[i].starts_with(wanted[i]), errors[i] << " begins with " << wanted[i]);
    BOOST_TEST(mistakes("[[pattern]\n").size() == 1u);
    BOOST_TEST(mistakes("[pattern]\n").size() == 1u);
}

BOOST_AUTO_TEST_CASE(expressions_that_do_not_compile_are_all_named) {
    rule_set parsed;
    std::vector<std::string> errors;
    parse_rules(rule("A", "text", "(") + rule("B", "text", "fine") + rule("C", "text", "(a)\\1"), "x.toml", parsed,
                errors);
    BOOST_REQUIRE(parsed.patterns.size() == 3u);
    try {
        const pattern_database database{std::move(parsed.patterns)};
        BOOST_ERROR("it was compiled");
    } catch (const std::runtime_error& e) {
        const std::string text = e.what();
        BOOST_TEST(text.find("x.toml:4: match: ") != std::string::npos);
        BOOST_TEST(text.find("x.toml:9") == std::string::npos);
        BOOST_TEST(text.find("x.toml:14: match: ") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_rule_file_that_is_named_must_be_there_and_a_glob_may_be_empty) {
    scratch_directory dir;
    std::vector<std::string> errors;
    BOOST_TEST(read_rule_files({dir.path / "*.toml", "/nonexistent/*.toml"}, errors).patterns.empty());
    BOOST_TEST(errors.empty());
    BOOST_TEST(read_rule_files({dir.path / "own.toml"}, errors).patterns.empty());
    BOOST_TEST(errors.size() == 1u);
    std::ofstream{dir.path / "b.toml"} << rule("B", "text", "b");
    std::ofstream{dir.path / "a.toml"} << rule("A", "text", "a");
    std::ofstream{dir.path / "c.txt"} << "nonsense\n";
    errors.clear();
    const auto found = read_rule_files({dir.path / "*.toml"}, errors);
    BOOST_TEST(errors.empty());
    BOOST_REQUIRE(found.patterns.size() == 2u);
    BOOST_TEST(found.patterns[0].found.symbol == "A");
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
    for (const auto& whole : {eicar(), gtube()})
        for (std::size_t at = 0; at < whole.size(); ++at) {
            auto near = whole;
            near[at] = near[at] == '_' ? '-' : '_';
            BOOST_TEST(symbols(run_check("patterns", make_message("S: x\r\n\r\n" + near + "\r\n"), shipped)) == "",
                       near);
        }
}

BOOST_AUTO_TEST_SUITE_END()
