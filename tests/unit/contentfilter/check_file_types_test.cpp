// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "archive_fixture.hpp"
#include "check_fixture.hpp"
#include "contentfilter/checks/file_type_rules.hpp"
#include "document_fixture.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <cstring>
#include <fstream>
#include <sstream>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using namespace std::string_literals;

namespace {
std::shared_ptr<const check_resources> with_workers() {
    static const auto shared = [] {
        auto made = std::make_shared<check_resources>();
        made->workers =
            std::make_shared<scan_workers>(scan_workers::options{worker_program(), 1, std::chrono::seconds{20}});
        return made;
    }();
    return shared;
}
std::vector<finding> found_in(std::string_view content, const std::string& type = "application/pdf; name=letter.pdf") {
    return run_check("file_types",
                     make_message(with_attachment("Content-Type: " + type + "\r\nContent-Transfer-Encoding: base64\r\n",
                                                  base64(content))),
                     with_workers());
}
std::string file(const char* name) {
    std::ifstream in{name, std::ios::binary};
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}
std::string png() {
    return std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0", 29);
}
/// What an MS-DOS program begins with that has another one behind it.
std::string dos_stub() {
    std::string out("MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8", 17);
    out.resize(0x80);
    out[0x18] = 0x40;
    out[0x3c] = char(0x80);
    return out;
}
/// A compound file with the properties of a document ([MS-OLEPS] section 2.21): "creating application" is all of them.
std::string with_properties() {
    const std::string name("\x05SummaryInformation"), value = "Installer\0\0\0"s;
    const std::string format("\xe0\x85\x9f\xf2\xf9\x4f\x68\x10\xab\x91\x08\x00\x2b\x27\xb3\xd9", 16);
    const auto section =
        le32(8 + 8 + 8 + value.size()) + le32(1) + le32(18) + le32(16) + le32(30) + le32(value.size()) + value;
    return ole_writer::write({{name, le16(0xFFFE) + le16(0) + le32(0x00020005) + std::string(16, '\0') + le32(1) +
                                         format + le32(48) + section}});
}
/// The same, of the class of installers.
std::string windows_installer() {
    auto out = with_properties();
    std::uint32_t directory = 0;
    std::memcpy(&directory, out.data() + 48, sizeof directory);
    out.replace(512 + 512 * std::size_t{directory} + 80, 16,
                std::string("\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", 16));
    return out;
}
std::string a_zip() {
    return zip({{"a.txt", "x"}});
}
} // namespace

BOOST_AUTO_TEST_SUITE(check_file_types_test)

BOOST_AUTO_TEST_CASE(programs_are_found_under_any_name) {
    struct row {
        const char* about;
        std::string content;
    };
    const row rows[] = {
        {"Windows", windows_program()},
        {"MS-DOS", std::string("MZ\x50\0\2\0\0\0\4\0\x0f\0\xff\xff\0\0\xb8", 17) + std::string(200, '\0')},
        {"OS/2, LX", dos_stub() + std::string("LX\0\0\0\0\0\0\1\0\1\0", 12) + std::string(400, '\0')},
        {"OS/2, NE", dos_stub() + "NE" + std::string(0x34, '\0') + "\1" + std::string(400, '\0')},
        {"a Windows installer", windows_installer()},
        {"ELF", file("/proc/self/exe").substr(0, 100000)},
        {"Mach-O", std::string("\xcf\xfa\xed\xfe\7\0\0\1\3\0\0\0\2\0\0\0\x10\0\0\0\x58\5\0\0\x85\0\x20\0\0\0\0\0", 32) +
                       std::string(400, '\0')},
        {"a Windows shortcut", std::string("L\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0\0\0\0F", 20) + std::string(100, '\0')},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.about) {
            const auto found = found_in(r.content);
            BOOST_REQUIRE(found.size() == 1u);
            BOOST_TEST(found[0].symbol == "EXECUTABLE_FILE");
            BOOST_TEST((found[0].action == config::forced_verdict::quarantine));
            BOOST_TEST((found[0].strikes == strike_kind::virus));
            BOOST_TEST(found[0].evidence.starts_with("1.2 (letter.pdf): "));
        }
}

BOOST_AUTO_TEST_CASE(a_contradicting_type_is_in_the_evidence) {
    const auto found = found_in(windows_program(), "image/png");
    BOOST_REQUIRE(found.size() == 1u); // a program is worse than a wrong label
    BOOST_TEST(found[0].evidence.find("declared as image/png") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(harmless_files_yield_nothing) {
    BOOST_TEST(found_in(png(), "image/png; name=letter.png").empty());
    BOOST_TEST(found_in("%PDF-1.4\n\x01\x02").empty());
    BOOST_TEST(found_in("").empty());
    BOOST_TEST(found_in("#!/bin/sh\necho script\n").empty());
    BOOST_TEST(found_in(a_zip(), "application/zip").empty());
    BOOST_TEST(found_in(with_properties(), "application/msword; name=letter.doc").empty());
}

BOOST_AUTO_TEST_CASE(what_is_another_kind_than_all_that_is_said_of_it_is_found) {
    struct row {
        std::string content, type;
        bool found;
    };
    const row table[] = {
        {a_zip(), "image/png; name=holiday.png", true},
        {a_zip(), "application/pdf; name=invoice.pdf", true},
        {png(), "application/pdf; name=invoice.pdf", true},
        {"%PDF-1.4\n\x01\x02", "image/jpeg; name=a.jpg", true},
        {png(), "image/jpeg; name=a.jpg", false},                    // an image is an image
        {a_zip(), "application/pdf; name=invoice.zip", false},       // its name says so
        {a_zip(), "application/zip; name=invoice.pdf", false},       // its type says so
        {a_zip(), "application/msword; name=letter.docx", false},    // what programs write
        {png(), "application/octet-stream; name=blob", false},       // nothing is said
        {a_zip(), "application/octet-stream; name=photo.jpg", true}, // the name alone
        {png(), "image/x-unheard-of; name=a.dat", false},            // nothing that is known
        {"%PDF-1.4\n\x01\x02", "application/octet-stream; name=a.pdf", false},
    };
    for (const auto& r : table)
        BOOST_TEST_CONTEXT(r.type) {
            const auto found = found_in(r.content, r.type);
            BOOST_TEST(found.size() == (r.found ? 1U : 0U));
            if (found.empty()) continue;
            BOOST_TEST(found[0].symbol == "FILE_TYPE_MISMATCH");
            BOOST_TEST((found[0].action == config::forced_verdict::none));
        }
}

BOOST_AUTO_TEST_CASE(text_that_begins_like_a_program_is_text) {
    BOOST_TEST(found_in("MZ is how this letter begins.\r\n", "text/plain").empty());
}

BOOST_AUTO_TEST_CASE(what_is_told_at_a_glance_is_what_libmagic_says) {
    const std::string noise(300, '\xa5');
    const std::pair<std::string, std::string> files[] = {
        {png() + noise, "image/png"},
        {std::string("\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", 20) + noise, "image/jpeg"},
        {std::string("\xff\xd8\xff\xe1\0\x10"
                     "Exif\0\0",
                     12) +
             noise,
         "image/jpeg"},
        {std::string("GIF87a\1\0\1\0\x80\0\0", 13) + noise, "image/gif"},
        {std::string("GIF89a\1\0\1\0\x80\0\0", 13) + noise, "image/gif"},
        {"%PDF-1.7\n%" + noise, "application/pdf"},
        {a_zip(), "application/zip"},
        {png() + a_zip(), "image/png"}, // the archive behind it is another check's
    };
    for (const auto& [octets, type] : files)
        BOOST_TEST_CONTEXT(type) {
            BOOST_TEST(type_at_a_glance(octets) == type);
            boost::asio::io_context context;
            auto said =
                boost::asio::co_spawn(context, with_workers()->workers->identify(octets), boost::asio::use_future);
            context.run();
            BOOST_TEST(said.get().value().type == type);
        }
    for (const auto& octets : {windows_program(), png().substr(1), std::string("PK\1\2"), std::string("GIF88a"), noise,
                               std::string("\xff\xd8"), std::string{}})
        BOOST_TEST(type_at_a_glance(octets).empty());
}

BOOST_AUTO_TEST_CASE(what_is_told_at_a_glance_needs_no_worker) {
    const auto message = make_message(
        with_attachment("Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n", base64(png())));
    BOOST_TEST(run_check("file_types", message, std::make_shared<check_resources>()).empty());
}

BOOST_AUTO_TEST_CASE(text_needs_no_worker_and_octets_without_one_are_an_error) {
    const auto none = std::make_shared<check_resources>();
    BOOST_TEST(run_check("file_types", make_message("Subject: x\r\n\r\nplain text\r\n"), none).empty());
    const auto octets =
        make_message(with_attachment("Content-Transfer-Encoding: base64\r\n", base64(windows_program())));
    BOOST_CHECK_THROW(run_check("file_types", octets, none), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()
