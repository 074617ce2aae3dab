// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"
#include "shared/auth/opendkim_tables.hpp"

#include <boost/test/unit_test.hpp>

namespace postsluice::auth {

BOOST_AUTO_TEST_SUITE(opendkim_tables_)

namespace {

struct tables_fixture {
    test::temporary_directory directory;
    config::dkim_settings settings;
    tables_fixture() {
        settings.directory = directory.path() / "none";
        settings.key_table = (directory.path() / "KeyTable").string();
    }
    void write(std::string_view keys, std::string_view signing, bool wildcards = true) {
        directory.write("KeyTable", keys);
        settings.signing_table = (wildcards ? "refile:" : "file:") + directory.write("SigningTable", signing).string();
    }
    [[nodiscard]] std::string path(const std::string& name) const { return (directory.path() / name).string(); }
};

std::string selectors(const key_table::selection& of) {
    std::string out;
    for (const auto& key : of.keys)
        out += (out.empty() ? "" : " ") + key.selector + "@" + key.domain;
    return of.broken ? "broken " + out : out;
}

} // namespace

BOOST_FIXTURE_TEST_CASE(a_refile_takes_the_first_match_or_all, tables_fixture) {
    directory.write("one.private", test::ed25519_pem());
    directory.write("two.private", test::ed25519_pem());
    write("# comment\none example.org:s1:" + path("one.private") + "\ntwo\t%:s2:" + path("two.private") + "\n",
          "boss@example.org  one\n*@example.org two   # the rest\n*@*.example.org two\n*@example.net "
          "one:news@example.org\n");
    auto out = key_table::load(settings);
    BOOST_TEST_REQUIRE(out.errors.size() == 0U);
    BOOST_TEST(selectors(out.table->select("Boss", "EXAMPLE.org")) == "s1@example.org");
    BOOST_TEST(selectors(out.table->select("x", "example.org")) == "s2@example.org");
    BOOST_TEST(selectors(out.table->select("x", "a.example.org")) == "s2@a.example.org");
    BOOST_TEST(selectors(out.table->select("x", "example.net")) == "s1@example.org");
    BOOST_TEST(out.table->select("x", "example.net").keys.front().identity == "news@example.org");
    BOOST_TEST(selectors(out.table->select("x", "example.com")) == "");
    settings.multiple_signatures = true;
    out = key_table::load(settings);
    BOOST_TEST(selectors(out.table->select("boss", "example.org")) == "s1@example.org s2@example.org");
    BOOST_TEST(selectors(out.table->select("boss", "example.org", "s2")) == "s2@example.org");
}

BOOST_FIXTURE_TEST_CASE(a_flat_file_is_asked_in_opendkims_order, tables_fixture) {
    directory.write("k.private", test::ed25519_pem());
    std::string keys;
    for (const std::string_view name : {"address", "host", "user-parent", "parent", "user", "all"})
        keys += std::string{name} + " %:" + std::string{name} + ":" + path("k.private") + "\n";
    write(keys,
          "* all\nroot@* user\n.example.org parent\nbob@.example.org user-parent\nmx.example.org host\n"
          "bob@mx.example.org address\n",
          false);
    const auto out = key_table::load(settings);
    BOOST_TEST_REQUIRE(out.errors.size() == 0U);
    struct row {
        std::string_view local, domain, selector;
    };
    for (const auto& [local, domain, selector] :
         {row{"bob", "mx.example.org", "address"}, row{"eve", "mx.example.org", "host"},
          row{"bob", "b.example.org", "user-parent"}, row{"eve", "a.b.example.org", "parent"},
          row{"root", "example.net", "user"}, row{"eve", "example.org", "all"}}) {
        const auto found = out.table->select(local, domain);
        BOOST_TEST_REQUIRE(found.keys.size() == 1U);
        BOOST_TEST(found.keys.front().selector == selector, local << "@" << domain);
    }
}

BOOST_FIXTURE_TEST_CASE(percent_stands_for_the_from_domain, tables_fixture) {
    directory.write("keys/example.org/d.private", test::ed25519_pem());
    directory.write("keys/example.net/d.private", "no key");
    write("each %:d:" + path("keys/%/d.private") + "\n", "*@* each\n");
    const auto out = key_table::load(settings);
    BOOST_TEST(out.errors.size() == 1U);
    BOOST_TEST(selectors(out.table->select("x", "example.org")) == "d@example.org");
    BOOST_TEST(out.table->select("x", "example.net").broken);
    BOOST_TEST(!out.table->changed_on_disk());
    directory.write("keys/example.com/d.private", test::ed25519_pem());
    BOOST_TEST(out.table->changed_on_disk());
}

BOOST_FIXTURE_TEST_CASE(each_mistake_is_told_with_file_and_line, tables_fixture) {
    directory.write("k.private", test::ed25519_pem());
    write("good example.org:s:" + path("k.private") + "\nshort example.org:s\ngood example.net:s:" + path("k.private") +
              "\nrelative example.org:s:./k.private\ngone example.org:g:" + path("gone") + "\n",
          "*@example.org good\n*@example.net\n*@example.com missing\n");
    const auto out = key_table::load(settings);
    std::string all;
    for (const auto& one : out.errors)
        all += one + "\n";
    for (const std::string_view part : {"KeyTable:2: is no key", "KeyTable:3: good is already in line 1",
                                        "KeyTable:4: names its file by a relative path", "KeyTable:5: ",
                                        "SigningTable:2: names no key", "SigningTable:3: missing is not in"})
        BOOST_TEST((all.find(part) != std::string::npos), part << " in " << all);
    BOOST_TEST(selectors(out.table->select("x", "example.org")) == "s@example.org");
    for (const std::string_view other : {"csl:a=b", "lmdb:/x", "dsn:mysql://x", "/x/KeyTable.db"}) {
        settings.key_table = other;
        BOOST_TEST(!key_table::load(settings).errors.empty(), other);
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(key_selection)

BOOST_AUTO_TEST_CASE(exact_then_wildcard_then_aligned_parent) {
    const test::temporary_directory directory;
    config::dkim_settings settings;
    settings.directory = directory.path();
    for (const auto* const name : {"example.org/exact.pem", "*.example.org/wild.pem", "mail.example.org/mail.pem",
                                   "example.net/parent.pem", "co.uk/never.pem", "example.net/second.pem"})
        directory.write(name, test::ed25519_pem());
    directory.write("example.net/next/new.pem", test::ed25519_pem());
    const auto out = key_table::load(settings);
    BOOST_TEST_REQUIRE(out.errors.size() == 0U);
    const auto shown = [&](std::string_view domain, std::string_view selector = {}) {
        std::string text;
        for (const auto& key : out.table->select("x", domain, selector).keys)
            text += key.selector + "@" + key.domain + " ";
        return text;
    };
    BOOST_TEST(shown("example.org") == "exact@example.org ");
    BOOST_TEST(shown("Mail.example.org.") == "mail@mail.example.org ");
    BOOST_TEST(shown("a.b.example.org") == "wild@a.b.example.org ");
    BOOST_TEST(shown("www.example.net") == "parent@example.net second@example.net ");
    BOOST_TEST(shown("www.example.net", "second") == "second@example.net ");
    BOOST_TEST(shown("www.example.net", "unknown") == "parent@example.net second@example.net ");
    BOOST_TEST(shown("example.co.uk") == ""); // co.uk is no organisation
}

BOOST_AUTO_TEST_CASE(alignment_stops_at_public_suffixes) {
    BOOST_TEST(relaxed_aligned("a.example.co.uk", "Example.CO.uk"));
    BOOST_TEST(relaxed_aligned("a.example.org", "b.example.org"));
    BOOST_TEST(!relaxed_aligned("one.co.uk", "two.co.uk"));
    BOOST_TEST(!relaxed_aligned("example.co.uk", "co.uk"));
    BOOST_TEST(!relaxed_aligned("badexample.org", "example.org"));
    BOOST_TEST(!relaxed_aligned("", ""));
}

BOOST_AUTO_TEST_CASE(changes_are_seen_and_a_broken_new_file_keeps_the_old_key) {
    const test::temporary_directory directory;
    config::dkim_settings settings;
    settings.directory = directory.path();
    directory.write("example.org/a.pem", test::ed25519_pem());
    const auto first = key_table::load(settings);
    BOOST_TEST(!first.table->changed_on_disk());
    directory.write("example.org/a.pem", "torn");
    BOOST_TEST(first.table->changed_on_disk());
    const auto second = key_table::load(settings, first.table.get());
    BOOST_TEST(second.errors.size() == 1U);
    BOOST_TEST_REQUIRE(second.table->find("example.org").size() == 1U);
    BOOST_TEST((second.table->find("example.org")[0].key == first.table->find("example.org")[0].key));
    BOOST_TEST(!second.table->changed_on_disk());
    directory.write("example.org/a.pem", test::ed25519_pem());
    const auto third = key_table::load(settings, second.table.get());
    BOOST_TEST(third.errors.empty());
    BOOST_TEST((third.table->find("example.org")[0].key != first.table->find("example.org")[0].key));
    std::filesystem::remove(directory.path() / "example.org/a.pem");
    BOOST_TEST(third.table->changed_on_disk());
    BOOST_TEST(key_table::load(settings, third.table.get()).table->all().empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::auth
