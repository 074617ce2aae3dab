// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "admin/table.hpp"

#include <boost/test/unit_test.hpp>

#include <sstream>

using postsluice::admin::display_width;
using postsluice::admin::fact_list;
using postsluice::admin::table;

namespace {

std::string print(const table& t, std::size_t indent = 0) {
    std::ostringstream out;
    t.print(out, "Nothing here.", indent);
    return out.str();
}

} // namespace

BOOST_AUTO_TEST_SUITE(tables)

BOOST_AUTO_TEST_CASE(columns_are_aligned_and_lines_end_without_blanks) {
    table t{{"NAME", ">COUNT", "WHAT"}};
    t.row({"a", "7", "seven"});
    t.row({"longer name", "1234567", ""});
    BOOST_TEST(print(t) == "NAME           COUNT  WHAT\n"
                           "a                  7  seven\n"
                           "longer name  1234567\n");
}

BOOST_AUTO_TEST_CASE(missing_cells_are_empty_and_the_indent_holds_for_each_line) {
    table t{{"A", "B"}};
    t.row({"x"});
    BOOST_TEST(print(t, 2) == "  A  B\n  x\n");
}

BOOST_AUTO_TEST_CASE(an_empty_table_is_a_sentence) {
    const table t{{"A", "B"}};
    BOOST_TEST(t.empty());
    BOOST_TEST(print(t, 2) == "  Nothing here.\n");
}

BOOST_AUTO_TEST_CASE(control_sequences_of_strangers_do_not_reach_the_terminal) {
    table t{{"SUBJECT"}};
    t.row({"\x1b[2Jgone\r\nrow\x9b"});
    const std::string text = print(t);
    BOOST_TEST(text.find('\x1b') == std::string::npos);
    BOOST_TEST(text.find('\r') == std::string::npos);
    BOOST_TEST(text.find('\x9b') == std::string::npos);
    BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 2);
}

BOOST_AUTO_TEST_CASE(characters_are_counted_not_octets) {
    BOOST_TEST(display_width("") == 0U);
    BOOST_TEST(display_width("häß€") == 4U);
    table t{{"A", "B"}};
    t.row({"ä", "x"});
    t.row({"aa", "x"});
    BOOST_TEST(print(t) == "A   B\nä   x\naa  x\n");
}

BOOST_AUTO_TEST_CASE(facts_are_aligned_and_empty_ones_left_out) {
    fact_list facts;
    facts.add("Account", "a");
    facts.add("Nothing", "");
    facts.add("By", "b\x1b");
    std::ostringstream out;
    facts.print(out, 1);
    BOOST_TEST(out.str() == " Account  a\n By       b?\n");
}

BOOST_AUTO_TEST_SUITE_END()
