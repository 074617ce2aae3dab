// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/account/identify.hpp"

#include <boost/test/unit_test.hpp>

namespace postsluice::account {

BOOST_AUTO_TEST_SUITE(identify_suite)

namespace {

using config::account_entry;
using config::assign_entry;
using config::from_rule;
using config::profile;

ip_network net(std::string_view text) {
    return ip_network::parse(text).value();
}

/// shop: networks; team: exact logins and a glob; hosting: a login that is a domain; boss@example.org: by its name
/// only.
config::settings settings() {
    config::settings out;
    out.default_domain = "Example.org";
    out.accounts = {
        {"Shop", {}, {net("192.0.2.0/28"), net("2001:db8:5::/64")}, {"Shop.example"}, {"orders@shop.example"}},
        {"team", {"Team@example.org", "*@lists.example.org"}, {}, {"team.example"}, {"Info@team.example"}},
        {"hosting", {"customer.example"}, {}, {"customer.example"}, {}},
        {"boss@example.org", {}, {}, {}, {"ceo@example.org"}},
        {"wide", {}, {net("192.0.2.0/24")}, {}, {}},
    };
    out.profiles["default"] = std::make_shared<profile>();
    auto news = std::make_shared<profile>();
    news->name = "news";
    out.profiles["news"] = news;
    out.assigns = {
        {"news", {"*@Lists.example.org"}, {}}, {"news", {}, {"shop", "uid:*"}}, {"absent", {"ghost@example.org"}, {}}};
    return out;
}

std::string account_of(const config::settings& s, const client_facts& facts) {
    const auto who = identify(s, facts);
    return who ? who->account : "(none)";
}

profile with(from_rule::kind what, std::vector<std::string> entries = {}) {
    profile out;
    out.from = {what, std::move(entries)};
    return out;
}

bool uses(const profile& p, const identity& who, std::string_view address) {
    return may_use(p, who, mail_address::from_internal(address));
}

} // namespace

BOOST_AUTO_TEST_CASE(a_client_becomes_its_account) {
    const auto s = settings();
    struct row {
        std::string_view login, address;
        std::string account, qualified;
    };
    const row rows[] = {
        {"alice@example.org", "203.0.113.1", "alice@example.org", "alice@example.org"},
        {"ALICE@Example.ORG", "203.0.113.1", "alice@example.org", "alice@example.org"},
        {" alice@example.org. ", "", "alice@example.org", "alice@example.org"},
        {"alice", "", "alice@example.org", "alice@example.org"},
        {"alice", "192.0.2.1", "alice@example.org", "alice@example.org"}, // the login comes first
        {"team", "", "team", "team@example.org"},
        {"news@lists.example.org", "", "team", "news@lists.example.org"},
        {"customer.example", "", "hosting", "customer.example"},
        {"boss", "", "boss@example.org", "boss@example.org"},
        {"", "192.0.2.1", "shop", ""},
        {"", "192.0.2.16", "wide", ""},
        {"", "2001:DB8:5::1", "shop", ""},
        {"", "IPv6:2001:db8:5::1", "shop", ""},
        {"", "::ffff:192.0.2.1", "shop", ""},
        {"  ", "192.0.2.1", "shop", ""},
        {"", "2001:db8:6::1", "(none)", ""},
        {"", "203.0.113.1", "(none)", ""},
        {"", "unknown", "(none)", ""},
        {"", "", "(none)", ""},
        {"\r\n", "", "(none)", ""},
        {"@", "", "@", "@"}, // authenticated: counted, if under an odd name
        {"@example.org", "", "@example.org", "@example.org"},
        {"a@b@c", "", "a@b@c", "a@b@c"},
        {"-", "", "-@example.org", "-@example.org"},
    };
    for (const auto& [login, address, account, qualified] : rows)
        BOOST_TEST_CONTEXT("login \"" << login << "\" address " << address) {
            const auto who = identify(s, {login, address, {}});
            BOOST_TEST((who ? who->account : "(none)") == account);
            if (!who) continue;
            BOOST_TEST(!who->account.empty());
            BOOST_TEST(who->login == qualified);
        }
}

BOOST_AUTO_TEST_CASE(the_order_of_the_sources_is_the_configured_one) {
    auto s = settings();
    const client_facts both{"alice", "192.0.2.1", 1000};
    s.identify = {config::account_source::network, config::account_source::sasl};
    BOOST_TEST(account_of(s, both) == "shop");
    s.identify = {config::account_source::network};
    BOOST_TEST(account_of(s, {"alice", "203.0.113.1", {}}) == "(none)");
    s.identify = {};
    BOOST_TEST(account_of(s, both) == "uid:1000");
    BOOST_TEST(account_of(settings(), {"", "", 0}) == "uid:0");
}

BOOST_AUTO_TEST_CASE(a_certificate_is_an_account_only_where_it_is_listed) {
    auto s = settings();
    s.accounts.push_back({"relay", {}, {}, {"relay.example"}, {}, {"AA:BB:cc:01", "12:34:56:78"}});
    const auto by = [&s](std::string_view certificate, std::string_view key) {
        client_facts facts{"", "203.0.113.1", {}};
        facts.certificate = certificate;
        facts.public_key = key;
        return account_of(s, facts);
    };
    BOOST_TEST(by("aa:bb:CC:01", "99:99") == "relay");
    BOOST_TEST(by("99:99", "12:34:56:78") == "relay"); // the key's own fingerprint
    BOOST_TEST(by("99:99", "99:99") == "(none)");
    BOOST_TEST(by("", "") == "(none)");
    BOOST_TEST(by("AA:BB:CC", "") == "(none)");
    s.accounts.back().certificate = {""}; // the configuration refuses it; it means nobody all the same
    BOOST_TEST(by("", "") == "(none)");
}

BOOST_AUTO_TEST_CASE(the_default_order_is_login_certificate_network) {
    auto s = settings();
    s.accounts.push_back({"relay", {}, {}, {}, {}, {"AA:BB"}});
    client_facts all{"alice", "192.0.2.1", {}, "aa:bb", ""};
    BOOST_TEST(account_of(s, all) == "alice@example.org");
    all.sasl_username = {};
    BOOST_TEST(account_of(s, all) == "relay");
    all.certificate = {};
    BOOST_TEST(account_of(s, all) == "shop");
    all = {"alice", "192.0.2.1", {}, "aa:bb", ""};
    s.identify = {config::account_source::certificate};
    BOOST_TEST(account_of(s, all) == "relay");
    s.identify = {config::account_source::network, config::account_source::certificate, config::account_source::sasl};
    BOOST_TEST(account_of(s, all) == "shop");
    all.client_address = "203.0.113.1";
    BOOST_TEST(account_of(s, all) == "relay");
}

BOOST_AUTO_TEST_CASE(an_extension_is_not_another_account_or_recipient) {
    auto s = settings();
    const std::pair<std::string_view, std::string> off[] = {{"alice+x@example.org", "alice+x@example.org"}};
    for (const auto& [login, account] : off)
        BOOST_TEST(account_of(s, {login, "", {}}) == account);
    s.recipient_delimiter = "+";
    s.accounts.push_back({"robot", {"build+robot@example.org"}, {}, {}, {}});
    struct row {
        std::string_view login;
        std::string account, kept;
    };
    const row rows[] = {
        {"alice+x@example.org", "alice@example.org", "alice@example.org"},
        {"Alice+X+Y", "alice@example.org", "alice@example.org"},
        {"+alice@example.org", "+alice@example.org", "+alice@example.org"},
        {"team+x@example.org", "team", "team@example.org"},
        {"news+x@lists.example.org", "team", "news@lists.example.org"},
        {"boss+x", "boss@example.org", "boss@example.org"},
        {"build+robot@example.org", "robot", "build+robot@example.org"}, // listed so
        {"build@example.org", "build@example.org", "build@example.org"},
        {"customer.example", "hosting", "customer.example"},
        {"alice@sub+x.example", "alice@sub+x.example", "alice@sub+x.example"},
    };
    for (const auto& [login, account, kept] : rows)
        BOOST_TEST_CONTEXT(login) {
            const auto who = identify(s, {login, "", {}}).value();
            BOOST_TEST(who.account == account);
            BOOST_TEST(who.login == kept);
        }
    const auto key = [&s](std::string_view address) { return recipient_key(s, mail_address::from_internal(address)); };
    BOOST_TEST(key("Friend+Birthday@Example.NET") == "friend@example.net");
    BOOST_TEST(key("owner-list@example.net") == "owner-list@example.net");
    s.recipient_delimiter = "-+";
    BOOST_TEST(key("friend-a+b@example.net") == "friend@example.net");
    BOOST_TEST(key("friend+a-b@example.net") == "friend@example.net");
    for (const std::string_view whole : {"owner-list@example.net", "list-request@example.net",
                                         "mailer-daemon@example.net", "double-bounce@example.net", "-x@example.net"})
        BOOST_TEST(key(whole) == whole);
    BOOST_TEST(key("postmaster") == "postmaster");
    BOOST_TEST(key("") == "");
}

BOOST_AUTO_TEST_CASE(no_login_takes_the_key_of_another_account) {
    auto s = settings();
    s.default_domain.clear();
    for (const std::string login :
         {"shop", "SHOP", "uid:1000", "login:shop", "-", "domain:example.org", "customer:acme", "client:192.0.2.1",
          "network:192.0.2.0/24", "sender:alice@example.org", "Sender-Domain:example.org", "server:", "cert:aa:bb",
          "account:alice@example.org"}) {
        const auto who = identify(s, {login, "", {}});
        BOOST_TEST_REQUIRE(who.has_value());
        BOOST_TEST(who->account.starts_with("login:"), who->account);
        BOOST_TEST((who->entry == nullptr));
        const auto again = identity_of(s, who->account);
        BOOST_TEST(again.login == who->login);
        BOOST_TEST((again.entry == nullptr));
    }
    BOOST_TEST(account_of(s, {"alice", "", {}}) == "alice");
}

BOOST_AUTO_TEST_CASE(an_account_found_again_by_name_and_login_is_the_same) {
    const auto s = settings();
    for (const client_facts& facts :
         {client_facts{"alice", "", {}}, client_facts{"team", "", {}}, client_facts{"news@lists.example.org", "", {}},
          client_facts{"customer.example", "", {}}, client_facts{"boss", "", {}}, client_facts{"", "192.0.2.1", {}},
          client_facts{"", "", 1000}, client_facts{"@", "", {}}, client_facts{"sender:a@b.example", "", {}}}) {
        const auto who = identify(s, facts).value();
        const auto again = identity_of(s, who.account, who.login);
        BOOST_TEST(again.account == who.account);
        BOOST_TEST(again.login == who.login);
        BOOST_TEST((again.entry == who.entry), who.account);
        BOOST_TEST((select_profile(s, again) == select_profile(s, who)));
    }
}

BOOST_AUTO_TEST_CASE(an_account_of_one_login_that_came_by_its_network_gets_no_login_in_the_filter) {
    auto s = settings();
    s.accounts = {{"printer", {"print@example.org"}, {net("192.0.2.9")}, {}, {}}};
    s.assigns = {{"news", {"print@example.org"}, {}}};
    const auto who = identify(s, {"", "192.0.2.9", {}}).value();
    const auto again = identity_of(s, who.account, who.login); // what the ticket carries
    BOOST_TEST(again.login == "");
    BOOST_TEST(select_profile(s, again)->name == select_profile(s, who)->name);
    BOOST_TEST(identity_of(s, "printer").login == "print@example.org"); // an operator means the login
}

BOOST_AUTO_TEST_CASE(a_profile_may_be_assigned_to_a_customer) {
    auto s = settings();
    s.customers = {{"Acme", {"acme.example"}, {"shop"}}, {"other", {"other.example"}, {}}};
    s.assigns = {{"news", {}, {}, {"ac*"}}};
    const auto profile = [&s](const client_facts& facts) {
        return select_profile(s, identify(s, facts).value())->name;
    };
    BOOST_TEST(profile({"bob@acme.example", "", {}}) == "news");
    BOOST_TEST(profile({"", "192.0.2.1", {}}) == "news");
    BOOST_TEST(profile({"bob@other.example", "", {}}) == "default");
    BOOST_TEST(profile({"bob@nobody.example", "", {}}) == "default");
    BOOST_TEST(explain_profile(s, identify(s, {"bob@acme.example", "", {}}).value()) == "assign 1 (customer ac*)");
}

BOOST_AUTO_TEST_CASE(a_login_that_matches_a_glob_of_account_names_is_none_of_them) {
    auto s = settings();
    s.assigns = {{"news", {}, {"sho*"}}, {"news", {}, {"*@vip.example"}}};
    s.default_domain.clear();
    const auto profile = [&s](const client_facts& facts) {
        return select_profile(s, identify(s, facts).value())->name;
    };
    BOOST_TEST(profile({"", "192.0.2.1", {}}) == "news");
    BOOST_TEST(profile({"shoplifter@example.net", "", {}}) == "default");
    BOOST_TEST(profile({"shoplifter", "", {}}) == "default");
    BOOST_TEST(profile({"bob@vip.example", "", {}}) == "news"); // with an '@' logins are meant
}

BOOST_AUTO_TEST_CASE(an_operator_may_name_an_account_in_short) {
    const auto s = settings();
    BOOST_TEST(identity_of(s, "Alice").account == "alice@example.org");
    BOOST_TEST(identity_of(s, "SHOP").entry == &s.accounts[0]);
    BOOST_TEST(identity_of(s, "shop").login == "");
    BOOST_TEST(identity_of(s, "hosting").login == "customer.example");
    BOOST_TEST(identity_of(s, "team").login == ""); // one of several
    BOOST_TEST(identity_of(s, "-").login == "");
    BOOST_TEST(identity_of(s, "").account == "");
    BOOST_TEST(identity_of(s, "uid:7").login == "");
}

BOOST_AUTO_TEST_CASE(the_first_assign_that_matches_chooses_the_profile) {
    const auto s = settings();
    struct row {
        client_facts facts;
        std::string profile, why;
    };
    const row rows[] = {
        {{"news@lists.example.org", "", {}}, "news", "assign 1 (login *@Lists.example.org)"},
        {{"", "192.0.2.1", {}}, "news", "assign 2 (account shop)"},
        {{"", "", 1000}, "news", "assign 2 (account uid:*)"},
        {{"alice", "", {}}, "default", "default"},
        {{"", "192.0.2.200", {}}, "default", "default"},
        {{"ghost", "", {}}, "default", "assign 3 (login ghost@example.org)"}, // config refuses such an assign
    };
    for (const auto& [facts, name, why] : rows) {
        const auto who = identify(s, facts).value();
        BOOST_TEST(select_profile(s, who)->name == name, who.account);
        BOOST_TEST(explain_profile(s, who) == why);
    }
}

BOOST_AUTO_TEST_CASE(own_address_is_the_login_and_the_aliases) {
    const auto s = settings();
    const auto p = with(from_rule::kind::own_address);
    const auto alice = identify(s, {"alice", "", {}}).value();
    const auto news = identify(s, {"news@lists.example.org", "", {}}).value();
    const auto shop = identify(s, {"", "192.0.2.1", {}}).value();
    const auto boss = identify(s, {"boss", "", {}}).value();
    BOOST_TEST(uses(p, alice, "Alice@EXAMPLE.org"));
    BOOST_TEST(uses(p, alice, "")); // the null sender
    BOOST_TEST(!uses(p, alice, "bob@example.org"));
    BOOST_TEST(!uses(p, alice, "alice@example.com"));
    BOOST_TEST(!uses(p, alice, "alice"));
    BOOST_TEST(uses(p, news, "news@lists.example.org"));
    BOOST_TEST(uses(p, news, "info@team.example"));
    BOOST_TEST(!uses(p, news, "other@lists.example.org"));
    BOOST_TEST(!uses(p, news, "team@example.org"));
    BOOST_TEST(uses(p, shop, "orders@shop.example"));
    BOOST_TEST(!uses(p, shop, "x@shop.example"));
    BOOST_TEST(uses(p, boss, "ceo@example.org"));
    BOOST_TEST(uses(p, identity_of(s, "team"), "team@example.org")); // no login known: those that are listed in full
    BOOST_TEST(!uses(p, identity_of(s, "team"), "x@lists.example.org"));
}

BOOST_AUTO_TEST_CASE(own_domain_is_the_logins_and_the_listed_ones) {
    auto s = settings();
    const auto p = with(from_rule::kind::own_domain);
    const auto alice = identify(s, {"alice", "", {}}).value();
    const auto news = identify(s, {"news@lists.example.org", "", {}}).value();
    const auto shop = identify(s, {"", "192.0.2.1", {}}).value();
    const auto wide = identify(s, {"", "192.0.2.200", {}}).value();
    const auto hosting = identify(s, {"customer.example", "", {}}).value();
    BOOST_TEST(uses(p, alice, "anyone@EXAMPLE.org."));
    BOOST_TEST(!uses(p, alice, "anyone@sub.example.org"));
    BOOST_TEST(!uses(p, alice, "anyone@badexample.org"));
    BOOST_TEST(!uses(p, alice, "@example.org"));
    BOOST_TEST(uses(p, news, "x@lists.example.org"));
    BOOST_TEST(uses(p, news, "x@team.example"));
    BOOST_TEST(uses(p, shop, "x@shop.example"));
    BOOST_TEST(!uses(p, shop, "x@example.org"));
    BOOST_TEST(!uses(p, wide, "x@example.org"));
    BOOST_TEST(uses(p, hosting, "x@customer.example"));
    s.default_domain.clear();
    const auto bare = identify(s, {"alice", "", {}}).value();
    BOOST_TEST(!uses(p, bare, "bob")); // two missing domains are not the same domain
    BOOST_TEST(!uses(p, bare, "alice"));
    BOOST_TEST(uses(p, bare, ""));
    BOOST_TEST(!uses(p, identify(s, {"", "", 1000}).value(), "root@example.org"));
}

BOOST_AUTO_TEST_CASE(a_list_names_addresses_domains_and_what_lies_below) {
    const auto s = settings();
    const auto who = identify(s, {"alice", "", {}}).value();
    const auto p =
        with(from_rule::kind::list, {"user@x.example", "@dom.example", "@*.below.example", "broken", "@", "@*."});
    for (const std::string_view good :
         {"user@x.example", "USER@X.example", "a@dom.example", "a@b.below.example", "a@b.c.below.example"})
        BOOST_TEST(uses(p, who, good), good);
    for (const std::string_view bad :
         {"other@x.example", "user@y.example", "a@sub.dom.example", "a@below.example", "a@xbelow.example", "broken",
          "a", "@dom.example", "alice@example.org", "a@", "a@.below.example.evil"})
        BOOST_TEST(!uses(p, who, bad), bad);
    BOOST_TEST(!uses(with(from_rule::kind::list), who, "alice@example.org"));
}

BOOST_AUTO_TEST_CASE(any_is_any_and_a_header_needs_an_address) {
    const auto who = identify(settings(), {"alice", "", {}}).value();
    const auto any = with(from_rule::kind::any);
    BOOST_TEST(uses(any, who, "x@y"));
    BOOST_TEST(uses(any, who, "unqualified"));
    BOOST_TEST(may_use_in_header(any, who, mail_address::from_internal("x@y")));
    BOOST_TEST(!may_use_in_header(any, who, mail_address{}));
    BOOST_TEST(
        may_use_in_header(with(from_rule::kind::own_address), who, mail_address::from_internal("alice@example.org")));
    BOOST_TEST(
        !may_use_in_header(with(from_rule::kind::own_address), who, mail_address::from_internal("bob@example.org")));
}

BOOST_AUTO_TEST_CASE(what_is_allowed_is_said_in_one_short_sentence) {
    const auto s = settings();
    const auto alice = identify(s, {"alice", "", {}}).value();
    const auto news = identify(s, {"news@lists.example.org", "", {}}).value();
    const auto wide = identify(s, {"", "192.0.2.200", {}}).value();
    using kind = from_rule::kind;
    BOOST_TEST(describe_allowed(with(kind::any), alice) == "alice@example.org may send as any address");
    BOOST_TEST(describe_allowed(with(kind::own_domain), alice) ==
               "alice@example.org may send as anything at example.org");
    BOOST_TEST(describe_allowed(with(kind::own_address), news) ==
               "news@lists.example.org may send as news@lists.example.org and info@team.example");
    BOOST_TEST(describe_allowed(with(kind::own_domain), news) ==
               "news@lists.example.org may send as anything at lists.example.org and anything at team.example");
    BOOST_TEST(describe_allowed(with(kind::own_domain), wide) == "wide has no address to send as");
    BOOST_TEST(describe_allowed(with(kind::list, {"a@b", "@c", "@*.d", "e@f", "g@h"}), alice) ==
               "alice@example.org may send as a@b, anything at c, anything below d and 2 more");
    const std::vector<std::string> many(1000, std::string(300, 'x') + "@example.org\r\n550 injected");
    const auto text = describe_allowed(with(kind::list, many), identity{std::string(500, 'a'), {}, nullptr});
    BOOST_TEST(text.size() < 300U);
    BOOST_TEST(text.find_first_of("\r\n") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::account

BOOST_AUTO_TEST_SUITE(local_users)

BOOST_AUTO_TEST_CASE(a_local_uid_is_at_home_in_the_servers_name_and_its_domain_and_nowhere_else) {
    postsluice::config::settings settings;
    settings.hostname = "Mail.Example.ORG";
    settings.profiles["default"] = std::make_shared<postsluice::config::profile>();
    const auto who = postsluice::account::identify(settings, {"", "", 1000U});
    BOOST_REQUIRE(who.has_value());
    BOOST_TEST(who->account == "uid:1000");
    BOOST_TEST((postsluice::account::identity_of(settings, "uid:1000").home == who->home));
    for (const auto kind :
         {postsluice::config::from_rule::kind::own_domain, postsluice::config::from_rule::kind::own_address}) {
        postsluice::config::profile profile;
        profile.from.what = kind;
        const auto may = [&](std::string_view address) {
            return postsluice::account::may_use(profile, *who, postsluice::mail_address::from_internal(address));
        };
        BOOST_TEST(may("root@mail.example.org"));
        BOOST_TEST(may("web@example.org"));
        BOOST_TEST(!may("web@other.example.org"));
        BOOST_TEST(!may("web@bank.example"));
        BOOST_TEST(!may("web@org"));
        BOOST_TEST(postsluice::account::describe_allowed(profile, *who).find("anything at example.org") !=
                   std::string::npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()
