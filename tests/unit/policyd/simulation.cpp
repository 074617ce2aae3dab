// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "policyd/simulation/report.hpp"

#include "rig.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

namespace postsluice::policyd::simulation {

using namespace postsluice::policyd::test;

BOOST_AUTO_TEST_SUITE(simulation_suite)

namespace {

const instant noon{milliseconds{1767268800000}}; // 2026-01-01T12:00:00Z

recorded line(instant at, const request& what, std::uint64_t connection = 7, std::string_view answer = "DUNNO") {
    recorded out;
    out.at = at;
    out.connection = connection;
    out.protocol_state = what.at;
    out.client_address = what.client_address;
    out.server_address = what.server_address;
    out.server_port = what.server_port;
    out.sender = what.sender;
    out.recipient = what.recipient;
    out.queue_id = what.queue_id;
    out.instance = what.instance;
    out.sasl_username = what.sasl_username;
    out.recipient_count = what.recipient_count;
    out.size = what.size;
    out.answer = answer;
    return out;
}

recorded closing(instant at, std::uint64_t connection = 7) {
    recorded out;
    out.at = at;
    out.close = true;
    out.connection = connection;
    return out;
}

/// One message of `n` recipients, all in one instant.
void message(replay& into, instant at, std::string_view instance, int n) {
    for (int i = 0; i < n; ++i) {
        const std::string to = "r" + std::to_string(i) + '@' + std::string{instance} + ".example";
        into.feed(line(at, rcpt(instance, to)));
    }
    into.feed(line(at, data(instance, static_cast<std::uint32_t>(n))));
    into.feed(line(at, end_of_message(instance, static_cast<std::uint32_t>(n))));
}

} // namespace

BOOST_AUTO_TEST_CASE(the_limit_refuses_what_it_would_have_refused_and_frees_with_the_recorded_time) {
    const scratch_directory in;
    replay past{*make_settings(), in.path()}; // 3 recipients, 2 messages an hour
    message(past, noon, "i1", 2);
    message(past, noon + seconds{60}, "i2", 3);   // one fits
    message(past, noon + seconds{7500}, "i3", 3); // two hours later
    const auto& of = past.so_far().accounts.at("alice@example.org");
    BOOST_TEST(of.recipients == 8U);
    BOOST_TEST(of.refused == 2U);
    BOOST_TEST(of.messages == 3U);
    BOOST_REQUIRE(of.by.size() == 1U);
    BOOST_TEST(of.by.begin()->first.first == "limits");
    BOOST_TEST(of.by.begin()->first.second == "recipients per hour");
    BOOST_TEST((of.by.begin()->second.first == noon + seconds{60}));
    BOOST_TEST(past.so_far().trouble == 0U);
}

BOOST_AUTO_TEST_CASE(observe_mode_of_the_configuration_does_not_hide_what_would_be_refused) {
    const scratch_directory in;
    auto settings = *make_settings();
    settings.mode = config::run_mode::observe;
    auto p = *settings.profiles.at("default");
    p.observe = true;
    p.observe_rules = {"limits"};
    settings.profiles["default"] = std::make_shared<const config::profile>(p);
    replay past{settings, in.path()};
    message(past, noon, "i1", 5);
    BOOST_TEST(past.so_far().accounts.at("alice@example.org").refused == 2U);
}

BOOST_AUTO_TEST_CASE(a_connection_that_ended_before_data_gives_back_what_it_held) {
    for (const bool ended : {true, false}) {
        BOOST_TEST_CONTEXT(ended) {
            const scratch_directory in;
            replay past{*make_settings(), in.path()};
            for (const char* to : {"a@x.example", "b@x.example", "c@x.example"}) {
                past.feed(line(noon, rcpt("i1", to)));
            }
            if (ended) {
                past.feed(closing(noon + seconds{1}));
            }
            past.feed(line(noon + seconds{2}, rcpt("i2", "d@x.example"), 8));
            BOOST_TEST(past.so_far().accounts.at("alice@example.org").refused == (ended ? 0U : 1U));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_recipient_refused_now_is_not_counted_at_data) {
    const scratch_directory in;
    replay past{*make_settings(), in.path()};
    message(past, noon, "i1", 5); // Postfix said 5 at DATA, since none was refused then
    const auto& of = past.so_far().accounts.at("alice@example.org");
    BOOST_TEST(of.refused == 2U); // at RCPT only
    BOOST_TEST(of.messages == 1U);
}

BOOST_AUTO_TEST_CASE(what_asks_the_network_is_switched_off_and_named) {
    config::profile p;
    p.valid_sender = true;
    p.spf = config::spf_policy::require;
    p.valid_recipients = config::recipient_policy::count;
    p.blocked_senders = {"socketmap:unix:/x:y", "bad@example.org"};
    p.on_lock = {"exec:/bin/false"};
    config::settings s;
    s.profiles["default"] = std::make_shared<const config::profile>(p);
    std::vector<std::string> not_asked;
    const auto made = settings_for_simulation(s, not_asked);
    const auto& offline = *made->profiles.at("default");
    BOOST_TEST(!offline.valid_sender);
    BOOST_TEST((offline.spf == config::spf_policy::ignore));
    BOOST_TEST(offline.blocked_senders == std::vector<std::string>{"bad@example.org"});
    BOOST_TEST(offline.on_lock.empty());
    const auto named = [&](std::string_view what) {
        return std::any_of(not_asked.begin(), not_asked.end(), [&](const auto& one) { return one.starts_with(what); });
    };
    for (const auto* what : {"valid_sender", "valid_recipients", "spf", "maps of the network"})
        BOOST_TEST(named(what), what);
}

BOOST_AUTO_TEST_CASE(a_mail_log_becomes_messages) {
    mail_log log{noon};
    for (const char* text :
         {"2025-12-31T10:00:00.5+01:00 mail postfix/submission/smtpd[1]: 4AbCdE1: client=c[192.0.2.7], "
          "sasl_method=PLAIN, sasl_username=alice@example.org",
          "2025-12-31T10:00:01+01:00 mail postfix/cleanup[2]: 4AbCdE1: message-id=<x@y>",
          "2025-12-31T10:00:01+01:00 mail postfix/qmgr[3]: 4AbCdE1: from=<alice@example.org>, size=99, nrcpt=3 (queue "
          "active)",
          "2025-12-31T10:00:02+01:00 mail postfix/to-filter/lmtp[4]: 4AbCdE1: to=<a@x.example>, relay=z, status=sent",
          "2025-12-31T10:00:02+01:00 mail postfix/reentry/smtpd[1]: 4AbCdE2: client=localhost[127.0.0.1], "
          "orig_queue_id=4AbCdE1, orig_client=c[192.0.2.7]",
          "2025-12-31T10:00:02+01:00 mail postfix/qmgr[3]: 4AbCdE2: from=<alice@example.org>, size=120, nrcpt=3 (queue "
          "active)",
          "2025-12-31T10:09:01+01:00 mail postfix/qmgr[3]: 4AbCdE1: from=<alice@example.org>, size=1, nrcpt=1 (queue "
          "active)",
          "2025-12-31T10:10:00+01:00 mail postfix/qmgr[3]: 4AbCdE1: removed", "nonsense", "",
          "2025-12-31T10:10:00+01:00 mail postfix/smtpd[9]: 4AbCdE3: client=gave[192.0.2.9], "
          "sasl_username=up@example.org"}) {
        log.line(text);
    }
    const auto all = log.take();
    BOOST_REQUIRE(all.size() == 1U);
    BOOST_TEST(to_iso8601(all[0].at) == "2025-12-31T09:00:00Z");
    BOOST_TEST(all[0].sasl_username == "alice@example.org");
    BOOST_TEST(all[0].client_address == "192.0.2.7");
    BOOST_TEST(all[0].sender == "alice@example.org");
    BOOST_TEST(all[0].size == 99U);
    BOOST_TEST(all[0].recipient_count == 3U);
    BOOST_TEST(all[0].recipients == std::vector<std::string>{"a@x.example"});
}

BOOST_AUTO_TEST_CASE(times_of_syslog_are_of_the_latest_year_that_fits_and_go_on_over_new_year) {
    mail_log log{noon}; // the first of January 2026
    for (const auto& [id, time] : {std::pair{"4AAAA1", "Dec 31 23:59:58"}, std::pair{"4AAAA2", "Jan  1 00:00:03"}}) {
        log.line(std::string{time} + " h postfix/smtpd[1]: " + id + ": client=c[192.0.2.7], sasl_username=a@x");
        log.line(std::string{time} + " h postfix/qmgr[1]: " + id + ": from=<a@x>, size=1, nrcpt=1 (queue active)");
    }
    const auto all = log.take();
    BOOST_REQUIRE(all.size() == 2U);
    BOOST_TEST(to_iso8601(all[0].at).starts_with("2025-12-31"), to_iso8601(all[0].at));
    BOOST_TEST(to_iso8601(all[1].at).starts_with("2026-01-01"), to_iso8601(all[1].at));
}

BOOST_AUTO_TEST_CASE(a_logged_message_is_refused_by_the_same_limits) {
    const scratch_directory in;
    replay past{*make_settings(), in.path()};
    logged_message one;
    one.at = noon;
    one.queue_id = "4AbCdE1";
    one.client_address = "192.0.2.7";
    one.sasl_username = one.sender = "alice@example.org";
    one.size = 10;
    one.recipient_count = 5;
    one.recipients = {"a@x.example"};
    past.feed(one);
    const auto& of = past.so_far().accounts.at("alice@example.org");
    BOOST_TEST(of.recipients == 5U);
    BOOST_TEST(of.refused == 2U);
    BOOST_TEST(of.messages == 1U);
}

BOOST_AUTO_TEST_CASE(proposals_are_the_ninety_ninth_percentile_of_busy_periods_rounded_up) {
    BOOST_TEST(round_up(7) == 7U);
    BOOST_TEST(round_up(99) == 99U);
    BOOST_TEST(round_up(101) == 110U);
    BOOST_TEST(round_up(4321) == 4400U);
    usage use;
    for (int day = 0; day < 200; ++day) { // 197 usual days, and three wild ones: more than one in a hundred
        use.message("a@x", "default", noon + std::chrono::hours{24 * day}, day >= 50 && day <= 52 ? 900U : 10U);
    }
    const auto all = use.accounts();
    BOOST_REQUIRE(all.size() == 1U);
    const auto& per_minute = all[0].limits[3]; // recipients per minute
    BOOST_TEST(to_string(per_minute.what) == "900 recipients per minute");
    BOOST_TEST(per_minute.periods == 200U);
    usage calm;
    for (int day = 0; day < 200; ++day) {
        calm.message("a@x", "default", noon + std::chrono::hours{24 * day}, day == 50 ? 900U : 10U);
    }
    const auto quiet = calm.accounts();
    BOOST_TEST(to_string(quiet[0].limits[3].what) == "10 recipients per minute");
    BOOST_TEST(quiet[0].limits[3].highest == 900U);
    BOOST_TEST(quiet[0].limits[3].above == 1U);
}

BOOST_AUTO_TEST_CASE(windows_slide_over_the_borders_of_periods) {
    usage use;
    use.message("a@x", "default", noon - seconds{1}, 5);
    use.message("a@x", "default", noon + seconds{1}, 5);
    BOOST_TEST(use.accounts()[0].limits[3].highest == 10U);
    use.message("a@x", "default", noon + seconds{59}, 5); // the first is a whole minute old
    BOOST_TEST(use.accounts()[0].limits[3].highest == 10U);
}

BOOST_AUTO_TEST_CASE(the_report_fits_eighty_columns_and_its_json_is_json) {
    const scratch_directory in;
    replay past{*make_settings(), in.path()};
    message(past, noon, "i1", 9);
    report of;
    of.what = past.so_far();
    of.with_proposals = true;
    of.proposals = past.real_use().accounts();
    std::ostringstream text, program;
    print_text(text, of);
    print_json(program, of);
    std::istringstream lines{text.str()};
    for (std::string one; std::getline(lines, one);) {
        BOOST_TEST(one.size() <= 80U, one);
    }
    BOOST_TEST(text.str().find("6 of 9 recipients refused") != std::string::npos, text.str());
    const auto read = nlohmann::json::parse(program.str());
    BOOST_TEST(read.at("accounts").at(0).at("refused") == 6);
    BOOST_TEST(read.at("profiles").at(0).at("limits").size() == 6U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::policyd::simulation
