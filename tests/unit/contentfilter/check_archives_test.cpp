// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "archive_fixture.hpp"
#include "check_fixture.hpp"
#include "contentfilter/checks/rule_files.hpp"
#include "contentfilter/worker/archive_inspection.hpp"
#include "document_fixture.hpp"

#include <chrono>
#include <fstream>
#include <sstream>

#include <sys/stat.h>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using namespace std::chrono_literals;
using worker::archive_report;

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

std::string packed(const std::string& name) {
    std::ifstream in{"tests/corpus/archives/" + name, std::ios::binary};
    std::ostringstream text;
    text << in.rdbuf();
    BOOST_REQUIRE_MESSAGE(in.good() && !text.str().empty(), "tests/corpus/archives/" << name);
    return text.str();
}

/// A program in the worker's place that reads a request and gives one answer.
struct answering_worker {
    scratch_directory dir;
    std::filesystem::path path = dir.path / "worker";
    explicit answering_worker(const std::string& report) {
        const auto size = static_cast<std::uint32_t>(report.size() + 1);
        std::ofstream{dir.path / "answer"} << le32(size) << '\0' << report;
        std::ofstream{path} << "#!/bin/sh\nprintf '\\030\\000\\000\\000postsluice-scan-worker 2' >&3\n"
                               "head -c 5 <&3 >/dev/null; /bin/cat " +
                                   (dir.path / "answer").string() + " >&3; /bin/cat <&3 >/dev/null\n";
        ::chmod(path.c_str(), 0700);
    }
};

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
    for (const char* filter : {"zstd", "lz4", "lzip", "compress"})
        rows.push_back({"tar." + std::string{filter}, compressed(filter, make_archive("tar", {good, bad})),
                        compressed(filter, make_archive("tar", {good}))});
    rows.push_back({"ar", make_archive("ar", {good, bad}), make_archive("ar", {good})});
    rows.push_back({"lzh", lha(bad), lha(good)});
    rows.push_back({"rar", rar(bad), rar(good)});
    rows.push_back({"rar5", rar5_writer::write(bad), rar5_writer::write(good)});
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

BOOST_AUTO_TEST_CASE(what_other_programs_packed_is_read) {
    for (const char* name : {"run.exe.Z", "run.exe.lz", "run.exe.lz4", "run.exe.zst", "run.a"})
        BOOST_TEST_CONTEXT(name) {
            const auto content = packed(name);
            const auto found = found_in(content, name);
            BOOST_TEST(symbols(found) == "ARCHIVE_EXECUTABLE_NAME");
            if (std::string_view{name} != "run.a") // the name in it is not the attachment's
                BOOST_TEST(symbols(found_in(content, "letter.txt" + std::string{name}.substr(7))) == "");
        }
    for (const char* filter : {"gzip", "bzip2", "xz", "zstd", "lz4", "lzip", "compress"})
        BOOST_TEST_CONTEXT(filter) {
            const auto program = compressed(filter, windows_program());
            BOOST_TEST(symbols(found_in(program, "picture.png.x")) == "ARCHIVE_EXECUTABLE_FILE");
            BOOST_TEST(symbols(found_in(compressed(filter, picture), "picture.png.x")) == "");
        }
}

BOOST_AUTO_TEST_CASE(blank_blocks_before_a_program_do_not_hide_it_from_the_unpacking) {
    const std::string blank(1024, '\0');
    const auto name = [](std::string_view) { return std::string{}; };
    // To libarchive it is an empty tar; to gunzip(1) a file like any other.
    const auto report = worker::inspect_archive(gzip(blank + zip({{"run.exe", "x"}})), {}, name);
    BOOST_TEST(report.is_archive);
    BOOST_TEST(report.unpacked > blank.size());
    BOOST_TEST(symbols(found_in(gzip(std::string(10240, '\0')), "empty.tar.gz")) == ""); // tar(1) of nothing
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
                        {"inv\u043eice.pdf", "ARCHIVE_CONFUSABLE_NAME"},
                        {"inv\u043eices/invoice.pdf", ""}, // a directory disguises no file
                        {"\u0434\u043e\u0433\u043e\u0432\u043e\u0440.pdf", ""},
                        {"report.docm", "ARCHIVE_RISKY_NAME"},
                        {"report.docx", ""},
                        {"setup.exe/readme.txt", ""},
                        {"a/b/c/setup.msi", "ARCHIVE_EXECUTABLE_NAME"}};
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.name)
    BOOST_TEST(symbols(found_in(zip({{r.name, "x"}}))) == r.symbols);
}

BOOST_AUTO_TEST_CASE(the_operators_own_extensions_hold_in_archives_too) {
    auto resources = std::make_shared<check_resources>(*with_workers());
    auto rules = std::make_shared<rule_set>();
    std::vector<std::string> errors;
    parse_rules("[[extension]]\nextensions = ['foo']\nscore = 2.5\n"
                "[[extension]]\nextensions = ['tar.bar']\nsymbol = 'OWN_KIND'\nscore = 7\naction = 'hold'\n",
                "x.toml", *rules, errors);
    BOOST_REQUIRE(errors.empty());
    resources->rules = std::move(rules);
    const auto found = [&](const std::string& content, const std::string& name) {
        return run_check("archives",
                         make_message(with_attachment("Content-Type: application/zip; name=" + name +
                                                          "\r\nContent-Transfer-Encoding: base64\r\n",
                                                      base64(content))),
                         resources);
    };
    auto all = found(zip({{"letter.foo", "x"}, {"letter.txt", "x"}}), "a.zip");
    BOOST_REQUIRE(symbols(all) == "ARCHIVE_RISKY_NAME");
    BOOST_TEST(all[0].score == 2.5);
    BOOST_TEST(all[0].evidence == "1.2 (a.zip): letter.foo");
    all = found(zip({{"inner.zip", zip({{"a.tar.bar", "x"}})}}), "a.zip");
    BOOST_REQUIRE(symbols(all) == "OWN_KIND");
    BOOST_TEST((all[0].action == config::forced_verdict::hold));
    BOOST_TEST(symbols(found(gzip("x"), "letter.foo.gz")) == "ARCHIVE_RISKY_NAME");
    BOOST_TEST(symbols(found(zip({{"letter.food", "x"}, {"foo", "x"}, {"a.bar", "x"}}), "a.zip")) == "");
}

BOOST_AUTO_TEST_CASE(risky_names_weigh_in_archives_what_they_weigh_outside) {
    struct row {
        const char* name;
        double score;
    };
    for (const auto& r : {row{"disk.iso", 4}, row{"invoice.pdf.iso", 6}, row{"sheet.xlsm", 3}, row{"a.cer", 1}})
        BOOST_TEST_CONTEXT(r.name) {
            const auto found = found_in(zip({{r.name, "x"}}));
            BOOST_REQUIRE(symbols(found) == "ARCHIVE_RISKY_NAME");
            BOOST_TEST(found[0].score == r.score);
            BOOST_TEST((found[0].action == config::forced_verdict::none));
        }
    BOOST_TEST(symbols(found_in(zip({{"report.2024.docx", "x"}, {"archive.tar.gz", "x"}}))) == "");
}

BOOST_AUTO_TEST_CASE(an_office_document_under_another_kinds_name_is_a_mismatch) {
    const auto found = found_in(zip({{"photo.jpg", plain_document()}}));
    BOOST_REQUIRE(symbols(found) == "ARCHIVE_TYPE_MISMATCH");
    BOOST_TEST(found[0].score == 3);
    for (const auto* honest :
         {"letter.doc", "table.xls", "locked.xlsx", "drawing.vsd", "Thumbs.db", "mail.msg", "letter"})
        BOOST_TEST(symbols(found_in(zip({{honest, plain_document()}}))) == "", honest);
}

BOOST_AUTO_TEST_CASE(pieces_of_split_archives_are_said) {
    const std::string pieces[] = {"x.7z.001", "x.zip.999", "x.tar.gz.002", "x.part2.rar", "x.part01.RAR",
                                  "x.r00",    "x.s17",     "x.z01",        "X.7Z.001 ",   "x%2e7z.001"};
    const std::string whole[] = {"x.7z",   "x.001", "x.2026.001", "x.rar",    "part2.rar.txt", "x.party.rar", "x.r0",
                                 "x.r000", "x.rxx", "x.mp3",      "part.rar", "x.part.rar",    "001",         ""};
    for (const auto& name : pieces)
        BOOST_TEST_CONTEXT(name) {
            BOOST_TEST(symbols(found_in("what no archiver reads", name)) == "ARCHIVE_SPLIT");
            BOOST_TEST(symbols(found_in(zip({{name, "x"}}))) == "ARCHIVE_SPLIT");
        }
    for (const auto& name : whole)
        BOOST_TEST_CONTEXT(name) {
            BOOST_TEST(symbols(found_in("what no archiver reads", name)) == "");
        }
}

BOOST_AUTO_TEST_CASE(an_archive_with_one_file_holds_what_its_name_promises) {
    const auto in = [](const std::string& archive, const std::string& file) {
        return symbols(found_in(zip({{file, "x"}}), archive));
    };
    BOOST_TEST(in("invoice.pdf.zip", "invoice.html") == "ARCHIVE_OTHER_KIND");
    BOOST_TEST(in("photo.jpg.zip", "photo") == "ARCHIVE_OTHER_KIND");
    BOOST_TEST(in("invoice.pdf.zip", "2026/invoice.PDF") == "");
    BOOST_TEST(in("photo.jpg.zip", "photo.png") == "");
    BOOST_TEST(in("invoice.zip", "invoice.html") == "");
    BOOST_TEST(in("data.v2.zip", "data.csv") == "");
    BOOST_TEST(symbols(found_in(zip({{"invoice.pdf", "x"}, {"terms.html", "x"}}), "invoice.pdf.zip")) == "");
    BOOST_TEST(symbols(found_in(gzip("x"), "notes.pdf.gz")) == "");
    BOOST_TEST(symbols(found_in(compressed("gzip", make_archive("tar", {{"notes.txt", "x"}})), "notes.tar.gz")) == "");
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

BOOST_AUTO_TEST_CASE(encrypted_names_weigh_more_than_encrypted_content) {
    struct row {
        const char* about;
        std::string content, symbols;
        double score;
    };
    const row rows[] = {
        {"zip", make_archive("zip", {{"letter.txt", "secret text"}}, "zip:encryption=zipcrypt"), "ARCHIVE_ENCRYPTED",
         2},
        {"7z", packed("encrypted.7z"), "ARCHIVE_ENCRYPTED ARCHIVE_EXECUTABLE_NAME", 2},
        {"7z, names", packed("encrypted-names.7z"), "ARCHIVE_ENCRYPTED", 4},
        {"rar", encrypted_rar("letter.txt", false), "ARCHIVE_ENCRYPTED", 2},
        {"rar, a program", encrypted_rar("run.exe", false), "ARCHIVE_ENCRYPTED ARCHIVE_EXECUTABLE_NAME", 2},
        {"rar, names", encrypted_rar("letter.txt", true), "ARCHIVE_ENCRYPTED", 4},
        {"rar 5, names", rar5_writer::encrypted(), "ARCHIVE_ENCRYPTED", 4},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.about) {
            const auto found = found_in(r.content, "x");
            BOOST_TEST(symbols(found) == r.symbols);
            const auto* f = find_symbol(found, "ARCHIVE_ENCRYPTED");
            BOOST_REQUIRE(f);
            BOOST_TEST(f->score == r.score);
            BOOST_TEST((f->action == config::forced_verdict::none));
        }
    // Of rar 5 the mark of encrypted content is passed over, as the manual says; its names are judged.
    BOOST_TEST(symbols(found_in(rar5_writer::encrypted_content("run.exe"), "x")) == "ARCHIVE_EXECUTABLE_NAME");
    // The same without a password.
    BOOST_TEST(symbols(found_in(make_archive("7z", {{"letter.txt", "secret text"}}), "x")) == "");
    BOOST_TEST(symbols(found_in(rar({"letter.txt", "secret text"}), "x")) == "");
    BOOST_TEST(symbols(found_in(rar5_writer::write({"letter.txt", "secret text"}), "x")) == "");
}

BOOST_AUTO_TEST_CASE(bombs_are_found_in_bounded_time_and_memory) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string zeros(100U << 20U, '\0');
    const auto flat = zip({{"zeros.txt", zeros}});
    BOOST_TEST(flat.size() < 200'000u);
    const auto found = found_in(flat);
    BOOST_TEST(symbols(found) == "ARCHIVE_BOMB");
    BOOST_TEST((found.front().action == config::forced_verdict::quarantine));
    for (const char* filter : {"gzip", "bzip2", "xz", "zstd"})
        BOOST_TEST_CONTEXT(filter) {
            BOOST_TEST(symbols(found_in(compressed(filter, zeros), "zeros.txt.x")) == "ARCHIVE_BOMB");
            // Under archives.ratio_from a picture of one colour may pack as well.
            BOOST_TEST(symbols(found_in(compressed(filter, std::string(20U << 20U, '\0')), "zeros.txt.x")) == "");
        }
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
    BOOST_TEST((std::chrono::steady_clock::now() - begin < 300s)); // most of it is the packing
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

BOOST_AUTO_TEST_CASE(what_a_worker_has_no_time_or_memory_for_is_a_bound) {
    const struct {
        worker::report_flag flag;
        const char* words;
    } rows[] = {{worker::too_slow, "more time than worker_timeout allows"},
                {worker::no_memory, "more memory than worker_memory"}};
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.words) {
            archive_report report;
            report.is_archive = true;
            report.flags = r.flag;
            auto resources = std::make_shared<check_resources>();
            const answering_worker program{report.encode()};
            resources->workers = std::make_shared<scan_workers>(scan_workers::options{program.path, 1, 20s});
            const auto found = run_check(
                "archives",
                make_message(with_attachment("Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n",
                                             base64(zip({{"a.txt", "x"}})))),
                resources);
            BOOST_REQUIRE(symbols(found) == "ARCHIVE_BOUND");
            BOOST_TEST(found[0].score == 10);
            BOOST_TEST(found[0].evidence.find(r.words) != std::string::npos);
        }
}

// What the worker itself says of such a file.
BOOST_AUTO_TEST_CASE(unpacking_ends_when_its_time_is_over) {
    const auto piece = gzip(std::string(16U << 20U, '\0'));
    std::string long_one; // gzip(1): what is put one behind the other is unpacked as one
    for (int i = 0; i < 200; ++i)
        long_one += piece;
    worker::unpack_bounds bounds;
    bounds.unpacked = bounds.ratio = std::uint64_t{1} << 40U;
    bounds.cpu_milliseconds = 50;
    const auto name = [](std::string_view) { return std::string{}; };
    BOOST_TEST(worker::inspect_archive(long_one, bounds, name).has(worker::too_slow));
    bounds.cpu_milliseconds = 60'000;
    const auto short_one = worker::inspect_archive(piece, bounds, name);
    BOOST_TEST(short_one.flags == 0U);
    BOOST_TEST(short_one.unpacked == 16U << 20U);
}

#ifndef __SANITIZE_ADDRESS__ // there the worker's memory is not bounded
BOOST_AUTO_TEST_CASE(unpacking_ends_when_memory_does) {
    auto resources = std::make_shared<check_resources>();
    scan_workers::options how{worker_program(), 1, 20s};
    how.memory = {128U << 20U};
    resources->workers = std::make_shared<scan_workers>(how);
    config::archive_settings wide;
    wide.max_member = wide.max_unpacked = {1U << 30U};
    wide.max_ratio = 100'000;
    const auto judged = [&](std::size_t size) {
        // An inner archive is kept whole to be looked into.
        const auto inner = make_archive("tar", {{"zeros.txt", std::string(size, '\0')}});
        return run_check("archives",
                         make_message(with_attachment("Content-Type: application/zip; name=x.zip\r\n"
                                                      "Content-Transfer-Encoding: base64\r\n",
                                                      base64(zip({{"a.tar", inner}}))),
                                      with(wide)),
                         resources);
    };
    const auto found = judged(70U << 20U);
    BOOST_REQUIRE(symbols(found) == "ARCHIVE_BOUND");
    BOOST_TEST(found[0].evidence.find("more memory than worker_memory") != std::string::npos);
    BOOST_TEST(symbols(judged(1U << 20U)) == ""); // the worker is the same, and well
}
#endif

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

BOOST_AUTO_TEST_CASE(office_documents_are_archives_and_harmless) {
    const archived rels{"_rels/.rels", "<Relationships/>"};
    struct row {
        const char* name;
        std::vector<archived> files;
    };
    const row rows[] = {{"report.docx",
                         {{"[Content_Types].xml", "<Types/>"},
                          rels,
                          {"word/document.xml", "<w:document>hello</w:document>"},
                          {"word/_rels/document.xml.rels", "<Relationships/>"},
                          {"word/media/image1.png", picture},
                          {"word/fontTable.xml", "<w:fonts/>"},
                          {"docProps/app.xml", "<Properties/>"}}},
                        {"table.xlsx",
                         {{"[Content_Types].xml", "<Types/>"},
                          rels,
                          {"xl/workbook.xml", "<workbook/>"},
                          {"xl/worksheets/sheet1.xml", "<worksheet/>"},
                          {"xl/sharedStrings.xml", "<sst/>"},
                          {"xl/printerSettings/printerSettings1.bin", std::string("\0\1\2\3", 4)},
                          {"xl/calcChain.xml", "<calcChain/>"}}},
                        {"letter.odt",
                         {{"mimetype", "application/vnd.oasis.opendocument.text"},
                          {"content.xml", "<office:document-content/>"},
                          {"styles.xml", "<office:document-styles/>"},
                          {"META-INF/manifest.xml", "<manifest:manifest/>"},
                          {"Thumbnails/thumbnail.png", picture},
                          {"Pictures/1000.svm", std::string("VCLMTF\0", 7)}}}};
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.name) {
            BOOST_TEST(symbols(found_in(zip(r.files), r.name)) == "");
            auto with_program = r.files; // an embedded object of another kind
            with_program.push_back({"word/embeddings/setup.exe", "x"});
            BOOST_TEST(symbols(found_in(zip(with_program), r.name)) == "ARCHIVE_EXECUTABLE_NAME");
        }
}

BOOST_AUTO_TEST_CASE(text_is_not_sent_anywhere) {
    const auto none = std::make_shared<check_resources>();
    BOOST_TEST(
        run_check("archives", make_message("Subject: x\r\n\r\nRar is how this letter begins\r\n"), none).empty());
}

BOOST_AUTO_TEST_SUITE_END()
