// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/mail_address.hpp"

using namespace postsluice;

BOOST_AUTO_TEST_SUITE(mail_addresses)

BOOST_AUTO_TEST_CASE(both_spellings_of_an_address_become_one) {
    struct row {
        const char *smtp, *internal, *local, *domain, *key;
    };
    const row table[] = {
        {"<User@Example.ORG>", "User@Example.ORG", "User", "example.org", "user@example.org"},
        {"user@example.org.", "user@example.org.", "user", "example.org", "user@example.org"},
        {"<\"q r\"@x.example>", "q r@x.example", "q r", "x.example", "q r@x.example"},
        {"<\"a@b\"@x.example>", "a@b@x.example", "a@b", "x.example", "a@b@x.example"},
        {"<\"a\\\"\\\\b\"@x.example>", "a\"\\b@x.example", "a\"\\b", "x.example", "a\"\\b@x.example"},
        {"\"plain\"@x.example", "plain@x.example", "plain", "x.example", "plain@x.example"},
        {"<>", "", "", "", ""},
        {"<postmaster>", "postmaster", "postmaster", "", "postmaster"},
        {"\"a b\"", "a b", "a b", "", "a b"},
        {"<@a.example,@b.example:user@c.example>", "user@c.example", "user", "c.example", "user@c.example"},
        {"<user@[IPv6:2001:DB8::1]>", "user@[IPv6:2001:DB8::1]", "user", "[ipv6:2001:db8::1]",
         "user@[ipv6:2001:db8::1]"},
    };
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.smtp) {
            const auto parsed = mail_address::from_smtp(one.smtp);
            BOOST_REQUIRE(parsed.has_value());
            BOOST_TEST(parsed->local == one.local);
            BOOST_TEST(parsed->domain == one.domain);
            BOOST_TEST(parsed->key() == one.key);
            BOOST_TEST((mail_address::from_internal(one.internal) == *parsed));
            BOOST_TEST((mail_address::from_smtp(parsed->to_smtp()).value() == *parsed));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_null_sender_is_neither_a_name_nor_a_domain) {
    BOOST_TEST(mail_address::from_internal("").is_null());
    BOOST_TEST(mail_address::from_smtp("<>").value().is_null());
    BOOST_TEST(!mail_address::from_internal("x").is_null());
    BOOST_TEST(!mail_address::from_internal("@example.org").is_null());
    BOOST_TEST(mail_address{}.to_smtp().empty());
}

BOOST_AUTO_TEST_CASE(broken_quoting_is_malformed) {
    for (const auto* text : {"<user@example.org", "<", "\"user@example.org", "\"a\\", "\"a\"b@example.org",
                             "@example.org", "<\"a\" @example.org>"})
        BOOST_TEST(mail_address::from_smtp(text).has_error(), text);
}

BOOST_AUTO_TEST_CASE(a_local_part_is_quoted_where_smtp_needs_it) {
    struct row {
        const char *local, *smtp;
    };
    const row table[] = {
        {"user", "user@x.example"},       {"first.last+tag", "first.last+tag@x.example"},
        {"a b", "\"a b\"@x.example"},     {".a", "\".a\"@x.example"},
        {"a.", "\"a.\"@x.example"},       {"a..b", "\"a..b\"@x.example"},
        {"a\"b", "\"a\\\"b\"@x.example"}, {"a@b", "\"a@b\"@x.example"},
        {"", "\"\"@x.example"},           {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F@x.example"},
    };
    for (const auto& one : table)
        BOOST_TEST_CONTEXT(one.smtp) {
            BOOST_TEST((mail_address{one.local, "x.example"}.to_smtp() == one.smtp));
        }
}

BOOST_AUTO_TEST_CASE(a_key_in_memory_of_ones_own_is_the_same_key) {
    std::string out = "what was there before";
    for (const std::string_view text : {"", "@", "x", "x.", "X@Y", "x@Y.", "x@", "x@.", "a@b@", "a@b@.", "a@B@c..", ".",
                                        "a.@", "\xc3\x84@x", "Q R@x", "@example.org", "a@b.c.d.E."}) {
        assign_key(out, text);
        BOOST_TEST(out == mail_address::from_internal(text).key(), text);
    }
}

BOOST_AUTO_TEST_SUITE_END()
