// SPDX-License-Identifier: Apache-2.0
// Who may send as what where maps have a say; and the lists of blocked and known addresses.
#define BOOST_TEST_DYN_LINK
#include "shared/account/sender_permission.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace postsluice;
using namespace postsluice::account;
using kind = config::from_rule::kind;

namespace {

struct fixture {
    fixture() {
        std::string name = (std::filesystem::temp_directory_path() / "postsluice-permission-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        directory = name;
        settings.hostname = "mail.example.org";
        settings.default_domain = "example.org";
        settings.recipient_delimiter = "+";
    }
    fixture(const fixture&) = delete;
    fixture& operator=(const fixture&) = delete;
    ~fixture() {
        std::error_code ignored;
        std::filesystem::remove_all(directory, ignored);
    }
    std::string texthash(const std::string& name, std::string_view text) {
        std::ofstream{directory / name} << text;
        return "texthash:" + (directory / name).string();
    }
    /// "yes", "no", or the error's sentence.
    static std::string shown(const result<bool>& got) {
        return got ? (*got ? "yes" : "no") : std::string{sentence(got.error().code)};
    }
    std::string may(const identity& who, std::string_view address) {
        return shown(sender_permission({settings, profile, who, &maps}, mail_address::from_internal(address)));
    }
    std::string blocked(const std::vector<std::string>& entries, std::string_view address) {
        return shown(is_blocked(entries, settings, &maps, mail_address::from_internal(address)));
    }
    std::filesystem::path directory;
    config::settings settings;
    config::profile profile;
    maps::map_set maps;
};

const identity alice{"alice@example.org", "alice@example.org", nullptr, {}};
const identity bob{"bob@example.net", "bob@example.net", nullptr, {}};
const identity shop{"shop", {}, nullptr, {}};
const identity web{"uid:33", {}, nullptr, {}};

} // namespace

BOOST_AUTO_TEST_SUITE(sender_permission_test)

BOOST_FIXTURE_TEST_CASE(the_owners_of_an_address_may_use_it, fixture) {
    profile.from = {kind::map,
                    {texthash("owners", "alice@example.org alice@example.org\n"
                                        "office@example.org ALICE@Example.ORG, bob@example.net\n"
                                        "info@example.org alice bob\n"
                                        "@shop.example shop,uid:33\n"
                                        "nobody@example.org nobody@example.org\n"
                                        "desk alice\n")}};
    struct row {
        const identity& who;
        const char *address, *expected;
    };
    const row table[] = {
        {alice, "alice@example.org", "yes"},
        {alice, "Alice+x@Example.ORG", "yes"},
        {bob, "alice@example.org", "no"},
        {alice, "office@example.org", "yes"},
        {bob, "office@example.org", "yes"},
        {shop, "office@example.org", "no"},
        {alice, "info@example.org", "yes"}, // "alice" is alice@example.org: default_domain
        {bob, "info@example.org", "no"},
        {shop, "any@shop.example", "yes"},
        {web, "any@shop.example", "yes"},
        {alice, "any@shop.example", "no"},
        {alice, "nobody@example.org", "no"},
        {alice, "other@example.org", "no"},
        {alice, "desk@example.org", "yes"},
        {alice, "desk@mail.example.org", "yes"}, // the user alone: own domains only
        {alice, "desk@example.net", "no"},
        {alice, "", "yes"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.who.account << " as " << row.address) {
            BOOST_TEST(may(row.who, row.address) == row.expected);
        }
    }
}

BOOST_FIXTURE_TEST_CASE(addresses_and_domains_of_a_mixed_list_need_no_map, fixture) {
    const auto absent = "texthash:" + (directory / "absent").string();
    profile.from = {kind::map, {"boss@example.org", absent, "@*.example.com"}};
    BOOST_TEST(may(alice, "boss@example.org") == "yes");
    BOOST_TEST(may(alice, "x@sub.example.com") == "yes");
    BOOST_TEST(may(alice, "x@example.net") == sentence(errc::not_found)); // never a permission, nor a refusal
    BOOST_TEST(describe_allowed(profile, alice) ==
               "alice@example.org may send as boss@example.org, anything below example.com and any address that this "
               "server's sender maps give to it");
}

BOOST_FIXTURE_TEST_CASE(without_maps_a_map_is_an_error, fixture) {
    profile.from = {kind::map, {"lmdb:/etc/x"}};
    const auto address = mail_address::from_internal("a@b");
    BOOST_TEST(shown(sender_permission({settings, profile, alice, nullptr}, address)) == sentence(errc::unsupported));
    BOOST_TEST(!permission_waits(profile));
    profile.from.entries = {"lmdb:/etc/x", "socketmap:unix:/x:n"};
    BOOST_TEST(permission_waits(profile));
    BOOST_TEST(may(alice, "a@b") == sentence(errc::not_found)); // the lmdb map is asked first
}

BOOST_FIXTURE_TEST_CASE(owners_are_separated_by_blanks_and_commas, fixture) {
    for (const std::string_view owners :
         {"alice@example.org", " x,alice@example.org", "x\talice@example.org,,y", "x alice"})
        BOOST_TEST(is_owner(owners, settings, alice));
    for (const std::string_view owners :
         {"", ",", "alice@example.orgs", "xalice@example.org", "alice@example.org;", "shop"})
        BOOST_TEST(!is_owner(owners, settings, alice));
    settings.default_domain.clear();
    BOOST_TEST(!is_owner("alice", settings, alice));
}

BOOST_FIXTURE_TEST_CASE(a_block_list_has_addresses_domains_and_access_maps, fixture) {
    const std::vector<std::string> entries = {
        "Ceo@Example.ORG", "@bad.example", "@*.evil.example",
        texthash("access", "spam@example.net REJECT no thanks\nok@example.net OK\ndunno@down.example DUNNO  really\n"
                           "down.example 550 5.7.1 no\n.below.example REJECT\nroot@ REJECT\n<> REJECT\n"
                           "@at.example x\n")};
    const std::pair<const char*, const char*> table[] = {
        {"ceo@example.org", "yes"},    {"ceo+x@example.org", "yes"}, {"ceos@example.org", "no"},
        {"x@bad.example", "yes"},      {"x@sub.bad.example", "no"},  {"x@sub.evil.example", "yes"},
        {"x@evil.example", "no"},      {"spam@example.net", "yes"},  {"spam+y@example.net", "yes"},
        {"ok@example.net", "no"},      {"dunno@down.example", "no"}, {"x@down.example", "yes"},
        {"x@sub.down.example", "yes"}, {"x@a.below.example", "yes"}, {"x@below.example", "no"},
        {"root@any.example", "yes"},   {"x@at.example", "yes"},      {"", "yes"},
        {"friend@example.com", "no"},
    };
    for (const auto& [address, expected] : table) {
        BOOST_TEST_CONTEXT(address) {
            BOOST_TEST(blocked(entries, address) == expected);
        }
    }
    BOOST_TEST(blocked({}, "x@y") == "no");
    BOOST_TEST(blocked({"texthash:" + (directory / "absent").string()}, "x@y") == sentence(errc::not_found));
}

BOOST_FIXTURE_TEST_CASE(a_known_address_is_in_one_of_the_maps, fixture) {
    const std::vector<std::string> in = {texthash("virtual", "info@example.org alice\n@all.example x\n"),
                                         texthash("aliases", "root alice\n")};
    const auto known = [&](std::string_view address) {
        return shown(is_known(in, settings, &maps, mail_address::from_internal(address)));
    };
    BOOST_TEST(known("Info+tag@example.org") == "yes");
    BOOST_TEST(known("anything@all.example") == "yes");
    BOOST_TEST(known("root@example.org") == "yes");
    BOOST_TEST(known("root@example.net") == "no");
    BOOST_TEST(known("inof@example.org") == "no");
    BOOST_TEST(known("") == "yes");
    BOOST_TEST(shown(is_known({}, settings, nullptr, mail_address::from_internal("x@y"))) == "yes");
}

BOOST_AUTO_TEST_SUITE_END()
