// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/stat.h>

namespace postsluice::auth {

BOOST_AUTO_TEST_SUITE(dkim_listing)

namespace {

config::dkim_settings settings_for(const test::temporary_directory& directory) {
    config::dkim_settings out;
    out.directory = directory.path() / "keys";
    return out;
}

/// "domain/selector role for[,for]", one a line.
std::string described(const std::vector<listed_key>& keys) {
    std::string out;
    for (const auto& one : keys) {
        out += one.key.domain + "/" + one.key.selector + " " + std::string{to_string(one.role)};
        for (const auto& author : one.signs_for)
            out += " " + author;
        out += "\n";
    }
    return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(keys_of_next_and_old_are_known_and_do_not_sign) {
    const test::temporary_directory directory;
    directory.write("keys/example.org/now.pem", test::ed25519_pem());
    directory.write("keys/example.org/next/soon.pem", test::ed25519_pem());
    directory.write("keys/example.org/next/.soon.pem.123", "half");
    const auto old = directory.write("keys/example.org/old/was.pem", test::rsa_pem(1024));
    const timespec since[] = {{1767225600, 0}, {1767225600, 0}};
    BOOST_TEST_REQUIRE(::utimensat(AT_FDCWD, old.c_str(), since, 0) == 0);
    auto settings = settings_for(directory);
    settings.min_rsa_bits = 2048; // retired keys may be shorter than what signs today
    const auto out = key_table::load(settings);
    BOOST_TEST(out.errors.size() == 0U);
    BOOST_TEST(out.table->select("a", "example.org").keys.size() == 1U);
    BOOST_TEST(out.table->all().size() == 1U);
    const auto listed = out.table->listed("Example.org.");
    BOOST_TEST(described(listed) == "example.org/now current @example.org @*.example.org\n"
                                    "example.org/soon next\nexample.org/was retired\n");
    BOOST_TEST_REQUIRE(listed[2].since.has_value());
    BOOST_TEST((*listed[2].since == test::some_time()));
    BOOST_TEST(key_bits(listed[2].key) == 1024U);
    BOOST_TEST(key_bits(listed[0].key) == 256U);
    BOOST_TEST(described(out.table->listed()) == described(listed));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_used_in_next_and_old_is_an_error_and_breaks_nothing) {
    const test::temporary_directory directory;
    directory.write("keys/example.org/now.pem", test::ed25519_pem());
    directory.write("keys/example.org/next/open.pem", test::ed25519_pem(), 0644);
    directory.write("keys/example.org/old/key.private", test::ed25519_pem());
    const auto out = key_table::load(settings_for(directory));
    BOOST_TEST(out.errors.size() == 2U);
    BOOST_TEST(!out.table->broken("example.org"));
    BOOST_TEST(out.table->listed().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_change_in_next_or_old_is_seen) {
    const test::temporary_directory directory;
    directory.write("keys/example.org/now.pem", test::ed25519_pem());
    const auto settings = settings_for(directory);
    for (const auto* const file : {"keys/example.org/next/a.pem", "keys/example.org/old/b.pem"}) {
        const auto before = key_table::load(settings).table;
        BOOST_TEST(!before->changed_on_disk());
        directory.write(file, test::ed25519_pem());
        BOOST_TEST(before->changed_on_disk(), file);
    }
}

BOOST_AUTO_TEST_CASE(the_keys_for_a_domain_are_its_own_or_those_of_its_wildcard_or_parent) {
    const test::temporary_directory directory;
    directory.write("keys/example.org/top.pem", test::ed25519_pem());
    directory.write("keys/*.customers.example.org/any.pem", test::ed25519_pem());
    const auto table = key_table::load(settings_for(directory)).table;
    BOOST_TEST(described(table->listed("www.example.org")) == "example.org/top current @example.org @*.example.org\n");
    BOOST_TEST(described(table->listed("a.customers.example.org")) ==
               "a.customers.example.org/any current @*.customers.example.org\n");
    BOOST_TEST(described(table->listed("*.customers.example.org")) ==
               "*.customers.example.org/any current @*.customers.example.org\n");
    BOOST_TEST(table->listed("example.net").empty());
    BOOST_TEST(table->listed("").empty());
    BOOST_TEST(table->listed().size() == 2U);
}

BOOST_AUTO_TEST_CASE(keys_of_the_key_table_are_listed_with_their_line_and_their_authors) {
    const test::temporary_directory directory;
    const auto file = directory.write("a.pem", test::ed25519_pem());
    const auto pattern = directory.write("of-x.example/k.pem", test::ed25519_pem());
    directory.write("KeyTable", "# names\none example.org:s1:" + file.string() +
                                    "\nany %:s2:" + directory.path().string() + "/of-%/k.pem\n");
    directory.write("SigningTable", "*@example.org one\n*@x.example any\n");
    auto settings = settings_for(directory);
    settings.key_table = (directory.path() / "KeyTable").string();
    settings.signing_table = "refile:" + (directory.path() / "SigningTable").string();
    const auto out = key_table::load(settings);
    BOOST_TEST_REQUIRE(out.errors.size() == 0U);
    BOOST_TEST(described(out.table->listed("example.org")) == "example.org/s1 current *@example.org\n");
    BOOST_TEST(out.table->listed("example.org")[0].source == "KeyTable:2");
    BOOST_TEST(described(out.table->listed("x.example")) == "x.example/s2 current *@x.example\n");
    BOOST_TEST(out.table->listed("y.example").empty());
    BOOST_TEST(out.table->listed().size() == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::auth
