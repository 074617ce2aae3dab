// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"
#include "shared/auth/dkim_published.hpp"

#include <boost/test/unit_test.hpp>

namespace postsluice::auth {

BOOST_AUTO_TEST_SUITE(dkim_published)

BOOST_AUTO_TEST_CASE(what_is_published_is_compared_with_the_key) {
    const auto& rsa = test::key_pair()[0];
    const auto right = dns_record(rsa);
    const auto p = right.substr(right.find("p="));
    struct row {
        std::vector<std::string> records;
        std::string_view state;
    };
    const row rows[] = {
        {{right}, "good"},
        {{p}, "good"}, // v= and k= may be left out
        {{"v=DKIM1;k=rsa;h=sha1:sha256;s=*;t=s;n=note; " + p.substr(0, 40) + " " + p.substr(40) + ";"}, "good"},
        {{right + "; t=y"}, "testing"},
        {{}, "absent"},
        {{"v=DKIM1; p="}, "revoked"},
        {{"v=DKIM1; k=ed25519; " + p}, "different"},
        {{dns_record(test::key_pair()[1])}, "different"},
        {{right + "; h=sha1"}, "different"},
        {{right + "; s=tlsrpt"}, "different"},
        {{right, right}, "unreadable"},
        {{"v=spf1 -all"}, "unreadable"},
        {{"k=rsa; v=DKIM1; " + p}, "unreadable"}, // v= must be first (RFC 6376 section 3.6.1)
        {{"hello"}, "unreadable"},
    };
    for (const auto& [records, state] : rows)
        BOOST_TEST_CONTEXT((records.empty() ? std::string{} : records.front())) {
            const auto found = compare(rsa, records);
            BOOST_TEST(to_string(found.state) == state);
            BOOST_TEST(found.expected == right);
            BOOST_TEST(found.differences.empty() == (state == "good"));
        }
    BOOST_TEST(to_string(compare(test::key_pair()[1], {dns_record(test::key_pair()[1])}).state) == "good");
}

namespace {

constexpr seconds day{86400}, retry{300};

listed_key listed(signing_key key, key_role role = key_role::current) {
    return {std::move(key), role, "directory", {}, {}};
}

signing_key of_domain(const signing_key& key, const std::string& domain) {
    auto out = key;
    out.domain = domain;
    return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_key_is_asked_at_once_then_daily_and_trouble_leaves_what_was_known) {
    const auto& key = test::key_pair()[0];
    const auto name = record_name(key.domain, key.selector);
    auto now = test::some_time();
    published_keys known;
    known.watch({listed(key)});
    BOOST_TEST((known.state(key) == publication::unknown));
    BOOST_TEST(known.to_be_asked(key, now, retry));
    BOOST_TEST(known.due(now, day, retry, 10).size() == 1U);
    BOOST_TEST(known.due(now, day, retry, 10).empty());
    BOOST_TEST(known.learn(name, std::vector{dns_record(key)}, now).has_value());
    BOOST_TEST((known.state(key) == publication::good));
    BOOST_TEST(!known.to_be_asked(key, now, retry));
    BOOST_TEST(known.due(now + day - seconds{1}, day, retry, 10).empty());
    BOOST_TEST(known.due(now + day, day, retry, 10).size() == 1U);
    now += day;
    BOOST_TEST(!known.learn(name, failure{errc::timed_out, "no server"}, now).has_value());
    BOOST_TEST((known.state(key) == publication::good));
    BOOST_TEST(known.find(name)->trouble.find("no server") != std::string::npos);
    BOOST_TEST(known.due(now + retry - seconds{1}, day, retry, 10).empty());
    BOOST_TEST(known.due(now + retry, day, retry, 10).size() == 1U);
    BOOST_TEST(known.learn(name, std::vector<std::string>{}, now).has_value());
    BOOST_TEST((known.state(key) == publication::absent));
    BOOST_TEST(known.find(name)->trouble == "");
    BOOST_TEST(known.due(now + retry, day, retry, 10).size() == 1U); // it may be published any moment
    known.watch({});
    BOOST_TEST(!known.find(name).has_value());
}

BOOST_AUTO_TEST_CASE(a_failed_question_about_an_unknown_key_is_not_waited_for_again_at_once) {
    const auto& key = test::key_pair()[0];
    const auto now = test::some_time();
    published_keys known;
    BOOST_TEST(known.to_be_asked(key, now, retry));
    known.learn(record_name(key.domain, key.selector), failure{errc::timed_out, ""}, now);
    BOOST_TEST(!known.to_be_asked(key, now + seconds{1}, retry));
    BOOST_TEST(known.to_be_asked(key, now + retry, retry));
    BOOST_TEST((known.state(key) == publication::unknown));
}

BOOST_AUTO_TEST_CASE(keys_that_are_loaded_anew_keep_what_is_known_and_another_key_of_the_name_does_not) {
    const test::temporary_directory directory;
    const auto file = directory.write("k.pem", test::ed25519_pem());
    const auto first = load_key(file, "example.org", "s", 1024).value();
    const auto again = load_key(file, "example.org", "s", 1024).value();
    const auto other = load_key(directory.write("o.pem", test::ed25519_pem()), "example.org", "s", 1024).value();
    published_keys known;
    known.watch({listed(first)});
    known.learn("s._domainkey.example.org", std::vector{dns_record(first)}, test::some_time());
    known.watch({listed(again)});
    BOOST_TEST((known.state(again) == publication::good));
    known.watch({listed(other)});
    BOOST_TEST((known.state(other) == publication::unknown));
    BOOST_TEST(known.due(test::some_time(), day, retry, 10).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_wildcard_is_known_by_the_names_it_was_used_for_and_they_are_bounded) {
    const auto& key = test::key_pair()[1];
    published_keys known;
    known.watch({listed(of_domain(key, "*.example.org"))});
    BOOST_TEST(known.due(test::some_time(), day, retry, 10).empty()); // it has no record of its own
    for (std::size_t i = 0; i < published_keys::max_names + 5; ++i)
        (void)known.state(of_domain(key, "d" + std::to_string(i) + ".example.org"));
    BOOST_TEST(known.of_wildcards().size() == published_keys::max_names);
    BOOST_TEST(known.due(test::some_time(), day, retry, 100).size() == 100U);
    known.watch({listed(key), listed(of_domain(key, "*.example.org"))}); // there is room for those of the files
    BOOST_TEST(known.find(record_name(key.domain, key.selector)).has_value());
    BOOST_TEST(known.of_wildcards().size() == published_keys::max_names);
    known.watch({listed(test::key_pair()[0])});
    BOOST_TEST(known.of_wildcards().empty());
}

BOOST_AUTO_TEST_CASE(a_zone_record_has_strings_of_at_most_255_octets) {
    const auto value = dns_record(test::key_pair()[0]);
    const auto text = zone_record("s._domainkey.example.org", value);
    BOOST_TEST(text.starts_with("s._domainkey.example.org. IN TXT (\n"));
    std::string joined;
    for (auto begin = text.find('"'); begin != std::string::npos; begin = text.find('"', begin)) {
        const auto end = text.find('"', begin + 1);
        BOOST_TEST(end - begin - 1 <= 255U);
        joined += text.substr(begin + 1, end - begin - 1);
        begin = end + 1;
    }
    BOOST_TEST(joined == value);
}

BOOST_AUTO_TEST_CASE(signatures_expire_only_where_asked_and_both_signers_agree) {
    config::dkim_settings settings;
    BOOST_TEST((test::signed_message(test::plain_message()).text().find(" x=") == std::string::npos));
    settings.expire = seconds{14 * 86400};
    for (const auto signer : {config::dkim_signer::own, config::dkim_signer::libopendkim}) {
        settings.signer = signer;
        const auto now = std::chrono::floor<seconds>(test::some_time()).time_since_epoch() + settings.expire;
        const auto m = test::plain_message();
        const auto made =
            signer == config::dkim_signer::own
                ? sign(settings, test::key_pair(), m.views(), test::body_sha256(m.body), test::some_time())
                : sign_with_libopendkim(settings, test::key_pair(), m.views(), m.body, test::some_time());
        BOOST_TEST_REQUIRE(made.has_value());
        for (const auto& field : *made)
            BOOST_TEST((field.find("x=" + std::to_string(now.count())) != std::string::npos), field);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::auth
