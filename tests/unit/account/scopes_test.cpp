// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/account/scopes.hpp"

using namespace postsluice;
using account::parse_lock_subject;
using account::scope_key;

namespace {

config::settings with_customers() {
    config::settings s;
    s.hostname = "mail.example.net";
    s.profiles["default"] = std::make_shared<config::profile>();
    s.customers.push_back({"Acme", {"acme.example", "*.acme.example"}, {"acme-*"}});
    return s;
}

} // namespace

BOOST_AUTO_TEST_SUITE(scopes)

BOOST_AUTO_TEST_CASE(each_scope_has_its_own_key) {
    const auto settings = with_customers();
    const account::identity who{"bob@shop.acme.example", "bob@shop.acme.example", nullptr, {}};
    const auto sender = mail_address::from_internal("Bob@News.Example");
    const account::scope_facts facts{who, "192.0.2.77", sender};
    const std::pair<limit_scope, const char*> table[] = {{limit_scope::account, "bob@shop.acme.example"},
                                                         {limit_scope::domain, "domain:shop.acme.example"},
                                                         {limit_scope::customer, "customer:acme"},
                                                         {limit_scope::client_address, "client:192.0.2.77"},
                                                         {limit_scope::client_network, "network:192.0.2.0/24"},
                                                         {limit_scope::sender_address, "sender:bob@news.example"},
                                                         {limit_scope::sender_domain, "sender-domain:news.example"},
                                                         {limit_scope::server, "server:"}};
    for (const auto& [scope, key] : table) {
        BOOST_TEST_CONTEXT(scope) {
            BOOST_TEST(scope_key(settings, scope, facts).value_or("none") == key);
        }
    }
    const account::scope_facts six{who, "2001:db8:1:2:3::9", sender};
    BOOST_TEST(scope_key(settings, limit_scope::client_network, six).value_or("none") == "network:2001:db8:1:2::/64");
}

BOOST_AUTO_TEST_CASE(what_a_request_does_not_belong_to_has_no_key) {
    const auto settings = with_customers();
    const account::identity who{"press", "", nullptr, {}};
    const mail_address null_sender;
    const account::scope_facts facts{who, "unknown", null_sender};
    for (const auto scope : {limit_scope::domain, limit_scope::customer, limit_scope::client_address,
                             limit_scope::client_network, limit_scope::sender_address, limit_scope::sender_domain}) {
        BOOST_TEST_CONTEXT(scope) {
            BOOST_TEST(!scope_key(settings, scope, facts).has_value());
        }
    }
}

BOOST_AUTO_TEST_CASE(a_customer_is_found_by_domain_below_it_or_account) {
    const auto settings = with_customers();
    const auto customer = [&](const char* name, const char* login) {
        return account::customer_of(settings, {name, login, nullptr, {}}) != nullptr;
    };
    BOOST_TEST(customer("a@acme.example", "a@acme.example"));
    BOOST_TEST(customer("a@x.y.acme.example", "a@x.y.acme.example"));
    const config::account_entry relay{"acme-relay", {}, {}, {}, {}};
    BOOST_TEST((account::customer_of(settings, {"acme-relay", "", &relay, {}}) != nullptr));
    BOOST_TEST(!customer("acme-relay@other.example", "acme-relay@other.example")); // reads like one of its accounts
    BOOST_TEST(!customer("acme-relay", "acme-relay"));
    BOOST_TEST(!customer("a@notacme.example", "a@notacme.example"));
    BOOST_TEST(!customer("uid:1000", ""));
}

BOOST_AUTO_TEST_CASE(what_an_operator_writes_becomes_the_same_key) {
    const auto settings = with_customers();
    const std::pair<const char*, const char*> table[] = {{"Alice@Example.org", "alice@example.org"},
                                                         {"domain:Example.ORG", "domain:example.org"},
                                                         {"network:192.0.2.0/24", "network:192.0.2.0/24"},
                                                         {"network:192.0.2.9", "network:192.0.2.0/24"},
                                                         {"client:2001:db8::1", "client:2001:db8::1"},
                                                         {"customer: Acme", "customer:acme"},
                                                         {"uid:1000", "uid:1000"}};
    for (const auto& [text, key] : table) {
        BOOST_TEST_CONTEXT(text) {
            BOOST_TEST(parse_lock_subject(settings, text).value() == key);
        }
    }
    for (const auto* wrong : {"", "domain:", "client:example.org", "network:300.0.0.1"}) {
        BOOST_TEST_CONTEXT(wrong) {
            BOOST_TEST(parse_lock_subject(settings, wrong).has_error());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
