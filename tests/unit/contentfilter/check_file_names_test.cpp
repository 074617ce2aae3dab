// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/checks/file_name_rules.hpp"
#include "contentfilter/checks/rule_files.hpp"

#include <fstream>
#include <map>
#include <sstream>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

BOOST_AUTO_TEST_SUITE(check_file_names_test)

BOOST_AUTO_TEST_CASE(what_names_do) {
    struct row {
        std::string name, marks; // e executable, d double, b bidi, h hidden, r risky, c confusable
    };
    const row rows[] = {
        {"letter.pdf", ""},
        {"archive.tar.gz", ""},
        {"README", ""},
        {"", ""},
        {".", ""},
        {"setup.exe", "e"},
        {"SETUP.EXE", "e"},
        {"run.js", "e"},
        {"a.v1.2.msi", "e"},
        {"invoice.pdf.exe", "ed"},
        {"invoice.PDF     .scr", "ed"},
        {"invoice.pdf.exe. . ", "edh"},
        {"setup.exe.", "eh"},
        {"setup.exe ", "eh"},
        {"setup.exe\t", "eh"},
        {"invoice.pdf.exe   ", "edh"},
        {"letter.pdf ", ""},
        {"setup%2Eexe", "eh"},
        {"setup%252Eexe", "eh"},
        {"setup%2exe", ""},
        {"invoice.pdf%00.exe", "ed"},
        {std::string("setup.exe\0.txt", 14), "eh"},
        {"invoice\u202efdp.exe", "eb"},
        {"invoice\u202egpj.pdf", "b"},
        {"setup.e\u200bxe", "eh"},
        {"setup\uff0eexe", "eh"},
        {"\u200fשלום.pdf", ""},
        {"C:\\temp\\setup.exe", "e"},
        {"dir.exe/letter.pdf", ""},
        {"setup.exe::$DATA", "eh"},
        {"a.{00020C01-0000-0000-C000-000000000046}", "e"},
        {"invoice.heic.exe", "ed"},
        {"offer.odp.scr", "ed"},
        {"mail.msg.js", "ed"},
        {"report.2024.docx", ""},
        {"photo.jpg.zip", ""},
        {"backup.tar.xz", "r"},
        {"results.mat", ""}, // MATLAB's
        {"update.msu", "e"},
        {"disk.iso", "r"},
        {"sheet.xlsm", "r"},
        {"100% sure.pdf", ""},
        {"inv\u043eice.pdf", "c"},
        {"\u0440\u0430yment 2026.pdf", "c"},
        {"\u0441\u0447\u0451\u0442-invoice.pdf", ""}, // a word of each
        {"\u03b1lpha.pdf", "c"},
        {"\u0420ayment.pdf", "c"},
        {"INV\u041eICE.PDF", "c"},
        {"\u0414ocument.pdf", ""}, // looks like no Latin letter
        {"caf\u00e9.pdf", ""},
        {"\u0434\u043e\u0433\u043e\u0432\u043e\u0440.pdf", ""},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.name) {
            const auto j = judge_name(r.name);
            const std::string marks = std::string{j.executable ? "e" : ""} + (j.twofold ? "d" : "") +
                                      (j.overridden ? "b" : "") + (j.hidden ? "h" : "") + (j.risk > 0 ? "r" : "") +
                                      (j.confusable ? "c" : "");
            BOOST_TEST(marks == r.marks);
        }
}

// The page is for people, and the lists are in the source: neither says what the other does not.
BOOST_AUTO_TEST_CASE(the_manual_has_every_risky_extension_with_its_weight) {
    std::ifstream page{"docs/checks/file_names.md"};
    BOOST_REQUIRE(page.good());
    std::map<std::string, double> listed;
    for (std::string line; std::getline(page, line);) {
        std::istringstream row{line};
        std::string bar, word;
        double weight = 0;
        if (!(row >> bar >> weight >> word) || bar != "|" || word != "|") continue;
        while (row >> word && word != "|")
            listed[word] = weight;
    }
    BOOST_TEST(listed.size() > 100U);
    for (const auto& [extension, weight] : listed)
        BOOST_TEST_CONTEXT(extension) {
            const auto alone = judge_name("letter." + extension);
            BOOST_TEST(alone.risk == weight);
            BOOST_TEST(!alone.executable);
        }
    const auto known = risky_extensions();
    BOOST_TEST(known.size() == listed.size());
    for (const auto extension : known)
        BOOST_TEST(listed.contains(std::string{extension}), extension);
}

BOOST_AUTO_TEST_CASE(a_risky_file_made_up_as_a_document_weighs_more) {
    struct row {
        const char* name;
        double risk;
    };
    const row rows[] = {{"invoice.iso", 4},         {"invoice.pdf.iso", 6},
                        {"invoice.pdf .iso", 6},    {"invoice.pdf%2Eiso", 6},
                        {"invoice.v2.iso", 4},      {"pdf.iso", 4},
                        {"photo.heic.img", 6},      {"scan.webp.url", 4.5},
                        {"offer.ods.slk", 4.5},     {"logo.png.svg", 1.5},
                        {"invoice.docx.docm", 4.5}, {"table.csv.xz", 1}, // what xz(1) and others make of an honest name
                        {"photo.jpg.uue", 3},       {"photos.jpg.cab", 2},
                        {"report.2024.docx", 0},    {"archive.tar.gz", 0},
                        {"photo.jpg.zip", 0},       {"invoice.iso.pdf", 0}};
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.name) {
            BOOST_TEST(judge_name(r.name).risk == r.risk);
        }
}

BOOST_AUTO_TEST_CASE(the_operators_own_extensions_have_their_symbol_score_and_action) {
    auto resources = std::make_shared<check_resources>();
    auto rules = std::make_shared<rule_set>();
    std::vector<std::string> errors;
    parse_rules("[[extension]]\nextensions = ['FOO', 'bar']\nscore = 2.5\n"
                "[[extension]]\nextensions = ['docx']\nsymbol = 'OWN_WORD'\nscore = 7\naction = 'hold'\n"
                "reason = 'phish'\nstrike = 'phish'\n"
                "[[extension]]\nextensions = ['tar.gz']\nsymbol = 'OWN_TARBALL'\nscore = 1\n"
                "[[extension]]\nextensions = ['gz']\nsymbol = 'OWN_GZIP'\nscore = 1\n",
                "x.toml", *rules, errors);
    BOOST_REQUIRE(errors.empty());
    resources->rules = std::move(rules);
    const auto found = [&](const std::string& name) {
        return run_check(
            "file_names",
            make_message(with_attachment("Content-Disposition: attachment; filename=\"" + name + "\"\r\n", "x")),
            resources);
    };
    struct row {
        const char *name, *symbol;
        double score;
    };
    const row rows[] = {{"a.foo", "RISKY_NAME", 2.5},
                        {"a.BAR", "RISKY_NAME", 2.5},
                        {"a%2Efoo", "RISKY_NAME", 2.5},
                        {"a.f\u200boo", "RISKY_NAME", 2.5},
                        {"a.foo. ", "RISKY_NAME", 2.5},
                        {"a.docx", "OWN_WORD", 7},
                        {"src.tar.gz", "OWN_TARBALL", 1},
                        {"src.1.2.tar.gz", "OWN_TARBALL", 1},
                        {"table.gz", "OWN_GZIP", 1},
                        {"star.gz", "OWN_GZIP", 1},
                        {"a.foo.pdf", "", 0},
                        {"foo", "", 0},
                        {"a.food", "", 0},
                        {"dir.foo/a.pdf", "", 0}};
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.name) {
            const auto all = found(r.name);
            BOOST_REQUIRE(all.size() == (*r.symbol ? 1U : 0U));
            if (all.empty()) continue;
            BOOST_TEST(all[0].symbol == r.symbol);
            BOOST_TEST(all[0].score == r.score);
        }
    const auto held = found("a.docx");
    BOOST_TEST((held[0].action == config::forced_verdict::hold));
    BOOST_TEST(held[0].why == reason::phish);
    BOOST_TEST((held[0].strikes == strike_kind::phish));
}

BOOST_AUTO_TEST_CASE(an_own_extension_does_not_make_a_finding_milder) {
    auto resources = std::make_shared<check_resources>();
    auto rules = std::make_shared<rule_set>();
    std::vector<std::string> errors;
    parse_rules("[[extension]]\nextensions = ['exe']\nsymbol = 'EXECUTABLE_NAME'\nscore = 1\n", "x.toml", *rules,
                errors);
    BOOST_REQUIRE(errors.empty());
    resources->rules = std::move(rules);
    const auto found =
        run_check("file_names", make_message(with_attachment("Content-Type: application/x-y; name=setup.exe\r\n", "x")),
                  resources);
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].score == 8);
    BOOST_TEST((found[0].action == config::forced_verdict::quarantine));
    BOOST_TEST(found[0].why == reason::forbidden_file);
}

BOOST_AUTO_TEST_CASE(a_program_by_name_is_quarantined_without_a_strike) {
    const auto found = run_check(
        "file_names", make_message(with_attachment("Content-Type: application/x-y; name=setup.exe\r\n", "x")));
    const auto* f = find_symbol(found, "EXECUTABLE_NAME");
    BOOST_REQUIRE(f);
    BOOST_TEST((f->action == config::forced_verdict::quarantine));
    BOOST_TEST(f->why == reason::forbidden_file);
    BOOST_TEST(!f->strikes.has_value());
    BOOST_TEST(f->evidence == "1.2: setup.exe");
}

BOOST_AUTO_TEST_CASE(a_double_extension_proves_a_virus) {
    const auto found =
        run_check("file_names",
                  make_message(with_attachment(
                      "Content-Disposition: attachment;\r\n filename*0=invoice.pdf;\r\n filename*1=.exe\r\n", "x")));
    const auto* f = find_symbol(found, "DOUBLE_EXTENSION");
    BOOST_REQUIRE(f);
    BOOST_TEST((f->strikes == strike_kind::virus));
    BOOST_TEST(f->why == reason::virus);
}

BOOST_AUTO_TEST_CASE(what_is_hidden_or_shown_otherwise_has_its_symbols) {
    struct row {
        std::string name, symbol;
        double score;
        bool forced;
    };
    const row table[] = {{"invoice\u202egpj.pdf", "BIDI_NAME", 8, true},
                         {"setup%2Eexe", "HIDDEN_NAME", 4, false},
                         {"inv\u043eice.pdf", "CONFUSABLE_NAME", 4, false}};
    for (const auto& r : table)
        BOOST_TEST_CONTEXT(r.symbol) {
            const auto found = run_check(
                "file_names",
                make_message(with_attachment("Content-Disposition: attachment; filename=\"" + r.name + "\"\r\n", "x")));
            const auto* const f = find_symbol(found, r.symbol);
            BOOST_REQUIRE(f != nullptr);
            BOOST_TEST(f->score == r.score);
            BOOST_TEST((f->action == config::forced_verdict::quarantine) == r.forced);
        }
    for (const auto* honest : {"invoice.pdf", "setup.exe", "caf\u00e9.pdf"}) {
        const auto found = run_check(
            "file_names", make_message(with_attachment(
                              "Content-Disposition: attachment; filename=\"" + std::string{honest} + "\"\r\n", "x")));
        for (const auto& r : table)
            BOOST_TEST(find_symbol(found, r.symbol) == nullptr);
    }
}

BOOST_AUTO_TEST_CASE(of_a_name_longer_than_any_can_be_both_ends_are_judged) {
    const auto symbols = [](const std::string& name) {
        std::string out;
        for (const auto& f : run_check(
                 "file_names",
                 make_message(with_attachment("Content-Disposition: attachment; filename=\"" + name + "\"\r\n", "x"))))
            out += f.symbol + ' ';
        return out;
    };
    const std::string padding(5000, 'a');
    BOOST_TEST(symbols(padding + ".js") == "EXECUTABLE_NAME HIDDEN_NAME ");
    BOOST_TEST(symbols("a.js%00" + padding) == "EXECUTABLE_NAME HIDDEN_NAME ");
    BOOST_TEST(symbols(padding + ".pdf") == "HIDDEN_NAME ");
    BOOST_TEST(symbols(std::string(4092, 'a') + ".pdf").empty());
}

BOOST_AUTO_TEST_CASE(a_hundred_files_of_one_kind_are_one_finding) {
    std::string text = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (int i = 0; i < 100; ++i)
        text += "--b\r\nContent-Disposition: attachment; filename=" + std::to_string(i) + ".iso\r\n\r\nx\r\n";
    const auto found = run_check("file_names", make_message(text + "--b--\r\n"));
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].symbol == "RISKY_NAME");
    BOOST_TEST((found[0].action == config::forced_verdict::none));
}

BOOST_AUTO_TEST_CASE(names_inside_an_embedded_message_count) {
    const auto inner = with_attachment("Content-Disposition: attachment; filename=x.scr\r\n", "x");
    std::string renamed = inner;
    for (auto at = renamed.find("--b"); at != std::string::npos; at = renamed.find("--b", at + 4))
        renamed.replace(at, 3, "--in");
    renamed.replace(renamed.find("\"b\""), 3, "\"in\"");
    BOOST_TEST(
        find_symbol(run_check("file_names", make_message(with_attachment("Content-Type: message/rfc822\r\n", renamed))),
                    "EXECUTABLE_NAME"));
}

BOOST_AUTO_TEST_SUITE_END()
