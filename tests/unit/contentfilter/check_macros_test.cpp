// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/worker/compound_file.hpp"
#include "contentfilter/worker/document_inspection.hpp"
#include "contentfilter/worker/signatures.hpp"
#include "contentfilter/worker/vba.hpp"
#include "document_fixture.hpp"

#include <chrono>
#include <ctime>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using namespace std::chrono_literals;

namespace {

const std::string harmless = "Sub Sort_Table()\r\n  ' AutoOpen is not used here\r\n  Range(\"A1\").Sort\r\nEnd Sub\r\n";
const std::string automatic = "Private Sub Document_Open()\r\n  ActiveWindow.View.Zoom = 100\r\nEnd Sub\r\n";
const std::string dangerous = "Sub AutoOpen()\r\n  Shell \"calc.exe\"\r\nEnd Sub\r\n";

std::shared_ptr<const check_resources> with_workers() {
    static const auto shared = [] {
        auto made = std::make_shared<check_resources>();
        made->workers = std::make_shared<scan_workers>(scan_workers::options{worker_program(), 1, 20s});
        return made;
    }();
    return shared;
}

std::vector<finding> found_in(std::string_view content, const config::macro_settings& how = {}) {
    message_options options;
    options.macros = how;
    options.filter.spool_memory = {1U << 30U};
    return run_check("macros",
                     make_message(with_attachment("Content-Type: application/msword; name=\"a.doc\"\r\n"
                                                  "Content-Transfer-Encoding: base64\r\n",
                                                  base64(content)),
                                  options),
                     with_workers());
}

/// The same each time; no archive and no compound file begins in them.
std::string random_octets(std::size_t size) {
    std::string out;
    for (std::uint32_t state = 1; out.size() < size;) {
        state = state * 1664525U + 1013904223U;
        out += static_cast<char>(state >> 24U);
    }
    return out;
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

} // namespace

BOOST_AUTO_TEST_SUITE(check_macros_test)

BOOST_AUTO_TEST_CASE(macros_are_found_in_documents_of_every_kind) {
    struct row {
        const char* about;
        std::function<std::string(const std::string&)> document;
    };
    const row rows[] = {
        {"Word 97", word_document},
        {"Excel 97", excel_document},
        {"Word package", [](const std::string& source) { return docx({vba_part(source)}); }},
        {"in a zip",
         [](const std::string& source) {
             return zip({{"letters/a.doc", word_document(source)}});
         }},
        {"package in a zip",
         [](const std::string& source) {
             return zip({{"a.docm", docx({vba_part(source)})}});
         }},
        {"compressed", [](const std::string& source) { return gzip(word_document(source)); }},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.about) {
            BOOST_TEST(symbols(found_in(r.document(harmless))) == "MACRO_DOCUMENT");
            BOOST_TEST(symbols(found_in(r.document(automatic))) == "MACRO_AUTORUN MACRO_DOCUMENT");
            const auto worst = found_in(r.document(dangerous));
            BOOST_TEST(symbols(worst) == "MACRO_AUTORUN MACRO_DANGEROUS MACRO_DOCUMENT");
            const auto* f = find_symbol(worst, "MACRO_DANGEROUS");
            BOOST_REQUIRE(f);
            BOOST_TEST((f->action == config::forced_verdict::quarantine));
            BOOST_TEST(f->evidence.find("AutoOpen; Shell") != std::string::npos);
            BOOST_TEST(f->evidence.find("calc.exe") == std::string::npos); // source is no evidence
        }
    BOOST_TEST(symbols(found_in(plain_document())) == "");
    BOOST_TEST(symbols(found_in(docx())) == "");
}

BOOST_AUTO_TEST_CASE(only_templates_from_the_web_are_external) {
    BOOST_TEST(symbols(found_in(docx({template_relation("http://evil.example/t.dotm")}))) == "EXTERNAL_TEMPLATE");
    BOOST_TEST(symbols(found_in(docx({template_relation("HTTPS://evil.example/t.dotm")}))) == "EXTERNAL_TEMPLATE");
    for (const char* honest :
         {"file:///C:/Users/a/Templates/Letter.dotx", "file://server/share/Letter.dotx", "Normal.dotm"})
        BOOST_TEST(symbols(found_in(docx({template_relation(honest)}))) == "");
    const auto link =
        worker::external_template("<Relationships><Relationship Type=\"http://x/relationships/hyperlink\" "
                                  "Target=\"http://a.example/\"/></Relationships>");
    BOOST_TEST(link == "");
}

BOOST_AUTO_TEST_CASE(sheets_of_excel_4_macros_count) {
    BOOST_TEST(symbols(found_in(zip({{"[Content_Types].xml", "x"}, {"xl/macrosheets/sheet1.xml", "x"}}))) ==
               "MACRO_DOCUMENT");
    BOOST_TEST(symbols(found_in(zip({{"[Content_Types].xml", "x"}, {"xl/worksheets/sheet1.xml", "x"}}))) == "");
}

BOOST_AUTO_TEST_CASE(sheets_of_excel_4_macros_count_in_the_old_format) {
    const auto workbook = [](const std::string& stream, const std::string& records) {
        return ole_writer::write({{stream, records}, {"SummaryInformation", "x"}});
    };
    const auto macros = biff_sheet(0, "Table") + biff_sheet(1, "Macro1");
    const auto honest = biff_sheet(0, "Table") + biff_sheet(2, "Chart1") + biff_sheet(6, "Module1");
    for (const char* stream : {"Workbook", "Book", "WORKBOOK", "MBD0001/Workbook"})
        BOOST_TEST_CONTEXT(stream) {
            BOOST_TEST(symbols(found_in(workbook(stream, biff_workbook(macros)))) == "MACRO_DOCUMENT");
            BOOST_TEST(symbols(found_in(workbook(stream, biff_workbook(honest)))) == "");
        }
    // In the mini stream or in sectors of its own, behind much else, in an archive.
    const auto much = biff(0xFC, std::string(8000, 's')) + macros;
    BOOST_TEST(symbols(found_in(workbook("Workbook", biff_workbook(much)))) == "MACRO_DOCUMENT");
    BOOST_TEST(symbols(found_in(zip({{"a.xls", workbook("Workbook", biff_workbook(macros))}}))) == "MACRO_DOCUMENT");
    // Not the workbook's own records, nor another stream's.
    BOOST_TEST(symbols(found_in(workbook("Workbook", biff_workbook("") + biff_sheet(1, "x")))) == "");
    BOOST_TEST(symbols(found_in(workbook("Notes", biff_workbook(macros)))) == "");
    // A list that breaks off may go on with anything.
    const auto broken = biff_workbook(honest).substr(0, 60);
    BOOST_TEST(symbols(found_in(workbook("Workbook", broken))) == "DOCUMENT_DAMAGED");
}

BOOST_AUTO_TEST_CASE(old_documents_that_need_a_password_are_said_to_be_that) {
    const auto word = [](unsigned flags) {
        auto fib = le16(0xA5EC) + le16(0xC1) + std::string(6, '\0') + le16(flags);
        fib.resize(5000);
        return ole_writer::write({{"WordDocument", fib}, {"1Table", "t"}});
    };
    BOOST_TEST(symbols(found_in(word(0x0100))) == "DOCUMENT_ENCRYPTED");
    BOOST_TEST(symbols(found_in(word(0x8100))) == "DOCUMENT_ENCRYPTED");
    BOOST_TEST(symbols(found_in(word(0x0200))) == "");
    const auto excel = [](const std::string& more) { return ole_writer::write({{"Workbook", biff_workbook(more)}}); };
    const auto password = biff(0x2F, le16(1) + std::string(52, '\7'));
    BOOST_TEST(symbols(found_in(excel(password + biff(0x85, std::string(12, '\1'))))) == "DOCUMENT_ENCRYPTED");
    // Protected from changes, which anybody can read: PROTECT, PASSWORD.
    BOOST_TEST(symbols(found_in(excel(biff(0x12, le16(1)) + biff(0x13, le16(0xABCD)) + biff_sheet(0, "T")))) == "");
    const auto powerpoint = [](std::uint32_t token) {
        return ole_writer::write({{"Current User", le16(0) + le16(0xFF6) + le32(60) + le32(0x14) + le32(token)},
                                  {"PowerPoint Document", std::string(5000, 'P')}});
    };
    BOOST_TEST(symbols(found_in(powerpoint(0xF3D1C4DF))) == "DOCUMENT_ENCRYPTED");
    BOOST_TEST(symbols(found_in(powerpoint(0xE391C05F))) == "");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_said) {
    const auto begins = std::string{worker::compound_magic} + std::string(5000, 'x');
    BOOST_TEST(symbols(found_in(begins)) == "DOCUMENT_DAMAGED");
    BOOST_TEST(symbols(found_in(zip({{"a.doc", begins}}))) == "DOCUMENT_DAMAGED");
    // A package's project: that there is one is known.
    BOOST_TEST(symbols(found_in(docx({{"word/vbaProject.bin", begins}}))) == "DOCUMENT_DAMAGED MACRO_DOCUMENT");
    BOOST_TEST(symbols(found_in(docx({{"word/vbaProject.bin", "no compound file"}}))) ==
               "DOCUMENT_DAMAGED MACRO_DOCUMENT");
    BOOST_TEST(symbols(found_in(docx({{"word/vbaProject.bin", ole_writer::write({{"PROJECT", "x"}})}}))) ==
               "MACRO_DOCUMENT");
    BOOST_TEST(symbols(found_in(docx({{"word/media/image1.bin", "no compound file"}}))) == "");
    // A project without a list of modules, and with one that is not there.
    auto streams = vba_project("Macros/", dangerous);
    streams[0].content = "garbage";
    BOOST_TEST(symbols(found_in(ole_writer::write(streams))) == "DOCUMENT_DAMAGED MACRO_DOCUMENT");
    streams = vba_project("Macros/", dangerous);
    streams[2].path = "Macros/VBA/Other";
    BOOST_TEST(symbols(found_in(ole_writer::write(streams))) == "DOCUMENT_DAMAGED MACRO_DOCUMENT");
    // A package that ends too early; of an archive that is none the check archives tells.
    auto package = docx({{"word/media/image1.bin", random_octets(20'000)}, {"word/styles.xml", "x"}});
    package.resize(package.size() - 10'000);
    BOOST_TEST(symbols(found_in(package)) == "DOCUMENT_DAMAGED");
    auto archive = zip({{"a.bin", random_octets(20'000)}, {"b.bin", "x"}});
    archive.resize(archive.size() - 10'000);
    BOOST_TEST(symbols(found_in(archive)) == "");
}

BOOST_AUTO_TEST_CASE(modules_of_every_language_are_read) {
    // In Russian Excel the module of the workbook is called so.
    const std::string name = "\u042d\u0442\u0430\u041a\u043d\u0438\u0433\u0430";
    auto streams = vba_project("_VBA_PROJECT_CUR/", "Sub Workbook_Open()\r\nEnd Sub\r\n", name,
                               "\xdd\xf2\xe0\xca\xed\xe8\xe3\xe0");
    BOOST_TEST(symbols(found_in(ole_writer::write(streams))) == "MACRO_AUTORUN MACRO_DOCUMENT");
}

BOOST_AUTO_TEST_CASE(documents_behind_something_else_are_found) {
    const std::string picture = "\x89PNG\r\n\x1a\n" + random_octets(3000);
    const auto all = "MACRO_AUTORUN MACRO_DANGEROUS MACRO_DOCUMENT";
    BOOST_TEST(symbols(found_in(picture + docx({vba_part(dangerous)}))) == all);
    BOOST_TEST(symbols(found_in(picture + word_document(dangerous))) == all);
    BOOST_TEST(symbols(found_in(picture + word_document(dangerous) + random_octets(70'000))) == all);
    BOOST_TEST(symbols(found_in(plain_document() + docx({vba_part(dangerous)}))) == all);
    // Across the pieces in which a part is read.
    for (std::size_t before = 65'530; before <= 65'540; ++before)
        BOOST_TEST_CONTEXT(before) {
            BOOST_TEST(symbols(found_in(random_octets(before) + word_document(dangerous))) == all);
        }
    BOOST_TEST(symbols(found_in(picture + docx())) == "");
    BOOST_TEST(symbols(found_in(picture + plain_document())) == "");
    // The mark alone, as in a program that knows it.
    BOOST_TEST(symbols(found_in(picture + std::string{worker::compound_magic} + random_octets(3000))) == "");
    BOOST_TEST(symbols(found_in(plain_document() + "PK\1\2 PK\5\6" + std::string(20, '\0'))) == "");
}

BOOST_AUTO_TEST_CASE(a_file_of_nothing_but_marks_ends_in_time) {
    const auto head = ole_writer::write({{"a", "b"}}).substr(0, 512);
    std::string all = "x";
    while (all.size() < (4U << 20U))
        all += head;
    const auto began = std::clock();
    const auto report = worker::inspect_document(all, {});
    BOOST_TEST((std::clock() - began) / CLOCKS_PER_SEC < 20);
    BOOST_TEST(report.documents.empty());
}

BOOST_AUTO_TEST_CASE(encrypted_documents_are_said_to_be_that) {
    BOOST_TEST(symbols(found_in(ole_writer::write(
                   {{"EncryptedPackage", std::string(5000, 'x')}, {"EncryptionInfo", "x"}}))) == "DOCUMENT_ENCRYPTED");
}

BOOST_AUTO_TEST_CASE(bounds_are_findings) {
    config::macro_settings little;
    little.max_code = {65536};
    std::string text;
    for (int i = 0; text.size() < 100'000; ++i)
        text += "' comment " + std::to_string(i * 7919 % 100003) + "\r\n";
    auto streams = vba_project("Macros/", text);
    BOOST_TEST(symbols(found_in(ole_writer::write(streams), little)) == "DOCUMENT_BOUND MACRO_DOCUMENT");
    BOOST_TEST(symbols(found_in(ole_writer::write(streams))) == "MACRO_DOCUMENT");
    config::macro_settings narrow;
    narrow.max_part = {65536};
    BOOST_TEST(symbols(found_in(ole_writer::write({{"WordDocument", std::string(100'000, 'W')}}), narrow)) ==
               "DOCUMENT_BOUND");
    config::macro_settings few;
    few.max_streams = 10;
    std::vector<ole_stream> many;
    for (int i = 0; i < 40; ++i)
        many.push_back({"s" + std::to_string(i), "x"});
    BOOST_TEST(symbols(found_in(ole_writer::write(many), few)) == "DOCUMENT_BOUND");
}

BOOST_AUTO_TEST_CASE(documents_deeper_than_is_looked_are_a_finding) {
    const auto nested = [](int levels) {
        auto inner = docx({vba_part(harmless)});
        for (int i = 1; i < levels; ++i)
            inner = zip({{"a.zip", inner}});
        return inner;
    };
    BOOST_TEST(symbols(found_in(nested(3))) == "MACRO_DOCUMENT");
    BOOST_TEST(symbols(found_in(nested(4))) == "DOCUMENT_BOUND");
    BOOST_TEST(found_in(nested(4)).front().score == 3); // archives says the same, and both together are no bounce
    config::macro_settings one;
    one.max_levels = 1;
    BOOST_TEST(found_in(nested(2), one).front().score == 6); // archives goes deeper, and says nothing
    BOOST_TEST(symbols(found_in(nested(1), one)) == "MACRO_DOCUMENT");
    BOOST_TEST(symbols(found_in(nested(2), one)) == "DOCUMENT_BOUND");
    BOOST_TEST(symbols(found_in(zip({{"a.txt", "not an archive"}}), one)) == "");
    const auto storages = [](int depth) {
        std::string path;
        while (depth-- > 0)
            path += "s/";
        return ole_writer::write({{path + "x", "x"}});
    };
    BOOST_TEST(symbols(found_in(storages(64))) == "");
    BOOST_TEST(symbols(found_in(storages(65))) == "DOCUMENT_BOUND");
}

BOOST_AUTO_TEST_CASE(a_list_of_modules_longer_than_is_read_is_a_finding) {
    const auto with_padding = [](std::size_t octets) {
        auto streams = vba_project("Macros/", dangerous);
        const auto list = worker::vba_decompress(streams[0].content, 1U << 20U);
        streams[0].content = vba_compress(le16(0x7F) + le32(octets) + std::string(octets, 'x') + list);
        return ole_writer::write(streams);
    };
    BOOST_TEST(symbols(found_in(with_padding(1000))) == "MACRO_AUTORUN MACRO_DANGEROUS MACRO_DOCUMENT");
    BOOST_TEST(symbols(found_in(with_padding(1U << 20U))) == "DOCUMENT_BOUND DOCUMENT_DAMAGED MACRO_DOCUMENT");
}

BOOST_AUTO_TEST_CASE(source_of_many_chunks_comes_back_as_it_was) {
    std::string text;
    for (int i = 0; text.size() < 50'000; ++i)
        text += "Sub Number" + std::to_string(i) + "()\r\nEnd Sub\r\n";
    BOOST_TEST((worker::vba_decompress(vba_compress(text), 1U << 20U) == text));
    BOOST_TEST((worker::vba_decompress(vba_compress(text), 1000) == text.substr(0, 1000)));
    // [MS-OVBA] section 3.2.2 and 3.2.3, the examples of the specification.
    const std::string literal("\1\x19\xb0\0abcdefgh\0ijklmnop\0qrstuv.", 29);
    BOOST_TEST(worker::vba_decompress(literal, 1000) == "abcdefghijklmnopqrstuv.");
    const std::string same("\1\3\xb0\2a\x45\0", 7);
    BOOST_TEST(worker::vba_decompress(same, 1000) == std::string(73, 'a'));
}

BOOST_AUTO_TEST_CASE(names_count_where_they_are_defined_and_words_where_they_stand_alone) {
    using worker::autorun_names, worker::dangerous_words;
    BOOST_TEST(autorun_names("Sub autoopen()") == "AutoOpen");
    BOOST_TEST(autorun_names("Function _\r\n  Workbook_Open()") == "Workbook_Open");
    BOOST_TEST(autorun_names("Call AutoOpen") == "");
    BOOST_TEST(autorun_names("Sub AutoOpenFile()") == "");
    BOOST_TEST(dangerous_words("x = Shell(\"a\")") == "Shell");
    BOOST_TEST(dangerous_words("ShellSort a") == "");
    BOOST_TEST(dangerous_words("CreateObject(\"MSXML2.XMLHTTP\")") == "XMLHTTP");
}

BOOST_AUTO_TEST_CASE(every_damage_to_a_document_is_survived) {
    const auto whole = word_document(dangerous);
    for (std::size_t at = 0; at < whole.size(); at += 3) {
        auto damaged = whole;
        damaged[at] = static_cast<char>(~damaged[at]);
        const auto report = worker::inspect_document(damaged, {});
        BOOST_TEST(report.documents.size() <= 1u);
    }
    for (std::size_t size = 0; size < whole.size(); size += 37)
        (void)worker::inspect_document(std::string_view{whole}.substr(0, size), {});
}

BOOST_AUTO_TEST_CASE(a_chain_that_loops_ends) {
    auto streams = vba_project("Macros/", std::string(20'000, 'x'));
    auto file = ole_writer::write(streams);
    // Every entry of the allocation table points at the first sector.
    const auto table = file.size() - 512;
    for (std::size_t at = table; at < file.size(); at += 4)
        file.replace(at, 4, std::string(4, '\0'));
    const auto begin = std::chrono::steady_clock::now();
    BOOST_TEST(worker::inspect_document(file, {}).documents.size() <= 1u);
    BOOST_TEST((std::chrono::steady_clock::now() - begin < 60s));
}

BOOST_AUTO_TEST_SUITE_END()
