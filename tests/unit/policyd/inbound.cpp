// SPDX-License-Identifier: Apache-2.0
// The rules for clients that are no account of ours.
#define BOOST_TEST_DYN_LINK
#include "rig.hpp"
#include "shared/auth/batv.hpp"

#include <fstream>

namespace postsluice::policyd::test {

BOOST_AUTO_TEST_SUITE(inbound)

namespace {

struct mx : rig {
    std::unique_ptr<auth::batv_keys> keys;
    std::unique_ptr<pipeline> here;

    mx() {
        config::batv_settings of;
        of.domains = {"example.org"};
        of.key_file = directory.path() / "batv.keys";
        of.exempt = {"press@example.org"};
        keys = auth::batv_keys::open(of, true).value();
        rule_helpers helpers;
        helpers.batv = keys.get();
        auto settings = make_settings();
        settings->batv = of;
        here = std::make_unique<pipeline>(context.get_executor(),
                                          pipeline::parts{accounts, locks, *tickets, time, helpers}, settings);
    }
    static request bounce(std::string_view recipient) {
        auto r = rcpt("1.2.3.4", recipient);
        r.client_address = "198.51.100.7";
        r.sasl_username = r.sender = "";
        return r;
    }
    decision hear(const request& what) { return run(here->answer(what, first)); }
    std::string tagged(std::string_view address) {
        const auto out = keys->tag(mail_address::from_internal(address), time.now()).value();
        return out.local + "@" + out.domain;
    }
};

} // namespace

BOOST_AUTO_TEST_CASE(batv_lets_a_bounce_with_a_valid_tag_pass) {
    mx m;
    const auto good = m.tagged("alice@example.org");
    BOOST_TEST(to_wire(m.hear(mx::bounce(good))) == dunno);
    BOOST_TEST(m.accounts.calls.empty()); // nothing is charged
    BOOST_TEST(m.here->counts().accepted == 0U);
    m.time.advance(std::chrono::hours{24 * 9});
    const auto late = m.hear(mx::bounce(good));
    BOOST_TEST(late.why == reason::bounce_forged);
    BOOST_TEST(late.text == "this bounce answers no mail of ours: its recipient carries a tag that has expired");
}

BOOST_AUTO_TEST_CASE(batv_refuses_bounces_without_a_tag_for_good_and_one_incident_is_one_domain) {
    mx m;
    const auto first = m.hear(mx::bounce("alice@example.org"));
    const auto second = m.hear(mx::bounce("bob@Example.ORG"));
    BOOST_TEST(
        to_wire(first).starts_with("action=550 5.7.1 this bounce answers no mail of ours: its recipient carries no "
                                   "tag; see https://example.org/policy ref "));
    BOOST_TEST(first.reference == second.reference);
    BOOST_TEST(m.accounts.recorded.at(0).account == "-");
    const auto forged = m.hear(mx::bounce("prvs=0123abcdef=alice@example.org"));
    BOOST_TEST(forged.text.ends_with("carries a tag that is not ours"));
    BOOST_TEST(forged.reference != first.reference);
}

BOOST_AUTO_TEST_CASE(batv_asks_nothing_else) {
    mx m;
    for (const std::string_view other : {"alice@example.net", "press@example.org", "postmaster@example.org",
                                         "abuse@example.org", "SRS0=x=y=z=bob@example.org"})
        BOOST_TEST(to_wire(m.hear(mx::bounce(other))) == dunno, other);
    auto mail = mx::bounce("alice@example.org");
    mail.sender = "friend@example.net";
    BOOST_TEST(to_wire(m.hear(mail)) == dunno);
    auto own = mx::bounce("alice@example.org"); // an account of ours is asked the other rules
    own.sasl_username = "alice@example.org";
    BOOST_TEST(to_wire(m.hear(own)) == dunno);
    BOOST_TEST(m.recipients() == 1U);
}

BOOST_AUTO_TEST_CASE(batv_that_has_no_key_defers_or_passes_as_on_error_says) {
    mx m;
    auto settings = std::make_shared<config::settings>(*m.here->settings());
    std::ofstream{settings->batv.key_file} << "";
    settings->batv.key_file = m.directory.path() / "gone";
    rule_helpers helpers;
    const auto reader = auth::batv_keys::open(settings->batv, false).value();
    helpers.batv = reader.get();
    pipeline broken{m.context.get_executor(), {m.accounts, m.locks, *m.tickets, m.time, helpers}, settings};
    const auto what = mx::bounce("prvs=0123abcdef=alice@example.org");
    BOOST_TEST(to_wire(m.run(broken.answer(what, m.first))).starts_with("action=451 4.3.0 "));
    settings = std::make_shared<config::settings>(*settings);
    settings->policyd.on_error = config::error_policy::dunno;
    broken.use(settings);
    BOOST_TEST(to_wire(m.run(broken.answer(what, m.first))) == dunno);
}

BOOST_AUTO_TEST_CASE(batv_in_observe_mode_refuses_nothing_and_says_so) {
    mx m;
    auto settings = std::make_shared<config::settings>(*m.here->settings());
    settings->mode = config::run_mode::observe;
    m.here->use(settings);
    BOOST_TEST(to_wire(m.hear(mx::bounce("alice@example.org"))) == dunno);
    BOOST_TEST(m.logged("would refuse") == 1);
    BOOST_TEST(m.logged("reason=bounce-forged") == 1);
}

BOOST_AUTO_TEST_CASE(a_client_known_by_its_certificate_is_asked_the_rules_of_accounts) {
    rig r;
    r.configure([](config::settings& s, config::profile&) {
        s.accounts.push_back({"relay", {}, {}, {"example.org"}, {}, {"AA:BB:CC"}});
    });
    auto what = rcpt("1.2.3.4", "x@example.net");
    what.sasl_username = "";
    BOOST_TEST(r.wire(what) == dunno);
    BOOST_TEST(r.accounts.calls.empty());
    what.ccert_pubkey_fingerprint = "aa:bb:cc";
    what.sender = "someone@elsewhere.example";
    BOOST_TEST(r.ask(what).why == reason::from_forbidden);
    what.sender = "press@example.org";
    BOOST_TEST(r.wire(what) == dunno);
    BOOST_TEST(r.accounts.used("account:relay", {limit::unlimited, limit_unit::recipients, seconds{3600}}) == 1U);
    auto end = data("1.2.3.4", 1);
    end.sasl_username = "";
    end.ccert_fingerprint = "Aa:bB:cC";
    const auto ticket = r.tickets->unseal(r.ask(end).text).value();
    BOOST_TEST(ticket.account == "relay");
    BOOST_TEST(ticket.login == "");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::policyd::test
