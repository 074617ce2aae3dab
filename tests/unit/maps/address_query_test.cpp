// SPDX-License-Identifier: Apache-2.0
// The keys an address is looked up under, in their order.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include "shared/maps/address_query.hpp"

using namespace postsluice;
using namespace postsluice::maps;
using namespace postsluice::maps::test;

namespace {

const address_rules rules{"+", {"mail.example.org", "example.org"}};

std::string keys(const std::string& address, search how, const std::vector<std::string>& maps = {"lmdb:/m"},
                 const address_rules& with = rules) {
    std::string out;
    for (const auto& q : questions_about(mail_address::from_internal(address), maps, how, with))
        out += (out.empty() ? "" : " | ") + (maps.size() > 1 ? std::string{q.map.substr(0, 1)} + ":" : "") + q.key;
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(address_query_test)

BOOST_AUTO_TEST_CASE(the_order_of_keys_is_postfixs) {
    struct row {
        const char *address, *owner, *access;
    };
    const row table[] = {
        {"alice@other.example", "alice@other.example | @other.example",
         "alice@other.example | @other.example | other.example | @.example | .example | example | alice@"},
        {"alice+x@other.example", "alice+x@other.example | alice@other.example | @other.example",
         "alice+x@other.example | alice@other.example | @other.example | other.example | @.example | .example | "
         "example | alice+x@ | alice@"},
        {"alice+x@example.org", "alice+x@example.org | alice@example.org | alice+x | alice | @example.org",
         "alice+x@example.org | alice@example.org | @example.org | example.org | @.org | .org | org | alice+x@ | "
         "alice@"},
        {"q r@other.example", "\"q r\"@other.example | q r@other.example | @other.example",
         "\"q r\"@other.example | q r@other.example | @other.example | other.example | @.example | .example | "
         "example | \"q r\"@ | q r@"},
        {"q r@example.org", "\"q r\"@example.org | q r@example.org | \"q r\" | q r | @example.org",
         "\"q r\"@example.org | q r@example.org | @example.org | example.org | @.org | .org | org | \"q r\"@ | q r@"},
        {"bare", "bare", "bare"},
        {"+x@a.example", "+x@a.example | @a.example",
         "+x@a.example | @a.example | a.example | @.example | .example | "
         "example | +x@"},
        {"Postmaster+x@a", "postmaster+x@a | postmaster@a | @a",
         "postmaster+x@a | postmaster@a | @a | a | postmaster+x@ | postmaster@"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.address) {
            BOOST_TEST(keys(row.address, search::owner) == row.owner);
            BOOST_TEST(keys(row.address, search::access) == row.access);
        }
    }
}

BOOST_AUTO_TEST_CASE(patterns_are_asked_for_whole_addresses_only) {
    BOOST_TEST(keys("a+x@b", search::owner, {"regexp:/r", "lmdb:/l", "socketmap:unix:/s:n", "x@y", "@z"}) ==
               "r:a+x@b | l:a+x@b | s:a+x@b | l:a@b | l:@b");
}

BOOST_AUTO_TEST_CASE(some_local_parts_have_no_extension) {
    const auto bare = [](const char* address, const char* delimiter) {
        return without_extension(mail_address::from_internal(address), delimiter).local;
    };
    BOOST_TEST(bare("a+b+c@x", "+") == "a");
    BOOST_TEST(bare("a-b+c@x", "+-") == "a");
    BOOST_TEST(bare("a+b@x", "") == "a+b");
    BOOST_TEST(bare("+b@x", "+") == "+b");
    BOOST_TEST(bare("owner-list@x", "-") == "owner-list");
    BOOST_TEST(bare("list-request@x", "-") == "list-request");
    BOOST_TEST(bare("owner-list+x@x", "+") == "owner-list");
    BOOST_TEST(bare("mailer-daemon@x", "-") == "mailer-daemon");
    BOOST_TEST(bare("double-bounce@x", "-") == "double-bounce");
}

BOOST_FIXTURE_TEST_CASE(the_first_value_counts_and_an_error_ends_the_search, scratch) {
    map_set maps;
    const std::vector<std::string> both = {"texthash:" + put("one", "@example.net domain\n"),
                                           "texthash:" + put("two", "a@example.net whole\nempty@example.net \"\"\n")};
    const auto find = [&](const std::string& address, const std::vector<std::string>& in) {
        return shown(ask(maps, questions_about(mail_address::from_internal(address), in, search::owner, rules)));
    };
    BOOST_TEST(find("a@example.net", both) == "whole"); // the key's order is before the maps'
    BOOST_TEST(find("b@example.net", both) == "domain");
    BOOST_TEST(find("b@example.com", both) == "-");
    const std::vector<std::string> broken = {both[0], "texthash:" + path("absent")};
    BOOST_TEST(find("b@example.net", broken) == failed(errc::not_found));
    const std::vector<std::string> empty = {"regexp:" + put("r", "/empty/\n")};
    BOOST_TEST(find("empty@example.net", empty) == failed(errc::corrupt));
}

BOOST_AUTO_TEST_CASE(a_map_is_told_from_an_address) {
    BOOST_TEST(names_map("lmdb:/etc/postfix/x"));
    BOOST_TEST(names_map("texthash:/home/a@b"));
    BOOST_TEST(!names_map("a@example.org"));
    BOOST_TEST(!names_map("a@[IPv6:2001:db8::1]"));
    BOOST_TEST(!names_map("@example.org"));
}

BOOST_AUTO_TEST_SUITE_END()
