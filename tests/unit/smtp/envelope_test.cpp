// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/smtp/envelope.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::smtp;
using namespace std::string_literals;

BOOST_AUTO_TEST_SUITE(envelope_arguments)

BOOST_AUTO_TEST_CASE(paths_are_taken_as_liberally_as_postfix_takes_them) {
    struct row {
        std::string in, path, internal;
        std::vector<std::string> parameters;
    };
    const row table[] = {
        {"<a@example.org>", "<a@example.org>", "a@example.org", {}},
        {"  <A@Example.ORG>  SIZE=10\tBODY=8BITMIME  ",
         "<A@Example.ORG>",
         "A@example.org",
         {"SIZE=10", "BODY=8BITMIME"}},
        {"a@b AUTH=x SIZE=1", "a@b", "a@b", {"AUTH=x", "SIZE=1"}},
        {"<>", "<>", "", {}},
        {"<> SMTPUTF8", "<>", "", {"SMTPUTF8"}},
        {"<\"q r\"@x> NOTIFY=NEVER", "<\"q r\"@x>", "q r@x", {"NOTIFY=NEVER"}},
        {"<\"a>b\"@x>", "<\"a>b\"@x>", "a>b@x", {}},
        {"\"q r\"@x SIZE=1", "\"q r\"@x", "q r@x", {"SIZE=1"}},
        {"<@relay.example,@other.example:a@x>", "<@relay.example,@other.example:a@x>", "a@x", {}},
        {"<postmaster>", "<postmaster>", "postmaster", {}},
        {"<a@b", "<a@b", "a@b", {}},
        {"<\"a@b>", "<\"a@b>", "\"a@b", {}},
        {"<a@b> X-UNKNOWN=1 XVERP", "<a@b>", "a@b", {"X-UNKNOWN=1", "XVERP"}},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.in) {
            const auto got = parse_path_argument(row.in);
            BOOST_REQUIRE(got.has_value());
            BOOST_TEST(got->path == row.path);
            const auto& a = got->address;
            BOOST_TEST((a.domain.empty() ? a.local : a.local + "@" + a.domain) == row.internal);
            BOOST_TEST(got->parameters == row.parameters, boost::test_tools::per_element());
        }
    }
}

BOOST_AUTO_TEST_CASE(no_path_and_control_characters_are_refused) {
    for (const auto& in : {""s, "   "s, "<a@b>\n"s, "<a\r@b>"s, "<a@b> SIZE=1\rRSET"s, "<a\0@b>"s, "<a@b>\x7f"s}) {
        BOOST_TEST_CONTEXT(in) {
            BOOST_TEST(parse_path_argument(in).has_error());
        }
    }
}

BOOST_AUTO_TEST_CASE(parameters_are_found_in_any_case) {
    const auto got = parse_path_argument("<a@b> size=5 SMTPUTF8 ENVID=a=b").value();
    BOOST_TEST(got.parameter("SIZE").value_or("none") == "5");
    BOOST_TEST(got.parameter("smtputf8").value_or("none") == "");
    BOOST_TEST(got.parameter("ENVID").value_or("none") == "a=b");
    BOOST_TEST(!got.parameter("SIZ").has_value());
    BOOST_TEST(!got.parameter("BODY").has_value());
}

BOOST_AUTO_TEST_CASE(xtext_goes_there_and_back) {
    const std::string plain = "a+b=c d\xc3\xa9";
    BOOST_TEST(xtext_encode(plain) == "a+2Bb+3Dc+20d+C3+A9");
    BOOST_TEST(xtext_decode(xtext_encode(plain)).value() == plain);
    BOOST_TEST(xtext_decode("a+2b").value() == "a+");
    BOOST_TEST(xtext_decode("a+0D+0Ab").value() == "a??b");
    for (const auto* broken : {"+", "a+", "a+2", "a+2G", "a+G2"}) {
        BOOST_TEST_CONTEXT(broken) {
            BOOST_TEST(xtext_decode(broken).has_error());
        }
    }
}

BOOST_AUTO_TEST_CASE(xforward_lines_accumulate_and_unavailable_erases) {
    std::map<std::string, std::string> got;
    BOOST_TEST(apply_xforward("NAME=a+2Bb.example ADDR=IPV6:2001:db8::1", got).has_value());
    BOOST_TEST(apply_xforward("  proto=ESMTP\tHELO=[UNAVAILABLE] IDENT=4Xyz LOGIN=eve FUTURE=x", got).has_value());
    BOOST_TEST(apply_xforward("ADDR=[unavailable]", got).has_value());
    const std::map<std::string, std::string> expected{
        {"NAME", "a+b.example"}, {"PROTO", "ESMTP"}, {"IDENT", "4Xyz"}, {"LOGIN", "eve"}};
    BOOST_TEST((got == expected));
    for (const auto* broken : {"", "NAME", "=x", "PORT=1 NAME=+zz"}) {
        BOOST_TEST_CONTEXT(broken) {
            BOOST_TEST(apply_xforward(broken, got).has_error());
            BOOST_TEST((got == expected));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
