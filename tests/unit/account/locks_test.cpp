// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/account/locks.hpp"

using namespace postsluice;
using namespace postsluice::account;

namespace {

const instant now{milliseconds{1767225600000}};

lock_state manual() {
    return {lock_kind::manual, now, {}, 0, {}, "", "anna", ""};
}

struct asking {
    config::settings settings;
    identity who{"alice@example.org", "alice@example.org", nullptr, {}};
    mail_address sender = mail_address::from_internal("office@shop.example");
    result<std::optional<lock_found>> in(const state::lock_set& set) {
        return find_lock(settings, {who, "192.0.2.7", sender}, set, now);
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(account_locks)

BOOST_FIXTURE_TEST_CASE(nothing_locked_is_nothing_found, asking) {
    BOOST_TEST(!in(state::lock_set{}).value().has_value());
    lock_state over = manual();
    over.until = now;
    BOOST_TEST(!in(state::lock_set{{{"alice@example.org", over}, {"domain:example.org", over}}}).value().has_value());
    BOOST_TEST(
        !in(state::lock_set{{{"bob@example.org", manual()}, {"domain:shop.example", manual()}}}).value().has_value());
}

BOOST_FIXTURE_TEST_CASE(each_scope_stops, asking) {
    const std::pair<const char*, limit_scope> table[] = {
        {"alice@example.org", limit_scope::account},
        {"domain:example.org", limit_scope::domain},
        {"client:192.0.2.7", limit_scope::client_address},
        {"network:192.0.2.0/24", limit_scope::client_network},
        {"network:192.0.2.0/29", limit_scope::client_network},
        {"sender:office@shop.example", limit_scope::sender_address},
        {"sender-domain:shop.example", limit_scope::sender_domain},
    };
    for (const auto& [key, scope] : table) {
        BOOST_TEST_CONTEXT(key) {
            const auto found = in(state::lock_set{{{key, manual()}}}).value();
            BOOST_REQUIRE(found.has_value());
            BOOST_TEST(found->key == key);
            BOOST_TEST(found->scope == scope);
            BOOST_TEST(scope_of(key) == scope);
        }
    }
}

BOOST_FIXTURE_TEST_CASE(a_damaged_record_is_an_error_for_those_it_concerns_and_no_excuse_for_others, asking) {
    const auto place = [](std::string_view key) { return "K" + std::string{key}; };
    const state::lock_set own{{}, {"Kalice@example.org"}, place};
    BOOST_TEST(in(own).error().code == errc::corrupt);
    const state::lock_set both{{{"domain:example.org", manual()}}, {"Kalice@example.org"}, place};
    BOOST_TEST(in(both).value()->key == "domain:example.org");
    const state::lock_set others{{}, {"Kbob@example.org"}, place};
    BOOST_TEST(!in(others).value().has_value());
}

BOOST_AUTO_TEST_CASE(keys_in_words) {
    BOOST_TEST(describe_subject("alice@example.org") == "the account alice@example.org");
    BOOST_TEST(describe_subject("uid:1000") == "the account uid:1000");
    BOOST_TEST(describe_subject("network:192.0.2.0/24") == "the client network 192.0.2.0/24");
    BOOST_TEST(subject_of("sender-domain:example.org") == "example.org");
}

BOOST_AUTO_TEST_SUITE_END()
