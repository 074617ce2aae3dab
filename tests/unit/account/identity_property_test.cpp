// SPDX-License-Identifier: Apache-2.0
// Whatever a client says: nobody without a name has a key, and no two senders share one.
#define BOOST_TEST_DYN_LINK
#include "shared/account/identify.hpp"
#include "shared/account/scopes.hpp"
#include "shared/core/account_name.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <set>

namespace postsluice::account {

BOOST_AUTO_TEST_SUITE(identity_property)

namespace {

using random_engine = std::mt19937_64;

const std::string& pick(random_engine& engine, const std::vector<std::string>& from) {
    return from[engine() % from.size()];
}

const std::vector<std::string> locals = {"alice", "ALICE", "shop",  "press", "a", "",
                                         "-",     "uid",   "login", "x+y",   "+", "*"};
const std::vector<std::string> prefixes = {
    "", "", "", "uid:", "login:", "cert:", "domain:", "server:", "client:", "sender:", "sender-domain:", "account:"};
const std::vector<std::string> ends = {"",  "@example.org", "@EXAMPLE.org.", "@acme.example", "@", "@x@y",
                                       ":", "\t",           "1000"};
const std::vector<std::string> addresses = {
    "", "unknown", "192.0.2.1", "203.0.113.9", "2001:db8::1", "::ffff:192.0.2.1"};
const std::vector<std::string> prints = {"", "", "", "AA:BB", "aa:bb", "00:11"};

struct sample {
    std::string login, address, certificate, key;
    [[nodiscard]] client_facts facts() const { return {login, address, {}, certificate, key}; }
};

sample random_client(random_engine& engine) {
    sample out;
    if (engine() % 4 != 0) out.login = pick(engine, prefixes) + pick(engine, locals) + pick(engine, ends);
    out.address = pick(engine, addresses);
    out.certificate = pick(engine, prints);
    out.key = pick(engine, prints);
    return out;
}

config::settings random_settings(random_engine& engine) {
    config::settings s;
    s.profiles["default"] = std::make_shared<config::profile>();
    if (engine() % 2 != 0) s.default_domain = "example.org";
    if (engine() % 2 != 0) s.recipient_delimiter = "+";
    if (engine() % 2 != 0) s.accounts.push_back({"shop", {}, {ip_network::parse("192.0.2.0/24").value()}, {}, {}});
    if (engine() % 2 != 0) s.accounts.push_back({"press", {"a", "x@acme.example"}, {}, {}, {}, {"Aa:bB"}});
    if (engine() % 2 != 0) s.accounts.push_back({"alice@example.org", {}, {}, {}, {}});
    if (engine() % 2 != 0) s.customers.push_back({"acme", {"acme.example"}, {"pre*"}});
    std::shuffle(s.identify.begin(), s.identify.end(), engine);
    return s;
}

bool is_nobody(const config::settings& s, const sample& client) {
    const auto network = ip_address::parse(client.address);
    const bool by_network =
        network && std::any_of(s.accounts.begin(), s.accounts.end(), [&](const auto& e) {
            return std::any_of(e.network.begin(), e.network.end(), [&](const auto& n) { return n.contains(*network); });
        });
    const bool by_certificate = std::any_of(s.accounts.begin(), s.accounts.end(), [&](const auto& e) {
        return !e.certificate.empty() && (iequals(client.certificate, "aa:bb") || iequals(client.key, "aa:bb"));
    });
    return trim(client.login).empty() && !by_network && !by_certificate;
}

} // namespace

BOOST_AUTO_TEST_CASE(nobody_has_no_key_and_everybody_has_one_that_is_his) {
    random_engine engine{20261121};
    std::size_t nobodies = 0, reserved = 0;
    for (int round = 0; round < 20'000; ++round) {
        const auto s = random_settings(engine);
        const auto client = random_client(engine);
        BOOST_TEST_CONTEXT("login \"" << client.login << "\" address " << client.address << " certificate "
                                      << client.certificate << " key " << client.key) {
            const auto who = identify(s, client.facts());
            BOOST_REQUIRE(who.has_value() == !is_nobody(s, client));
            nobodies += who ? 0U : 1U;
            if (!who) continue;
            BOOST_REQUIRE(!trim(who->account).empty());
            BOOST_REQUIRE(who->account == to_lower(who->account));
            const bool made = who->account.starts_with(login_prefix);
            reserved += made ? 1U : 0U;
            BOOST_REQUIRE((made || !is_reserved_name(who->account)));
            for (const auto& entry : s.accounts)
                BOOST_REQUIRE((iequals(entry.name, who->account) == (who->entry == &entry)));
            const auto again = identity_of(s, who->account, who->login); // what the filter makes of the ticket
            BOOST_REQUIRE(again.account == who->account);
            BOOST_REQUIRE(again.login == who->login);
            BOOST_REQUIRE(again.entry == who->entry);
        }
    }
    BOOST_TEST(nobodies > 1000U); // the property was put to the test
    BOOST_TEST(reserved > 1000U);
}

BOOST_AUTO_TEST_CASE(logins_that_differ_are_accounts_that_differ) {
    random_engine engine{7};
    config::settings s;
    s.profiles["default"] = std::make_shared<config::profile>();
    s.accounts.push_back({"shop", {}, {ip_network::parse("192.0.2.0/24").value()}, {}, {}});
    std::map<std::string, std::string> login_of;
    for (int round = 0; round < 20'000; ++round) {
        const auto client = random_client(engine);
        const auto who = identify(s, {client.login, "", {}});
        if (!who) continue;
        const auto [at, fresh] = login_of.emplace(who->account, who->login);
        BOOST_REQUIRE(at->second == who->login);
    }
    BOOST_TEST(login_of.size() > 100U);
}

BOOST_AUTO_TEST_CASE(no_account_reads_like_the_key_of_a_scope) {
    random_engine engine{42};
    constexpr std::array parents = {limit_scope::domain,         limit_scope::customer,
                                    limit_scope::client_address, limit_scope::client_network,
                                    limit_scope::sender_address, limit_scope::sender_domain,
                                    limit_scope::server};
    std::set<std::string> accounts, scopes;
    for (int round = 0; round < 20'000; ++round) {
        const auto s = random_settings(engine);
        const auto client = random_client(engine);
        const auto who = identify(s, client.facts());
        if (!who) continue;
        const auto sender = mail_address::from_internal(pick(engine, locals) + pick(engine, ends));
        accounts.insert(who->account);
        for (const auto scope : parents)
            if (auto key = scope_key(s, scope, {*who, client.address, sender})) scopes.insert(std::move(*key));
    }
    for (const auto& key : scopes)
        BOOST_TEST(accounts.count(key) == 0U, key);
    BOOST_TEST(scopes.size() > 20U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::account
