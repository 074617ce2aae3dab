// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/worker/compound_file.hpp"
#include "contentfilter/worker/document_inspection.hpp"
#include "contentfilter/worker/vba.hpp"
#include "document_fixture.hpp"

#include <chrono>

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
