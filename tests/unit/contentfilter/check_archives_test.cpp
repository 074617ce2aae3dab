// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "archive_fixture.hpp"
#include "check_fixture.hpp"

#include <chrono>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<const check_resources> with_workers() {
    static const auto shared = [] {
        auto made = std::make_shared<check_resources>();
        made->workers = std::make_shared<scan_workers>(scan_workers::options{worker_program(), 1, 20s});
        return made;
    }();
    return shared;
}

message_options with(const config::archive_settings& archives) {
    message_options how;
    how.archives = archives;
    how.filter.spool_memory = {1U << 30U};
    return how;
}

std::vector<finding> found_in(std::string_view content, const std::string& name = "x.zip",
                              const config::archive_settings& how = {}) {
    return run_check("archives",
                     make_message(with_attachment("Content-Type: application/octet-stream; name=\"" + name +
                                                      "\"\r\nContent-Transfer-Encoding: base64\r\n",
                                                  base64(content)),
                                  with(how)),
                     with_workers());
}

std::string symbols(const std::vector<finding>& all) {
    std::vector<std::string> names;
    for (const auto& f : all)
        names.push_back(f.symbol);
    std::sort(names.begin(), names.end());
    std::string out;
    for (const auto& n : names)
        out += (out.empty() ? "" : " ") + n;
    return out;
}

const std::string picture("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0", 29);

} // namespace

BOOST_AUTO_TEST_SUITE(check_archives_test)

BOOST_AUTO_TEST_CASE(names_in_every_format_are_judged) {
    const archived bad{"invoice.exe", "not really"}, good{"invoice.txt", "not really"};
    struct row {
        std::string format;
        std::string with_bad, with_good;
    };
    std::vector<row> rows;
    for (const char* format : {"zip", "7z", "tar", "tgz", "tar.bz2", "tar.xz", "iso", "cpio", "jar"})
        rows.push_back({format, make_archive(format, {good, bad}), make_archive(format, {good})});
    rows.push_back({"rar", rar(bad), rar(good)});
    rows.push_back({"cab", cab(bad), cab(good)});
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.format) {
            const auto found = found_in(r.with_bad, "x." + r.format);
            BOOST_TEST(symbols(found) == "ARCHIVE_EXECUTABLE_NAME");
            if (const auto* f = find_symbol(found, "ARCHIVE_EXECUTABLE_NAME")) {
                BOOST_TEST((f->action == config::forced_verdict::quarantine));
                BOOST_TEST((f->why == reason::forbidden_file));
                BOOST_TEST(f->evidence.starts_with("1.2 (x." + r.format + "): "));
                BOOST_TEST(f->evidence.find("exe") != std::string::npos);
            }
            BOOST_TEST(symbols(found_in(r.with_good, "x." + r.format)) == "");
        }
}

BOOST_AUTO_TEST_CASE(a_compressed_file_has_the_name_that_unpackers_give_it) {
    BOOST_TEST(symbols(found_in(gzip("echo"), "run.js.gz")) == "ARCHIVE_EXECUTABLE_NAME");
    BOOST_TEST(symbols(found_in(gzip("echo"), "notes.txt.gz")) == "");
    BOOST_TEST(symbols(found_in(zip({{"run.vbs.gz", gzip("echo")}}))) == "ARCHIVE_EXECUTABLE_NAME");
}

BOOST_AUTO_TEST_CASE(names_that_hide_what_they_are) {
    struct row {
        const char* name;
        const char* symbols;
    };
    const row rows[] = {{"invoice.pdf.exe", "ARCHIVE_DOUBLE_EXTENSION ARCHIVE_EXECUTABLE_NAME"},
                        {"invoice.pdf", ""},
                        {"invoice\u202efdp.exe", "ARCHIVE_BIDI_NAME ARCHIVE_EXECUTABLE_NAME"},
                        {"\u05d7\u05e9\u05d1\u05d5\u05df.pdf", ""}, // Hebrew needs no override
                        {"invoice%2Eexe", "ARCHIVE_EXECUTABLE_NAME ARCHIVE_HIDDEN_NAME"},
                        {"report.docm", "ARCHIVE_RISKY_NAME"},
                        {"report.docx", ""},
                        {"setup.exe/readme.txt", ""},
                        {"a/b/c/setup.msi", "ARCHIVE_EXECUTABLE_NAME"}};
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.name)
    BOOST_TEST(symbols(found_in(zip({{r.name, "x"}}))) == r.symbols);
}

BOOST_AUTO_TEST_CASE(programs_are_found_under_any_name) {
    const auto disguised = found_in(zip({{"picture.png", windows_program()}}));
    const auto* f = find_symbol(disguised, "ARCHIVE_EXECUTABLE_FILE");
    BOOST_REQUIRE(f);
    BOOST_TEST((f->action == config::forced_verdict::quarantine));
    BOOST_TEST((f->strikes == strike_kind::virus));
    BOOST_TEST(symbols(found_in(zip({{"picture.png", picture}}))) == "");
    const auto open = found_in(zip({{"setup.exe", windows_program()}}));
    BOOST_TEST(symbols(open) == "ARCHIVE_EXECUTABLE_FILE ARCHIVE_EXECUTABLE_NAME");
    BOOST_TEST(!find_symbol(open, "ARCHIVE_EXECUTABLE_FILE")->strikes.has_value());
}

BOOST_AUTO_TEST_CASE(archives_in_archives_are_looked_into_to_the_third) {
    for (int depth = 1; depth <= 5; ++depth)
        BOOST_TEST_CONTEXT("depth " << depth) {
            const auto bad = found_in(nested(depth, {"run.exe", "x"}));
            BOOST_TEST(symbols(bad) == (depth <= 3 ? "ARCHIVE_EXECUTABLE_NAME" : "ARCHIVE_BOUND"));
            BOOST_TEST(symbols(found_in(nested(depth, {"letter.txt", "x"}))) == (depth <= 3 ? "" : "ARCHIVE_BOUND"));
        }
    config::archive_settings deeper;
    deeper.max_levels = 5;
    BOOST_TEST(symbols(found_in(nested(5, {"run.exe", "x"}), "x.zip", deeper)) == "ARCHIVE_EXECUTABLE_NAME");
    // Mixed kinds count the same.
    BOOST_TEST(symbols(found_in(make_archive("7z", {{"a.tgz", make_archive("tgz", {{"b.zip", zip({{"c.js", "x"}})}})}}),
                                "x.7z")) == "ARCHIVE_EXECUTABLE_NAME");
}

BOOST_AUTO_TEST_CASE(what_needs_a_password_is_said) {
    const auto locked = make_archive("zip", {{"letter.txt", "secret text"}}, "zip:encryption=zipcrypt");
    const auto found = found_in(locked);
    BOOST_TEST(symbols(found) == "ARCHIVE_ENCRYPTED");
    BOOST_TEST(found.front().evidence.find("letter.txt") != std::string::npos);
    BOOST_TEST((found.front().action == config::forced_verdict::none));
    BOOST_TEST(symbols(found_in(make_archive("zip", {{"run.exe", "x"}}, "zip:encryption=aes256"))) ==
               "ARCHIVE_ENCRYPTED ARCHIVE_EXECUTABLE_NAME"); // the name can be seen all the same
}

BOOST_AUTO_TEST_CASE(bombs_are_found_in_bounded_time_and_memory) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string zeros(100U << 20U, '\0');
    const auto flat = zip({{"zeros.txt", zeros}});
    BOOST_TEST(flat.size() < 200'000u);
    const auto found = found_in(flat);
    BOOST_TEST(symbols(found) == "ARCHIVE_BOMB");
    BOOST_TEST((found.front().action == config::forced_verdict::quarantine));
    const auto inner = zip({{"zeros.txt", std::string(40U << 20U, '\0')}});
    std::vector<archived> copies;
    for (int i = 0; i < 16; ++i)
        copies.push_back({std::to_string(i) + ".zip", inner});
    BOOST_TEST(find_symbol(found_in(zip(copies)), "ARCHIVE_BOMB") != nullptr);
    // A large file that packs as documents do is none.
    std::string text;
    for (std::uint64_t i = 0; text.size() < (40U << 20U); ++i)
        text += "line " + std::to_string(i * 7919 % 100003) + " of a table\n";
    BOOST_TEST(symbols(found_in(zip({{"table.csv", text}}))) == "");
    BOOST_TEST((std::chrono::steady_clock::now() - begin < 60s));
}

BOOST_AUTO_TEST_CASE(each_bound_is_a_finding) {
    config::archive_settings few;
    few.max_files = 10;
    std::vector<archived> many;
    for (int i = 0; i < 11; ++i)
        many.push_back({std::to_string(i) + ".txt", "x"});
    BOOST_TEST(symbols(found_in(zip(many), "x.zip", few)) == "ARCHIVE_BOUND");
    many.pop_back();
    BOOST_TEST(symbols(found_in(zip(many), "x.zip", few)) == "");

    std::string noise;
    for (std::uint64_t i = 0, x = 1; i < 300'000; ++i, x = x * 6364136223846793005U + 1442695040888963407U)
        noise += static_cast<char>(x >> 56U);
    config::archive_settings small;
    small.max_unpacked = {250'000};
    BOOST_TEST(symbols(found_in(zip({{"noise.bin", noise}}), "x.zip", small)) == "ARCHIVE_BOUND");
    config::archive_settings little;
    little.max_part = {100'000};
    BOOST_TEST(symbols(found_in(zip({{"noise.bin", noise}}), "x.zip", little)) == "ARCHIVE_BOUND");
    config::archive_settings narrow;
    narrow.max_member = {100'000};
    BOOST_TEST(symbols(found_in(zip({{"noise.zip", zip({{"noise.bin", noise}})}}), "x.zip", narrow)) ==
               "ARCHIVE_BOUND");
    BOOST_TEST(symbols(found_in(zip({{"noise.bin", noise}}), "x.zip", narrow)) == ""); // no archive: not kept
}

BOOST_AUTO_TEST_CASE(a_file_that_is_two_things_is_looked_at_as_both) {
    const auto archive = zip({{"run.exe", "x"}});
    BOOST_TEST(symbols(found_in(picture + std::string(1000, 'x') + archive, "picture.png")) ==
               "ARCHIVE_EXECUTABLE_NAME ARCHIVE_POLYGLOT");
    BOOST_TEST(symbols(found_in(picture + std::string(1000, 'x'), "picture.png")) == "");
    BOOST_TEST(symbols(found_in("The record PK\5\6 ends a zip archive, PK\1\2 begins its directory.", "letter.txt")) ==
               "");
}

BOOST_AUTO_TEST_CASE(what_is_damaged_is_said_and_what_can_be_seen_of_it_is_judged) {
    auto archive = make_archive("tar", {{"run.exe", std::string(100'000, 'x')}, {"b.txt", "x"}});
    archive.resize(archive.size() / 2);
    BOOST_TEST(symbols(found_in(archive, "x.tar")) == "ARCHIVE_BROKEN ARCHIVE_EXECUTABLE_NAME");
    BOOST_TEST(symbols(found_in(std::string("PK\3\4garbage garbage garbage garbage", 36))) == "ARCHIVE_BROKEN");
}

BOOST_AUTO_TEST_CASE(text_is_not_sent_anywhere) {
    const auto none = std::make_shared<check_resources>();
    BOOST_TEST(
        run_check("archives", make_message("Subject: x\r\n\r\nRar is how this letter begins\r\n"), none).empty());
}

BOOST_AUTO_TEST_SUITE_END()
