// SPDX-License-Identifier: Apache-2.0
// The nearest documents that the check `macros` leaves alone: at its bounds, and one step from a dangerous macro.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "document_fixture.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

std::vector<finding> found_in(std::string_view content, const config::macro_settings& how = {}) {
    static const auto resources = [] {
        auto made = std::make_shared<check_resources>();
        made->workers =
            std::make_shared<scan_workers>(scan_workers::options{worker_program(), 1, std::chrono::seconds{20}});
        return made;
    }();
    message_options options;
    options.macros = how;
    return run_check("macros",
                     make_message(with_attachment("Content-Type: application/msword; name=\"a.doc\"\r\n"
                                                  "Content-Transfer-Encoding: base64\r\n",
                                                  base64(content)),
                                  options),
                     resources);
}

} // namespace

BOOST_AUTO_TEST_SUITE(check_macros_bounds_test)

BOOST_AUTO_TEST_CASE(a_document_as_large_as_allowed_is_looked_at) {
    const auto document = plain_document();
    config::macro_settings how;
    how.max_part = {document.size()};
    BOOST_TEST(found_in(document, how).empty());
    how.max_part = {document.size() - 1};
    const auto found = found_in(document, how);
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].symbol == "DOCUMENT_BOUND");
}

BOOST_AUTO_TEST_CASE(as_many_streams_as_allowed_are_looked_at) {
    config::macro_settings how;
    how.max_streams = 3;
    BOOST_TEST(found_in(docx(), how).empty());
    const auto found = found_in(docx({{"docProps/app.xml", "<Properties/>"}}), how);
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].symbol == "DOCUMENT_BOUND");
}

BOOST_AUTO_TEST_CASE(what_starts_a_program_only_when_a_person_says_so_is_not_dangerous) {
    const std::string starts = "  Shell \"calc.exe\"\r\nEnd Sub\r\n";
    const auto clicked = found_in(word_document("Sub Button1_Click()\r\n" + starts));
    BOOST_TEST(find_symbol(clicked, "MACRO_DOCUMENT"));
    BOOST_TEST(!find_symbol(clicked, "MACRO_AUTORUN"));
    BOOST_TEST(!find_symbol(clicked, "MACRO_DANGEROUS"));
    const auto by_itself = found_in(word_document("Sub AutoOpen()\r\n" + starts));
    BOOST_TEST(find_symbol(by_itself, "MACRO_DANGEROUS"));
}

BOOST_AUTO_TEST_SUITE_END()
