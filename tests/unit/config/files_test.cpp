// SPDX-License-Identifier: Apache-2.0
// The configuration on disk: the file, conf.d beside it, reload, and where the host's name comes from.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"

#include "shared/config/host_name.hpp"
#include "shared/config/snapshot.hpp"

#include <sys/stat.h>
#include <unistd.h>

using namespace postsluice;
using namespace postsluice::config;
using namespace postsluice::config::testing;

BOOST_AUTO_TEST_SUITE(config_files)

BOOST_FIXTURE_TEST_CASE(files_of_conf_d_join_in_name_order, files) {
    const auto main = put("postsluice.toml", "[profile.default]\nfrom = \"any\"\n[[account]]\nname = \"first\"\n");
    put("conf.d/20-b.toml", "[[account]]\nname = \"third\"\n[policyd]\nmax_connections = 7\n");
    put("conf.d/10-a.toml",
        "[[account]]\nname = \"second\"\n[profile.default]\nheader_from = false\n[policyd]\nmax_attributes = 99\n");
    put("conf.d/.hidden.toml", "this is not TOML");
    put("conf.d/README", "this is not TOML");
    const auto loaded = load(main);
    BOOST_TEST_CONTEXT(joined(messages(loaded.errors))) {
        BOOST_REQUIRE(loaded.settings != nullptr);
    }
    const auto& s = *loaded.settings;
    BOOST_REQUIRE(s.accounts.size() == 3U);
    BOOST_TEST(s.accounts[0].name == "first");
    BOOST_TEST(s.accounts[1].name == "second");
    BOOST_TEST(s.accounts[2].name == "third");
    BOOST_TEST(s.policyd.max_connections == 7U);
    BOOST_TEST(s.policyd.max_attributes == 99U);
    BOOST_TEST((s.profiles.at("default")->from.what == from_rule::kind::any));
    BOOST_TEST(!s.profiles.at("default")->header_from);
}

BOOST_FIXTURE_TEST_CASE(a_key_that_two_files_set_is_an_error_that_names_both, files) {
    const auto main = put("postsluice.toml", "\n[policyd]\nmax_connections = 7\nlisten = [\"unix:/a\"]\n");
    const auto more = put("conf.d/a.toml", "[policyd]\nmax_connections = 8\nlisten = [\"unix:/b\"]\n");
    const auto found = messages(load(main).errors);
    BOOST_TEST_CONTEXT(joined(found)) {
        BOOST_REQUIRE(found.size() == 2U);
        BOOST_TEST(found[0] == more.string() + ":2: policyd.max_connections: is set already in " + main.string() +
                                   ":3; keep one of the two");
        BOOST_TEST(found[1] == more.string() + ":3: policyd.listen: is set already in " + main.string() +
                                   ":4; keep one of the two");
    }
}

BOOST_FIXTURE_TEST_CASE(errors_of_all_files_come_back_each_with_its_file, files) {
    const auto main = put("postsluice.toml", "mode = \"x\"\n");
    const auto broken = put("conf.d/a.toml", "[policyd\n");
    const auto wrong = put("conf.d/b.toml", "\n[log]\nlevel = 5\n");
    const auto found = messages(load(main).errors);
    BOOST_TEST_CONTEXT(joined(found)) {
        BOOST_REQUIRE(found.size() == 3U);
        BOOST_TEST(found[0].starts_with(main.string() + ":1: mode: "));
        BOOST_TEST(found[1].starts_with(broken.string() + ":1: this is not TOML"));
        BOOST_TEST(found[2].starts_with(wrong.string() + ":3: log.level: "));
    }
}

BOOST_FIXTURE_TEST_CASE(what_a_broken_file_may_have_held_is_not_reported_as_missing, files) {
    const auto main = put("postsluice.toml", "[[assign]]\nprofile = \"news\"\nlogin = [\"a\"]\n");
    put("conf.d/a.toml", "[profile.news]\nfrom = \n");
    BOOST_TEST(load(main).errors.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_file_that_cannot_be_read_is_an_error_that_says_why, files) {
    const auto absent = messages(load(path("absent.toml")).errors);
    BOOST_REQUIRE(absent.size() == 1U);
    BOOST_TEST(absent[0].starts_with(path("absent.toml").string() + ": cannot be read: No such file or directory"));

    std::filesystem::create_directory(path("directory.toml"));
    const auto directory = messages(load(path("directory.toml")).errors);
    BOOST_REQUIRE(directory.size() == 1U);
    BOOST_TEST(directory[0].find("it is not a file") != std::string::npos);

    BOOST_REQUIRE(::mkfifo(path("fifo.toml").c_str(), 0600) == 0);
    BOOST_TEST(load(path("fifo.toml")).errors.size() == 1U); // and it did not wait for a writer

    const auto closed = put("closed.toml", "mode = \"observe\"\n");
    BOOST_REQUIRE(::chmod(closed.c_str(), 0) == 0);
    if (::access(closed.c_str(), R_OK) != 0) { // root may read all the same
        const auto found = messages(load(closed).errors);
        BOOST_REQUIRE(found.size() == 1U);
        BOOST_TEST(found[0].find("Permission denied") != std::string::npos);
    }
}

BOOST_FIXTURE_TEST_CASE(a_file_larger_than_the_bound_is_refused, files) {
    const auto main = put("postsluice.toml", "# " + std::string(5U << 20U, 'x'));
    const auto found = messages(load(main).errors);
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].starts_with(main.string() + ": the file is larger than 4 MiB"));
}

BOOST_FIXTURE_TEST_CASE(a_reload_swaps_the_settings_or_keeps_the_old_ones, files) {
    const auto main = put("postsluice.toml", "contact = \"one\"\n");
    snapshot current{main, load(main).settings};
    const auto held = current.get();
    BOOST_REQUIRE(held != nullptr);

    put("postsluice.toml", "contact = \"two\"\n");
    BOOST_TEST(current.reload().empty());
    BOOST_TEST(current.get()->contact == "two");
    BOOST_TEST(held->contact == "one"); // a session keeps what it began with

    put("postsluice.toml", "contact = \"three\"\nmode = \"wrong\"\n");
    const auto found = messages(current.reload());
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].starts_with(main.string() + ":2: mode: "));
    BOOST_TEST(current.get()->contact == "two");

    std::filesystem::remove(main);
    BOOST_TEST(current.reload().size() == 1U);
    BOOST_TEST(current.get()->contact == "two");
}

BOOST_FIXTURE_TEST_CASE(the_host_name_is_postfix_myhostname_where_main_cf_says_it, files) {
    struct row {
        const char* main_cf;
        const char* own;
        const char* file;
        const char* expected;
    };
    const row table[] = {
        {"myhostname = mail.example.org\n", "box", "box.example.net", "mail.example.org"},
        {"# myhostname = no.example\nmyhostname=a.example\n  \nmyhostname =  b.example  \n", "box", "", "b.example"},
        {"myhostname =\n  c.example\n", "box", "", "c.example"},
        {"xmyhostname = no.example\nmydomain = example.org\n", "box", "", "box.example.org"},
        {"myhostname = $other\n", "box.example.com", "", "box.example.com"},
        {"", "box", "box.example.net\n", "box.example.net"},
        {"", "box", "other.example.net\n", "box"},
        {"", "", "file.example\n", "file.example"},
        {"", "", "", "localhost"},
    };
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.main_cf << " own name " << one.own << " file " << one.file) {
            BOOST_TEST(host_name(put("main.cf", one.main_cf), put("hostname", one.file), one.own) == one.expected);
        }
    }
    BOOST_TEST(host_name(path("absent"), path("absent"), "box.example") == "box.example");
}

BOOST_AUTO_TEST_SUITE_END()
