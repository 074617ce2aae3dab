// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/smtp/client.hpp"

#include <boost/test/unit_test.hpp>

#include <random>

using namespace postsluice;
using namespace postsluice::smtp;
using namespace std::string_literals;

namespace {

struct turn {
    std::string said;  ///< what the machine must have put out
    std::string reply; ///< what it hears then
};

client_options options(protocol speaks = protocol::smtp) {
    return {speaks, "filter.example", 5, 200};
}

envelope to(const std::vector<std::string>& recipients, const std::string& sender = "<a@example.org>") {
    envelope out;
    out.sender = parse_path_argument(sender).value();
    for (const auto& r : recipients)
        out.recipients.push_back(parse_path_argument(r).value());
    return out;
}

// Plays turns against a machine; replies are fed in pieces of `piece` octets. Returns the action it stopped at.
client_action play(client& machine, const std::vector<turn>& turns, std::size_t piece = 1000) {
    client_action last = action::want_input{};
    for (const auto& t : turns) {
        last = machine.step();
        BOOST_TEST(machine.output() == t.said);
        machine.output().clear();
        for (std::size_t at = 0; at < t.reply.size(); at += piece) {
            machine.feed(std::string_view{t.reply}.substr(at, piece));
            if (at + piece < t.reply.size()) last = machine.step();
        }
        last = machine.step();
    }
    return last;
}

const std::string banner = "220 next.example ESMTP\r\n";
const std::string full_hello = "250-next.example\r\n250-PIPELINING\r\n250-SIZE 100\r\n250-8BITMIME\r\n250 DSN\r\n";

client connected(const std::string& hello = full_hello, protocol speaks = protocol::smtp) {
    client machine{options(speaks)};
    const std::string verb = speaks == protocol::lmtp ? "LHLO" : "EHLO";
    const auto last = play(machine, {{"", banner}, {verb + " filter.example\r\n", hello}});
    BOOST_TEST(std::holds_alternative<action::ready>(last));
    return machine;
}

const std::string plain_hello = "250 next.example\r\n";
const std::string one_mail = "MAIL FROM:<a@example.org> SIZE=7\r\nRCPT TO:<b@x>\r\nDATA\r\n";
const std::string all_accepted = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n";

std::string codes(const std::vector<reply>& replies) {
    std::string out;
    for (const auto& r : replies)
        out += std::to_string(r.code) + " " + r.enhanced + ", ";
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(smtp_client)

BOOST_AUTO_TEST_CASE(a_pipelined_transaction_and_a_second_over_the_same_connection) {
    for (std::size_t piece = 1; piece < 80; ++piece) {
        BOOST_TEST_CONTEXT("pieces of " << piece) {
            client machine{options()};
            BOOST_TEST(std::holds_alternative<action::ready>(
                play(machine, {{"", banner}, {"EHLO filter.example\r\n", full_hello}}, piece)));
            BOOST_TEST(machine.capabilities().size() == 4U);
            for (int round = 0; round < 2; ++round) {
                machine.begin(to({"<b@x>"}), 7);
                BOOST_TEST(
                    std::holds_alternative<action::send_content>(play(machine, {{one_mail, all_accepted}}, piece)));
                machine.content_sent();
                BOOST_TEST((machine.stage() == client_stage::dot_sent));
                BOOST_TEST(!machine.reusable());
                const auto last = play(machine, {{"", "250 2.0.0 queued as 4X\r\n"}}, piece);
                BOOST_TEST(std::holds_alternative<action::finished>(last));
                BOOST_TEST((machine.stage() == client_stage::done));
                BOOST_TEST(!machine.result().failure.has_value());
                BOOST_TEST(outcomes(machine.result()).at(0) == make_reply(250, "2.0.0", "queued as 4X"));
                BOOST_TEST(machine.reusable());
            }
            machine.quit();
            const auto last = play(machine, {{"QUIT\r\n", "221 2.0.0 Bye\r\n"}}, piece);
            BOOST_TEST(std::holds_alternative<action::finished>(last));
            BOOST_TEST(!machine.reusable());
        }
    }
}

BOOST_AUTO_TEST_CASE(without_pipelining_each_command_waits) {
    auto machine = connected(plain_hello);
    machine.begin(to({"<b@x>", "<c@x>"}), 7);
    const auto last = play(machine, {{"MAIL FROM:<a@example.org>\r\n", "250 Ok\r\n"},
                                     {"RCPT TO:<b@x>\r\n", "550 5.1.1 no\r\n"},
                                     {"RCPT TO:<c@x>\r\n", "250 Ok\r\n"},
                                     {"DATA\r\n", "354 go\r\n"}});
    BOOST_TEST(std::holds_alternative<action::send_content>(last));
    BOOST_TEST(machine.result().accepted() == 1U);
    machine.content_sent();
    play(machine, {{"", "250 2.0.0 Ok\r\n"}});
    BOOST_TEST(codes(outcomes(machine.result())) == "550 5.1.1, 250 2.0.0, ");
}

BOOST_AUTO_TEST_CASE(lmtp_has_a_reply_for_each_accepted_recipient) {
    auto machine = connected(full_hello, protocol::lmtp);
    machine.begin(to({"<b@x>", "<c@x>", "<d@x>", "<e@x>"}), 7);
    play(machine, {{"MAIL FROM:<a@example.org> SIZE=7\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nRCPT TO:<d@x>\r\nRCPT "
                    "TO:<e@x>\r\nDATA\r\n",
                    "250 Ok\r\n250 Ok\r\n450 4.2.0 later\r\n250 Ok\r\n250 Ok\r\n354 go\r\n"}});
    machine.content_sent();
    BOOST_TEST(std::holds_alternative<action::want_input>(play(machine, {{"", "250 2.0.0 Ok\r\n550 5.2.2 full\r\n"}})));
    BOOST_TEST(std::holds_alternative<action::finished>(play(machine, {{"", "452 4.3.1 disk\r\n"}})));
    BOOST_TEST(codes(outcomes(machine.result())) == "250 2.0.0, 450 4.2.0, 550 5.2.2, 452 4.3.1, ");
    BOOST_TEST(machine.reusable());
}

BOOST_AUTO_TEST_CASE(replies_to_an_lmtp_dot_that_do_not_fit_are_no_success_of_those_without_one) {
    struct row {
        std::string dots, expected;
        bool reusable;
    };
    const row table[] = {
        {"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n", "250 2.0.0, 250 2.0.0, 250 2.0.0, ", true},
        {"", "451 4.4.2, 451 4.4.2, 451 4.4.2, ", false},
        {"250 2.0.0 Ok\r\n", "250 2.0.0, 451 4.4.2, 451 4.4.2, ", false},
        {"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n25", "250 2.0.0, 250 2.0.0, 451 4.4.2, ", false},
        {"250 2.0.0 Ok\r\n421 4.3.2 bye\r\n", "250 2.0.0, 451 4.3.2, 451 4.4.2, ", false},
        {"250 2.0.0 Ok\r\n354 what\r\n250 2.0.0 Ok\r\n", "250 2.0.0, 451 4.5.0, 451 4.5.0, ", false},
        {"250 2.0.0 Ok\r\nhello\r\n250 2.0.0 Ok\r\n", "250 2.0.0, 451 4.5.0, 451 4.5.0, ", false},
        {"550 5.2.2 full\r\n250 2.0.0 Ok\r\n452 4.3.1 disk\r\n", "550 5.2.2, 250 2.0.0, 452 4.3.1, ", true},
        {"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n", "250 2.0.0, 250 2.0.0, 250 2.0.0, ",
         false},
    };
    for (const auto& row : table) {
        for (const std::size_t piece : {1000U, 1U}) {
            BOOST_TEST_CONTEXT(row.dots << " in pieces of " << piece) {
                auto machine = connected(full_hello, protocol::lmtp);
                machine.begin(to({"<b@x>", "<c@x>", "<d@x>"}), 7);
                play(machine, {{"MAIL FROM:<a@example.org> SIZE=7\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nRCPT "
                                "TO:<d@x>\r\nDATA\r\n",
                                "250 Ok\r\n250 Ok\r\n250 Ok\r\n250 Ok\r\n354 go\r\n"}});
                machine.content_sent();
                auto last = play(machine, {{"", row.dots}}, piece);
                if (std::holds_alternative<action::want_input>(last)) {
                    machine.feed_end();
                    last = machine.step();
                }
                BOOST_TEST(std::holds_alternative<action::finished>(last));
                BOOST_TEST(codes(outcomes(machine.result())) == row.expected);
                BOOST_TEST(machine.reusable() == row.reusable);
                BOOST_TEST(machine.output().empty());
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(ehlo_refused_falls_back_to_helo_without_parameters) {
    client machine{options()};
    play(machine,
         {{"", banner}, {"EHLO filter.example\r\n", "502 no\r\n"}, {"HELO filter.example\r\n", "250 PIPELINING\r\n"}});
    BOOST_TEST(machine.capabilities().empty());
    machine.begin(to({"<b@x> NOTIFY=NEVER"}, "<a@example.org> BODY=8BITMIME AUTH=<> X=1"), 7);
    play(machine, {{"MAIL FROM:<a@example.org>\r\n", "250 Ok\r\n"}, {"RCPT TO:<b@x>\r\n", "250 Ok\r\n"}});
}

BOOST_AUTO_TEST_CASE(greetings_and_hellos_that_do_not_fit_are_failures_of_the_connection) {
    const std::vector<std::vector<turn>> table = {
        {{"", "554 5.7.1 go away\r\n"}},
        {{"", "421 4.3.2 later\r\n"}},
        {{"", "250 odd\r\n"}},
        {{"", "SSH-2.0-OpenSSH_9.2\r\n"}},
        {{"", std::string(300, 'x')}},
        {{"", banner + "250 next.example\r\n"}},
        {{"", banner}, {"EHLO filter.example\r\n", "500 no\r\n250 next.example\r\n"}},
        {{"", banner}, {"EHLO filter.example\r\n", "421 4.3.2 later\r\n"}},
        {{"", banner}, {"EHLO filter.example\r\n", "354 go\r\n"}},
        {{"", banner}, {"EHLO filter.example\r\n", "500 no\r\n"}, {"HELO filter.example\r\n", "500 no\r\n"}},
        {{"", banner}, {"EHLO filter.example\r\n", "250-1\r\n250-2\r\n250-3\r\n250-4\r\n250-5\r\n250 6\r\n"}},
        {{"", banner}, {"EHLO filter.example\r\n", "250 next.example\r\n250 again\r\n"}},
    };
    for (std::size_t i = 0; i < table.size(); ++i) {
        BOOST_TEST_CONTEXT("row " << i) {
            client machine{options()};
            BOOST_TEST(std::holds_alternative<action::finished>(play(machine, table[i])));
            BOOST_TEST(machine.result().failure.has_value());
            BOOST_TEST(!machine.reusable());
        }
    }
}

BOOST_AUTO_TEST_CASE(lmtp_does_not_fall_back) {
    client machine{options(protocol::lmtp)};
    const auto last = play(machine, {{"", banner}, {"LHLO filter.example\r\n", "500 5.5.1 this is SMTP\r\n"}});
    BOOST_TEST(std::holds_alternative<action::finished>(last));
    BOOST_TEST(machine.result().failure.has_value());
}

// Never success: each row is a dialogue after the hello, whether the dot went out, and what the one recipient is told.
BOOST_AUTO_TEST_CASE(answers_that_do_not_fit_never_count_as_success) {
    struct row {
        std::string envelope, dot, expected;
        bool reusable;
    };
    const row table[] = {
        {all_accepted, "250 2.0.0 Ok\r\n", "250 2.0.0, ", true},
        {all_accepted, "550 5.7.1 no\r\n", "550 5.7.1, ", true},
        {all_accepted, "451 4.3.0 later\r\n", "451 4.3.0, ", true},
        {all_accepted, "421 4.3.2 bye\r\n", "451 4.3.2, ", false},
        {all_accepted, "354 go on\r\n", "451 4.5.0, ", false},
        {all_accepted, "250\n", "451 4.5.0, ", false},
        {all_accepted, "all is well\r\n", "451 4.5.0, ", false},
        {all_accepted, "150 hm\r\n", "451 4.5.0, ", false},
        {all_accepted, "250-Ok\r\n550 no\r\n", "451 4.5.0, ", false},
        {all_accepted, "250 " + std::string(300, 'x'), "451 4.5.0, ", false},
        {all_accepted, "250-1\r\n250-2\r\n250-3\r\n250-4\r\n250-5\r\n250 6\r\n", "451 4.5.0, ", false},
        {all_accepted, "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n", "250 2.0.0, ", false},
        {"250 Ok\r\n250 Ok\r\n250 Ok\r\n", "", "451 4.5.0, ", false},
        {"250 Ok\r\n250 Ok\r\n334 go\r\n", "", "451 4.5.0, ", false},
        {"250 Ok\r\n354 Ok\r\n354 go\r\n", "", "451 4.5.0, ", false},
        {"354 Ok\r\n250 Ok\r\n354 go\r\n", "", "451 4.5.0, ", false},
        {"250 Ok\r\nwhat\r\n354 go\r\n", "", "451 4.5.0, ", false},
        {"250 Ok\r\n550 5.1.1 no\r\n354 go\r\n", "", "550 5.1.1, ", false},
        {"550 5.1.0 no\r\n503 no\r\n354 go\r\n", "", "550 5.1.0, ", false},
        {"550 5.1.0 no\r\n250 Ok\r\n354 go\r\n", "", "550 5.1.0, ", false},
        {"451 4.1.0 no\r\n503 5.5.1 no\r\n503 5.5.1 no\r\n", "", "451 4.1.0, ", true},
        {"250 Ok\r\n550 5.1.1 no\r\n554 5.5.1 no\r\n", "", "550 5.1.1, ", true},
        {"250 Ok\r\n250 Ok\r\n451 4.3.5 no\r\n", "", "451 4.3.5, ", true},
        {"421 4.3.2 bye\r\n", "", "451 4.3.2, ", false},
        {"250 Ok\r\n421 4.3.2 bye\r\n", "", "451 4.3.2, ", false},
        {"250 Ok\r\n250 Ok\r\n421 4.3.2 bye\r\n", "", "451 4.3.2, ", false},
        {"250 Ok\r\n250 Ok\r\n354 go\r\n250 2.0.0 early\r\n", "", "451 4.5.0, ", false},
        {"250 Ok\r\n250 Ok\r\n354 go\r\n2", "", "451 4.5.0, ", false},
    };
    for (const auto& row : table) {
        for (const std::size_t piece : {1000U, 1U}) {
            BOOST_TEST_CONTEXT(row.envelope << row.dot << " in pieces of " << piece) {
                auto machine = connected();
                machine.begin(to({"<b@x>"}), 7);
                auto last = play(machine, {{one_mail, row.envelope}}, piece);
                BOOST_TEST(std::holds_alternative<action::send_content>(last) == !row.dot.empty());
                if (!row.dot.empty()) {
                    machine.content_sent();
                    last = play(machine, {{"", row.dot}}, piece);
                }
                BOOST_TEST(std::holds_alternative<action::finished>(last));
                BOOST_TEST(machine.output().empty());
                BOOST_TEST(codes(outcomes(machine.result())) == row.expected);
                BOOST_TEST(machine.reusable() == row.reusable);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(the_connection_lost_at_any_octet_is_never_success) {
    const std::string script[] = {banner, full_hello, all_accepted, "250 2.0.0 Ok\r\n"};
    std::size_t total = 0;
    for (const auto& s : script)
        total += s.size();
    for (std::size_t most = 0; most < total; ++most) {
        BOOST_TEST_CONTEXT("after " << most << " octets") {
            client machine{options()};
            std::size_t left = most;
            bool begun = false;
            for (const auto& s : script) {
                if (&s == &script[2]) machine.begin(to({"<b@x>"}), 7), begun = true;
                if (&s == &script[3]) machine.content_sent();
                machine.feed(std::string_view{s}.substr(0, left));
                if (left < s.size()) break;
                left -= s.size();
                (void)machine.step();
            }
            const bool dot = machine.stage() == client_stage::dot_sent;
            machine.feed_end();
            const auto last = machine.step();
            BOOST_TEST(std::holds_alternative<action::finished>(last));
            BOOST_TEST(machine.result().failure.has_value());
            BOOST_TEST((machine.stage() == client_stage::dot_sent) == dot);
            BOOST_TEST(!machine.result().reused_connection_died);
            BOOST_TEST(!machine.reusable());
            if (begun) BOOST_TEST(codes(outcomes(machine.result())) == "451 4.4.2, ");
        }
    }
}

BOOST_AUTO_TEST_CASE(some_recipients_refused_can_be_seen_before_the_content_and_given_up) {
    auto machine = connected();
    machine.begin(to({"<b@x>", "<c@x>"}), 7);
    const auto last = play(machine, {{"MAIL FROM:<a@example.org> SIZE=7\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nDATA\r\n",
                                      "250 Ok\r\n250 Ok\r\n450 4.2.0 later\r\n354 go\r\n"}});
    BOOST_TEST(std::holds_alternative<action::send_content>(last));
    BOOST_TEST(machine.result().recipients.at(1)->code == 450);
    machine.abort_content("partly refused");
    BOOST_TEST(std::holds_alternative<action::finished>(machine.step()));
    BOOST_TEST(machine.output().empty());
    BOOST_TEST(!machine.reusable());
    BOOST_TEST((machine.stage() == client_stage::content));
    BOOST_TEST(codes(outcomes(machine.result())) == "451 4.4.2, 450 4.2.0, ");
}

BOOST_AUTO_TEST_CASE(a_transaction_that_ended_before_the_dot_is_reset_before_the_next) {
    auto machine = connected();
    machine.begin(to({"<b@x>"}), 7);
    play(machine, {{one_mail, "250 Ok\r\n550 5.1.1 no\r\n554 5.5.1 no\r\n"}});
    BOOST_TEST(machine.reusable());
    machine.begin(to({"<b@x>"}), 7);
    BOOST_TEST(std::holds_alternative<action::send_content>(
        play(machine, {{"RSET\r\n" + one_mail, "250 Ok\r\n" + all_accepted}})));
    machine.content_sent();
    play(machine, {{"", "250 Ok\r\n"}});
    machine.begin(to({"<b@x>"}), 7);
    play(machine, {{one_mail, all_accepted}});
}

BOOST_AUTO_TEST_CASE(a_kept_connection_that_died_is_told_apart) {
    for (const auto& [said, died] :
         {std::pair{""s, true}, {"421 4.4.2 timeout\r\n"s, true}, {"250 Ok\r\n"s, false}, {"55"s, true}}) {
        BOOST_TEST_CONTEXT(said) {
            auto machine = connected();
            machine.begin(to({"<b@x>"}), 7);
            play(machine, {{one_mail, all_accepted}});
            machine.content_sent();
            play(machine, {{"", "250 Ok\r\n"}});
            machine.begin(to({"<b@x>"}), 7);
            machine.feed(said);
            machine.feed_end();
            BOOST_TEST(std::holds_alternative<action::finished>(machine.step()));
            BOOST_TEST(machine.result().failure.has_value());
            BOOST_TEST(machine.result().reused_connection_died == died);
        }
    }
}

BOOST_AUTO_TEST_CASE(octets_out_of_turn_make_the_connection_unusable) {
    auto machine = connected();
    machine.feed("250 what else\r\n");
    BOOST_TEST(!machine.reusable());
    BOOST_TEST(std::holds_alternative<action::finished>(machine.step()));
    auto closed = connected();
    closed.feed_end();
    BOOST_TEST(!closed.reusable());
    BOOST_TEST(std::holds_alternative<action::finished>(closed.step()));
}

BOOST_AUTO_TEST_CASE(parameters_go_as_far_as_the_peer_can_take_them) {
    const std::string sender = "<a@example.org> SIZE=99 BODY=8BITMIME RET=HDRS ENVID=x AUTH=<> X-NEW=1";
    const std::string recipient = "<\"q r\"@x> NOTIFY=NEVER ORCPT=rfc822;q X=2";
    const std::pair<std::string, std::string> table[] = {
        {"250-n\r\n250 FOO\r\n", "MAIL FROM:<a@example.org> AUTH=<> X-NEW=1\r\n|RCPT TO:<\"q r\"@x> X=2\r\n"},
        {"250-n\r\n250 size\r\n", "MAIL FROM:<a@example.org> SIZE=7 AUTH=<> X-NEW=1\r\n|RCPT TO:<\"q r\"@x> X=2\r\n"},
        {"250-n\r\n250 8BITMIME\r\n",
         "MAIL FROM:<a@example.org> BODY=8BITMIME AUTH=<> X-NEW=1\r\n|RCPT TO:<\"q r\"@x> X=2\r\n"},
        {"250-n\r\n250 DSN\r\n", "MAIL FROM:<a@example.org> RET=HDRS ENVID=x AUTH=<> X-NEW=1\r\n|"
                                 "RCPT TO:<\"q r\"@x> NOTIFY=NEVER ORCPT=rfc822;q X=2\r\n"},
    };
    for (const auto& [hello, expected] : table) {
        BOOST_TEST_CONTEXT(hello) {
            auto machine = connected(hello);
            machine.begin(to({recipient}, sender), 7);
            const auto bar = expected.find('|');
            play(machine, {{expected.substr(0, bar), "250 Ok\r\n"}, {expected.substr(bar + 1), "250 Ok\r\n"}});
        }
    }
}

BOOST_AUTO_TEST_CASE(paths_go_out_as_they_came_and_addresses_without_a_path_in_rfc_form) {
    auto machine = connected(plain_hello);
    auto what = to({"<b@x>"}, "a@b");
    what.recipients[0].path.clear();
    what.recipients[0].address = mail_address::from_internal("q r@x");
    machine.begin(what, 0);
    play(machine, {{"MAIL FROM:a@b\r\n", "250 Ok\r\n"}, {"RCPT TO:<\"q r\"@x>\r\n", "250 Ok\r\n"}});
    auto own = connected(plain_hello);
    own.begin(make_envelope({}, {mail_address::from_internal("b@x")}), 0);
    play(own, {{"MAIL FROM:<>\r\n", "250 Ok\r\n"}, {"RCPT TO:<b@x>\r\n", "250 Ok\r\n"}});
}

BOOST_AUTO_TEST_CASE(what_cannot_be_sent_fails_before_a_word_is_said) {
    auto smuggler = to({"<b@x>"});
    smuggler.recipients[0].path = "<b@x>\r\nRCPT TO:<c@x>";
    const std::pair<envelope, errc> table[] = {
        {to({"<b@x>"}, "<a@example.org> SMTPUTF8"), errc::unsupported},
        {to({}), errc::malformed},
        {smuggler, errc::malformed},
    };
    for (const auto& [what, code] : table) {
        auto machine = connected();
        machine.begin(what, 7);
        BOOST_TEST(std::holds_alternative<action::finished>(machine.step()));
        BOOST_TEST(machine.output().empty());
        BOOST_TEST(machine.result().failure.has_value());
        BOOST_TEST(machine.result().failure_code == code);
        for (const auto& r : outcomes(machine.result()))
            BOOST_TEST(r.code == 451);
        BOOST_TEST(machine.reusable());
        machine.begin(to({"<b@x>"}), 7);
        play(machine, {{one_mail, all_accepted}});
    }
}

BOOST_AUTO_TEST_CASE(xforward_is_sent_as_far_as_offered_and_source_as_remote) {
    auto what = to({"<b@x>"});
    what.xforward = {
        {"NAME", "a b+c"}, {"ADDR", "IPV6:2001:db8::1"}, {"IDENT", "4Xyz"}, {"SOURCE", "LOCAL"}, {"PROTO", "ESMTP"}};
    auto machine = connected("250-n\r\n250-PIPELINING\r\n250 XFORWARD NAME ADDR PORT SOURCE IDENT\r\n");
    machine.begin(what, 7);
    const auto last = play(machine, {{"XFORWARD NAME=a+20b+2Bc ADDR=IPV6:2001:db8::1 IDENT=4Xyz SOURCE=REMOTE\r\n"
                                      "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@x>\r\nDATA\r\n",
                                      "550 5.7.0 no\r\n" + all_accepted}});
    BOOST_TEST(std::holds_alternative<action::send_content>(last)); // refused XFORWARD does not stop mail
    BOOST_TEST(machine.result().xforward_refused->code == 550);

    what.xforward = {
        {"NAME", std::string(300, 'n')}, {"HELO", std::string(300, 'h')}, {"IDENT", std::string(3000, 'i')}};
    auto longer = connected("250-n\r\n250 XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\r\n");
    longer.begin(what, 7);
    play(longer, {{"XFORWARD NAME=" + std::string(300, 'n') + "\r\n", "250 Ok\r\n"},
                  {"XFORWARD HELO=" + std::string(300, 'h') + " SOURCE=REMOTE\r\n", "250 Ok\r\n"},
                  {"MAIL FROM:<a@example.org>\r\n", "354 no\r\n"}});
    auto none = connected();
    none.begin(what, 7);
    play(none, {{one_mail, all_accepted}});
}

BOOST_AUTO_TEST_CASE(thousands_of_recipients_go_out_in_batches) {
    auto machine = connected();
    std::vector<std::string> recipients;
    for (int i = 0; i < 5000; ++i)
        recipients.push_back("<r" + std::to_string(i) + "@example.net>");
    machine.begin(to(recipients), 7);
    std::size_t batches = 0;
    for (auto next = machine.step(); std::holds_alternative<action::want_input>(next); next = machine.step()) {
        const auto said = std::exchange(machine.output(), {});
        BOOST_REQUIRE(!said.empty());
        BOOST_REQUIRE(said.size() <= 17000U);
        ++batches;
        for (std::size_t at = 0; at < said.size(); at = said.find("\r\n", at) + 2) {
            machine.feed(said.compare(at, 4, "DATA") == 0 ? "354 go\r\n" : "250 Ok\r\n");
        }
    }
    BOOST_TEST(batches >= 50U);
    BOOST_TEST(machine.result().accepted() == 5000U);
}

BOOST_AUTO_TEST_CASE(all_refused_without_pipelining_never_says_data) {
    auto machine = connected(plain_hello);
    machine.begin(to({"<b@x>"}), 7);
    const auto last =
        play(machine, {{"MAIL FROM:<a@example.org>\r\n", "250 Ok\r\n"}, {"RCPT TO:<b@x>\r\n", "550 5.1.1 no\r\n"}});
    BOOST_TEST(std::holds_alternative<action::finished>(last));
    BOOST_TEST(machine.output().empty());
    BOOST_TEST(machine.reusable());
}

// Whatever a peer says: it ends, and nobody is told 2xx unless the dot went out and a reply was 2xx.
BOOST_AUTO_TEST_CASE(random_replies_never_make_success_out_of_nothing) {
    std::mt19937 random{99};
    const std::string words[] = {"250 Ok\r\n", "354 go\r\n",  "550 no\r\n", "250-",       "\r\n",
                                 "\n",         "421 bye\r\n", "x",          "220 hi\r\n", "250"};
    for (int round = 0; round < 20000; ++round) {
        client machine{options(random() % 2 ? protocol::smtp : protocol::lmtp)};
        bool dot = false;
        if (random() % 8) play(machine, {{"", banner}});
        machine.output().clear();
        if (random() % 8) machine.feed(full_hello);
        for (auto n = random() % 14 + 1; n > 0; --n) {
            const auto next = machine.step();
            machine.output().clear();
            if (std::holds_alternative<action::ready>(next)) machine.begin(to({"<b@x>", "<c@x>"}), 1);
            if (std::holds_alternative<action::send_content>(next)) machine.content_sent(), dot = true;
            machine.feed(words[random() % (random() % 4 ? 3 : std::size(words))]);
        }
        machine.feed_end();
        BOOST_REQUIRE(std::holds_alternative<action::finished>(machine.step()));
        for (const auto& r : outcomes(machine.result())) {
            BOOST_REQUIRE(r.klass() != 3);
            BOOST_REQUIRE((!r.ok() || dot));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
