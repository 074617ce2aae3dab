// SPDX-License-Identifier: Apache-2.0
// valid_sender, valid_recipient and spf without their helpers, or where nothing is to be asked; what the DNS makes of
// them is tests/integration/test_dns_rules.py.
#define BOOST_TEST_DYN_LINK
#include "rig.hpp"
#include "shared/auth/spf.hpp"
#include "shared/dns/resolver.hpp"

using namespace postsluice;
using namespace postsluice::policyd;
using namespace postsluice::policyd::test;

BOOST_AUTO_TEST_SUITE(policyd_dns_rules)

namespace {

/// A resolver that nobody answers, at a port of the discard range on loopback.
config::dns_settings nobody() {
    config::dns_settings out;
    out.servers = {"127.0.0.1@9"};
    out.timeout = seconds{1};
    return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(valid_recipient_passes_where_the_dns_is_silent_and_valid_sender_is_on_error) {
    rig r;
    dns::resolver names{r.context.get_executor(), nobody()};
    pipeline asks{
        r.context.get_executor(), {r.accounts, r.locks, *r.tickets, r.time, {.resolver = &names}}, r.asks.settings()};
    BOOST_TEST(to_wire(r.run(asks.answer(rcpt("1.1", "a@example.net"), r.first))) == dunno);
    r.configure([](config::settings&, config::profile& p) {
        p.valid_sender = true;
        p.valid_recipients = config::recipient_policy::ignore;
    });
    asks.use(r.asks.settings());
    const auto refused = to_wire(r.run(asks.answer(rcpt("2.1", "a@example.net"), r.first)));
    BOOST_TEST(refused.starts_with("action=451 4.3.0 "));
    r.configure([](config::settings& s, config::profile&) { s.local_domains = {"example.org"}; });
    asks.use(r.asks.settings());
    BOOST_TEST(to_wire(r.run(asks.answer(rcpt("3.1", "a@example.net"), r.first))) == dunno);
}

BOOST_AUTO_TEST_CASE(valid_recipient_refuses_what_is_no_domain_without_asking) {
    rig r;
    dns::resolver names{r.context.get_executor(), nobody()};
    pipeline asks{
        r.context.get_executor(), {r.accounts, r.locks, *r.tickets, r.time, {.resolver = &names}}, r.asks.settings()};
    BOOST_TEST(to_wire(r.run(asks.answer(rcpt("1.1", "a@b..example"), r.first))).starts_with("action=550 5.1.3 "));
    for (const auto& local : {std::string{}, std::string{"a\x01"}}) {
        BOOST_TEST(
            to_wire(r.run(asks.answer(rcpt("1.2", local + "@b.example"), r.first))).starts_with("action=550 5.1.3 "));
    }
    BOOST_TEST(names.counts().asked == 0U);
}

BOOST_AUTO_TEST_CASE(spf_is_trouble_where_the_helper_cannot_be_started) {
    rig r;
    config::spf_settings how;
    how.helper = "/bin/true";
    auth::spf_checker checker{r.context.get_executor(), how, {}};
    r.configure([](config::settings& s, config::profile& p) {
        p.spf = config::spf_policy::require;
        s.outbound_addresses = {ip_network::parse("192.0.2.25").value()};
    });
    pipeline asks{
        r.context.get_executor(), {r.accounts, r.locks, *r.tickets, r.time, {.spf = &checker}}, r.asks.settings()};
    BOOST_TEST(to_wire(r.run(asks.answer(rcpt("1.1", "a@example.net"), r.first))).starts_with("action=451 4.3.0 "));
    BOOST_TEST(r.logged("SPF helper failed") == 1);
}

// Postfix would give up on us, and the reply of an evaluation that nobody waited for would be lost.
BOOST_AUTO_TEST_CASE(spf_that_takes_long_is_trouble_now_and_known_at_the_next_try) {
    rig r;
    config::spf_settings how;
    how.helper = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "postsluice-spf-helper";
    bool looked_up = false;
    const auto slow = [&](std::string, dns::record_type) -> asio::awaitable<result<dns::answer>> {
        asio::steady_timer timer{r.context, std::chrono::seconds{3}};
        co_await timer.async_wait(asio::use_awaitable);
        looked_up = true;
        const std::string text = "v=spf1 ip4:192.0.2.25 -all";
        co_return dns::answer{dns::outcome::records, {static_cast<char>(text.size()) + text}, seconds{60}};
    };
    auth::spf_checker checker{r.context.get_executor(), how, slow};
    r.configure([](config::settings& s, config::profile& p) {
        p.spf = config::spf_policy::require;
        s.spf.wait = seconds{1};
        s.outbound_addresses = {ip_network::parse("192.0.2.25").value()};
    });
    pipeline asks{
        r.context.get_executor(), {r.accounts, r.locks, *r.tickets, r.time, {.spf = &checker}}, r.asks.settings()};
    std::optional<decision> first;
    bool early = false;
    const auto what = rcpt("1.1", "a@example.net");
    asio::co_spawn(r.context, asks.answer(what, r.first), [&](std::exception_ptr e, decision d) {
        BOOST_REQUIRE(!e);
        early = !looked_up;
        first = std::move(d);
    });
    r.context.restart();
    r.context.run();
    BOOST_REQUIRE(first.has_value());
    BOOST_TEST(early);
    BOOST_TEST(to_wire(*first).starts_with("action=451 4.3.0 "));
    BOOST_TEST(looked_up);
    BOOST_TEST(to_wire(r.run(asks.answer(rcpt("1.2", "a@example.net"), r.first))) == dunno);
}

BOOST_AUTO_TEST_CASE(codes_of_these_rules_are_what_the_rfcs_say) {
    const std::pair<refusal_code, std::string_view> rows[] = {
        {refusal_code::recipient_domain, "action=550 5.1.2 "},   {refusal_code::recipient_syntax, "action=550 5.1.3 "},
        {refusal_code::recipient_null_mx, "action=556 5.1.10 "}, {refusal_code::sender_domain, "action=550 5.1.8 "},
        {refusal_code::sender_null_mx, "action=550 5.7.27 "},    {refusal_code::sender_spf, "action=550 5.7.23 "},
    };
    for (const auto& [code, expected] : rows) {
        BOOST_TEST(to_wire(refuse(code, reason::spf_fail, "x", "y")).starts_with(expected));
    }
}

BOOST_AUTO_TEST_SUITE_END()
