// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "admin/setup/examples.hpp"
#include "admin/setup/main_cf.hpp"
#include "admin/setup/master_cf.hpp"
#include "admin/setup/unified_diff.hpp"

#include <boost/test/unit_test.hpp>

#include <random>

using namespace postsluice::admin::setup;

namespace {

piece entry(std::string raw) {
    return {std::move(raw), true};
}

/// Lines as they occur in master.cf and as they do not, in any order.
std::string random_text(std::mt19937& random) {
    static const std::vector<std::string> parts{"smtp inet n - y - - smtpd\n",
                                                "pickup\tunix n - y 60 1 pickup\n",
                                                "  -o a=b\n",
                                                "\t-o { x = y z }\n",
                                                "# comment\n",
                                                "  # comment\n",
                                                "smtps inet n - y - - smtpd  # arguments, not a comment\n",
                                                "  -o d=e # these, too\n",
                                                "  -o set=before # and these\n",
                                                "\n",
                                                " \t\n",
                                                "short\n",
                                                "  -oglued=1 -v\n",
                                                "{ -o } }{\n",
                                                "x unix - n n - - pipe\n  flags=q argv=/a -o b=c\n",
                                                "\r\n",
                                                "=\n",
                                                "a = b\n",
                                                "  , c\n",
                                                "\f\n",
                                                "last unix - - n - - smtp\n"};
    std::string out;
    for (auto n = std::uniform_int_distribution<int>{0, 30}(random); n > 0; --n)
        out += parts[std::uniform_int_distribution<std::size_t>{0, parts.size() - 1}(random)];
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(setup_editor)

BOOST_AUTO_TEST_CASE(what_is_read_is_written_octet_by_octet) {
    std::mt19937 random{7};
    for (int i = 0; i < 5000; ++i) {
        const auto text = random_text(random);
        BOOST_REQUIRE_EQUAL(logical_lines{text}.text(), text);
    }
    for (const auto& one : example_files())
        BOOST_TEST(logical_lines{one.text}.text() == one.text);
}

BOOST_AUTO_TEST_CASE(a_comment_inside_an_entry_belongs_to_it_and_one_behind_it_does_not) {
    const logical_lines read{
        "# top\nsmtp inet n - y - - smtpd\n# inside\n\n  -o a=b\n# behind\npickup unix n - y 60 1 pickup\n"};
    BOOST_TEST_REQUIRE(read.pieces.size() == 4U);
    BOOST_TEST(read.pieces[1].raw == "smtp inet n - y - - smtpd\n# inside\n\n  -o a=b\n");
    BOOST_TEST(joined(read.pieces[1].raw) == "smtp inet n - y - - smtpd  -o a=b");
    BOOST_TEST(read.pieces[2].raw == "# behind\n");
    BOOST_TEST(service::of(read.pieces[1])->find("a").value() == "b");
}

BOOST_AUTO_TEST_CASE(options_are_read_as_postfix_reads_them) {
    const auto s =
        service::of(entry("x unix - n n - - smtpd -v -oglued=1\n  -o { spaced = a, b }\n  -o last=1 -o last=2\n"
                          "  -o braces={ a { b c } }\n  -o empty=\n"));
    BOOST_TEST_REQUIRE(s.has_value());
    BOOST_TEST(s->find("glued").value() == "1");
    BOOST_TEST(s->find("spaced").value() == "a, b");
    BOOST_TEST(s->find("last").value() == "2");
    BOOST_TEST(s->find("braces").value() == "{ a { b c } }");
    BOOST_TEST(s->find("empty").value() == "");
    BOOST_TEST(!s->find("none"));
    const auto pipe = service::of(entry("p unix - n n - - pipe -o a=b\n  flags=q argv=/bin/x -o c=d\n"));
    BOOST_TEST(pipe->options().size() == 1U);
    BOOST_TEST(!service::of(entry("too few words\n")));
    BOOST_TEST(!service::of({"# comment\n", false}));
}

BOOST_AUTO_TEST_CASE(an_edit_touches_its_option_alone) {
    auto s = *service::of(entry("submission inet n - y - - smtpd\n\t-o a=b   -o c=d\n# why\n\t-o { e = f g }\n"));
    s.set("c", "x y");
    BOOST_TEST(s.raw() == "submission inet n - y - - smtpd\n\t-o a=b   -o { c = x y }\n# why\n\t-o { e = f g }\n");
    s.set("new", "1");
    BOOST_TEST(s.raw() ==
               "submission inet n - y - - smtpd\n\t-o a=b   -o { c = x y }\n# why\n\t-o { e = f g }\n\t-o new=1\n");
    s.erase("new");
    s.erase("e");
    s.erase("c");
    BOOST_TEST(s.raw() == "submission inet n - y - - smtpd\n\t-o a=b\n# why\n");
    auto t = *service::of(entry("a inet n - y - - smtpd -o x=1\n# why\n  -o c=d # e\n  -o f=g\n"));
    t.erase("c");
    BOOST_TEST(t.raw() == "a inet n - y - - smtpd -o x=1 # e\n# why\n  -o f=g\n");
    s.set(column::chroot, "n");
    BOOST_TEST(s.raw().starts_with("submission inet n - n - - smtpd\n"));
}

BOOST_AUTO_TEST_CASE(what_was_set_is_found_and_what_was_erased_is_gone_and_the_rest_stays) {
    std::mt19937 random{11};
    for (int i = 0; i < 3000; ++i) {
        for (const auto& p : logical_lines{random_text(random)}.pieces) {
            auto s = service::of(p);
            if (!s || s->get(column::program).find_first_of("{}") != std::string::npos) continue;
            BOOST_TEST_INFO_SCOPE(p.raw);
            const auto columns_before = s->label() + s->program();
            s->erase("set");
            const auto without = s->raw();
            const auto others = s->options().size();
            s->set("set", i % 2 == 0 ? "plain" : "with blanks");
            BOOST_REQUIRE_EQUAL(s->find("set").value(), i % 2 == 0 ? "plain" : "with blanks");
            BOOST_REQUIRE_EQUAL(s->options().size(), others + 1);
            s->erase("set");
            BOOST_REQUIRE(!s->find("set"));
            BOOST_REQUIRE_EQUAL(s->raw(), without);
            BOOST_REQUIRE_EQUAL(s->options().size(), others);
            BOOST_REQUIRE_EQUAL(s->label() + s->program(), columns_before);
            // still one entry, for Postfix and for us
            const logical_lines again{s->raw()};
            BOOST_REQUIRE_EQUAL(
                std::count_if(again.pieces.begin(), again.pieces.end(), [](const piece& q) { return q.entry; }), 1);
        }
    }
}

BOOST_AUTO_TEST_CASE(of_several_lines_for_a_parameter_the_last_counts) {
    logical_lines main{"a = 1\n# two\na = 2\n  , 3\nb=4\n"};
    BOOST_TEST(value_of(main, "a").value() == "2 , 3");
    set_parameter(main, "a", "5");
    set_parameter(main, "new", "");
    BOOST_TEST(main.text() == "a = 1\n# two\na = 5\nb=4\nnew =\n");
}

BOOST_AUTO_TEST_CASE(a_difference_is_printed_as_diff_prints_it) {
    BOOST_TEST(unified_diff("a\n", "a\n", "f") == "");
    BOOST_TEST(unified_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nX\n6\n7\n8\n9\n", "f") ==
               "--- f\n+++ f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+X\n 6\n 7\n 8\n");
    BOOST_TEST(unified_diff("", "a", "f") == "--- f\n+++ f\n@@ -0,0 +1,1 @@\n+a\n\\ No newline at end of file\n");
}

BOOST_AUTO_TEST_SUITE_END()
