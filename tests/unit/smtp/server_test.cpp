// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/smtp/server.hpp"

#include <boost/test/unit_test.hpp>

#include <random>

using namespace postsluice;
using namespace postsluice::smtp;
using namespace std::string_literals;

namespace {

server_options options(protocol speaks = protocol::lmtp) {
    server_options out;
    out.speaks = speaks;
    out.hostname = "filter.example";
    out.capabilities = {"8BITMIME", "SIZE 5000"};
    out.max_command_line = 200;
    out.max_errors = 5;
    out.max_message_size = 1000;
    return out;
}

// Drives a machine as a session would and writes down everything that leaves it, in order: replies as they are, events
// in brackets.
struct driver {
    explicit driver(server_options o)
        : speaks{o.speaks}
        , machine{std::move(o)} {
        take_output();
    }

    void feed(std::string_view octets) {
        machine.feed(octets);
        run();
    }
    void end() {
        machine.feed_end();
        run();
    }
    void take_output() { log += std::exchange(machine.output(), {}); }
    bool handle(const server_action& next) {
        take_output();
        if (std::holds_alternative<action::want_input>(next)) return false;
        if (std::holds_alternative<action::bye>(next)) {
            if (!closed) log += "[bye]";
            closed = true;
            return false;
        }
        if (std::holds_alternative<action::begin_message>(next)) {
            log += "[begin]";
            seen = machine.current();
            content.clear();
            if (refuse)
                machine.refuse_data(*refuse);
            else
                machine.accept_data();
        } else if (const auto* piece = std::get_if<action::content>(&next)) {
            content += piece->bytes;
        } else if (const auto* end = std::get_if<action::end_of_message>(&next)) {
            log += "[" + content + (end->too_large ? " too large]" : "]");
            const std::size_t count = speaks == protocol::lmtp ? machine.current().recipients.size() : 1;
            machine.finish(std::vector<reply>(count, make_reply(250, "2.0.0", "taken")));
        } else if (const auto* abort = std::get_if<action::abort_message>(&next)) {
            log += "[abort: "s + std::string{abort->why} + "]";
        }
        return true;
    }
    void run() {
        while (handle(machine.step())) {
        }
    }

    protocol speaks;
    server machine;
    std::optional<reply> refuse;
    std::string log, content;
    envelope seen;
    bool closed = false;
};

std::string talk(const server_options& o, std::string_view input, std::size_t cut = 0, bool end = true) {
    driver d{o};
    d.feed(input.substr(0, cut));
    d.feed(input.substr(cut));
    if (end) d.end();
    return d.log;
}

std::string talk_by_octets(const server_options& o, std::string_view input) {
    driver d{o};
    for (std::size_t i = 0; i < input.size(); ++i)
        d.feed(input.substr(i, 1));
    d.end();
    return d.log;
}

const std::string greeting = "220 filter.example LMTP Postsluice\r\n";
const std::string hello = "LHLO mx\r\n";
const std::string hello_reply =
    "250-filter.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
    "250 XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\r\n";
const std::string bye = "221 2.0.0 Bye\r\n[bye]";
const std::string mail_ok = "250 2.1.0 Ok\r\n", rcpt_ok = "250 2.1.5 Ok\r\n";
const std::string go = "[begin]354 End data with <CR><LF>.<CR><LF>\r\n";

void same_however_cut(const server_options& o, std::string_view input, const std::string& expected) {
    for (std::size_t cut = 0; cut <= input.size(); ++cut) {
        BOOST_TEST_CONTEXT("cut at " << cut) {
            BOOST_TEST(talk(o, input, cut) == expected);
        }
    }
    BOOST_TEST(talk_by_octets(o, input) == expected);
}

} // namespace

BOOST_AUTO_TEST_SUITE(smtp_server)

BOOST_AUTO_TEST_CASE(an_lmtp_dialogue_is_the_same_however_it_is_cut) {
    const std::string input =
        hello +
        "XFORWARD NAME=a.example ADDR=192.0.2.1\r\n"
        "MAIL FROM:<a@example.org> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x> NOTIFY=NEVER\r\nDATA\r\n"
        "Subject: x\r\n\r\n..dot\r\nbare\nline\r\n.\r\n"
        "RSET\r\nNOOP\r\nVRFY b\r\nQUIT\r\nNOOP\r\n";
    const std::string expected = greeting + hello_reply + "250 2.0.0 Ok\r\n" + mail_ok + rcpt_ok + rcpt_ok + go +
                                 "[Subject: x\r\n\r\n.dot\r\nbare line\r\n]250 2.0.0 taken\r\n250 2.0.0 taken\r\n"
                                 "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n252 2.0.0 Cannot verify here; send some mail\r\n" +
                                 bye;
    same_however_cut(options(), input, expected);
}

BOOST_AUTO_TEST_CASE(an_smtp_dialogue_with_one_reply_for_all_recipients) {
    const std::string input = "EHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nDATA\r\nx\r\n.\r\n"
                              "HELO mx\r\nmail from: a@b AUTH=x SIZE=1\r\nrcpt  to : c@d\r\ndata\r\n.\r\nquit\r\n";
    const std::string expected = "220 filter.example ESMTP Postsluice\r\n" + hello_reply + mail_ok + rcpt_ok + rcpt_ok +
                                 go + "[x\r\n]250 2.0.0 taken\r\n250 filter.example\r\n" + mail_ok + rcpt_ok + go +
                                 "[]250 2.0.0 taken\r\n" + bye;
    same_however_cut(options(protocol::smtp), input, expected);
}

BOOST_AUTO_TEST_CASE(the_envelope_is_kept_as_it_came) {
    driver d{options()};
    d.feed(hello + "XFORWARD NAME=a+2Bb IDENT=4Xyz\r\nXFORWARD HELO=[UNAVAILABLE] ADDR=192.0.2.1\r\n"
                   "MAIL FROM: a@b AUTH=<> SIZE=1\r\nRCPT TO:<\"q r\"@X> ORCPT=rfc822;q+20r@x\r\nDATA\r\n");
    BOOST_TEST(d.seen.helo == "mx");
    BOOST_TEST(d.seen.sender.raw == "a@b AUTH=<> SIZE=1");
    BOOST_TEST(d.seen.sender.path == "a@b");
    BOOST_TEST(d.seen.recipients.at(0).raw == "<\"q r\"@X> ORCPT=rfc822;q+20r@x");
    BOOST_TEST(d.seen.recipients.at(0).address.local == "q r");
    const std::map<std::string, std::string> xforward{{"NAME", "a+b"}, {"IDENT", "4Xyz"}, {"ADDR", "192.0.2.1"}};
    BOOST_TEST((d.seen.xforward == xforward));
}

BOOST_AUTO_TEST_CASE(xforward_does_not_outlive_its_transaction) {
    for (const std::string end : {"RSET\r\n", "LHLO mx\r\n", "MAIL FROM:<x@y>\r\nRCPT TO:<z@x>\r\nDATA\r\n.\r\n"}) {
        BOOST_TEST_CONTEXT(end) {
            driver d{options()};
            d.feed(hello + "XFORWARD NAME=first\r\n" + end + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
            BOOST_TEST(d.seen.xforward.empty());
            BOOST_TEST(d.seen.recipients.size() == 1U);
            BOOST_TEST(d.seen.sender.path == "<a@b>");
        }
    }
}

BOOST_AUTO_TEST_CASE(violations_are_answered_from_a_closed_set) {
    const std::string mail = "MAIL FROM:<a@b>\r\n", rcpt = "RCPT TO:<c@d>\r\n";
    struct row {
        std::string before, input, answer;
    };
    const row table[] = {
        {"", mail, "503 5.5.1 Error: send EHLO or LHLO first\r\n"},
        {"", "EHLO mx\r\n", "500 5.5.2 Error: this is LMTP, send LHLO\r\n"},
        {"", "HELO mx\r\n", "500 5.5.2 Error: this is LMTP, send LHLO\r\n"},
        {"", "LHLO\r\n", "501 5.5.4 Syntax: EHLO or LHLO hostname\r\n"},
        {hello, "", ""},
        {hello, rcpt, "503 5.5.1 Error: need MAIL command\r\n"},
        {hello, "DATA\r\n", "503 5.5.1 Error: need MAIL command\r\n"},
        {hello + mail, "DATA\r\n", "554 5.5.1 Error: no valid recipients\r\n"},
        {hello + mail, mail, "503 5.5.1 Error: nested MAIL command\r\n"},
        {hello + mail, "XFORWARD NAME=x\r\n", "503 5.5.1 Error: MAIL transaction in progress\r\n"},
        {hello + mail + rcpt, "DATA now\r\n", "501 5.5.4 Syntax: DATA\r\n"},
        {hello, "XFORWARD\r\n", "501 5.5.4 Syntax: XFORWARD attribute=value...\r\n"},
        {hello, "XFORWARD NAME=+zz\r\n", "501 5.5.4 Syntax: XFORWARD attribute=value...\r\n"},
        {hello, "MAIL\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"},
        {hello, "MAIL FROM:\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"},
        {hello, "MAIL TO:<a@b>\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"},
        {hello, "MAIL FROM:<a@b>\n\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"},
        {hello, "MAIL FROM:<a@b>\nRCPT TO:<c@d>\r\n", "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"},
        {hello, "MAIL FROM:<a\0@b>\r\n"s, "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"},
        {hello, "MAIL FROM:<a@b> SIZE=1001\r\n", "552 5.3.4 Message size exceeds fixed limit\r\n"},
        {hello, "MAIL FROM:<a@b> SIZE=99999999999999999999999999\r\n",
         "552 5.3.4 Message size exceeds fixed limit\r\n"},
        {hello, "MAIL FROM:<a@b> SIZE=ten\r\n", "501 5.5.4 Error: bad message size syntax\r\n"},
        {hello, "MAIL FROM:<a@b> SIZE=\r\n", "501 5.5.4 Error: bad message size syntax\r\n"},
        {hello + mail, "RCPT TO:<>\r\n", "501 5.1.3 Bad recipient address syntax\r\n"},
        {hello + mail, "RCPT FROM:<a@b>\r\n", "501 5.5.4 Syntax: RCPT TO:<address>\r\n"},
        {hello + "MAIL FROM:<a@b> SIZE=1001\r\n", rcpt, "503 5.5.1 Error: the MAIL command was refused\r\n"},
        {hello + "MAIL FROM:<a@b> SIZE=1001\r\n", "DATA\r\n", "503 5.5.1 Error: the MAIL command was refused\r\n"},
        {hello, "BDAT 5 LAST\r\n", "502 5.5.1 Error: command not offered\r\n"},
        {hello, "AUTH PLAIN AGEAYg==\r\n", "502 5.5.1 Error: command not offered\r\n"},
        {hello, "STARTTLS\r\n", "502 5.5.1 Error: command not offered\r\n"},
        {hello, "XCLIENT LOGIN=root\r\n", "502 5.5.1 Error: command not offered\r\n"},
        {hello, "\r\n", "500 5.5.2 Error: command not recognized\r\n"},
        {hello, ".\r\n", "500 5.5.2 Error: command not recognized\r\n"},
        {hello, "NOOP\nNOOP\r\n", "500 5.5.2 Error: command not recognized\r\n"},
        {hello, "\0\xff\xfe\r\n"s, "500 5.5.2 Error: command not recognized\r\n"},
        {hello, "MAILFROM:<a@b>\r\n", "500 5.5.2 Error: command not recognized\r\n"},
        {hello, "VRFY\r\n", "501 5.5.4 Syntax: VRFY address\r\n"},
        {hello, "RSET all\r\n", "501 5.5.4 Syntax: RSET\r\n"},
        {hello, "NOOP " + std::string(300, 'x') + "\r\n", "500 5.5.2 Error: line too long\r\n"},
        {hello, "NOOP " + std::string(195, 'x') + "\r\n", "250 2.0.0 Ok\r\n"},
        {hello, "NOOP " + std::string(196, 'x') + "\r\n", "500 5.5.2 Error: line too long\r\n"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.input) {
            const auto before = talk(options(), row.before, 0, false);
            const auto expected = before + row.answer + "250 2.0.0 Ok\r\n" + bye; // the session goes on
            const auto input = row.before + row.input + "NOOP\r\nQUIT\r\n";
            for (const auto cut :
                 {row.before.size(), row.before.size() + row.input.size() / 2, input.size() - 15, input.size()}) {
                BOOST_TEST(talk(options(), input, cut) == expected);
            }
            BOOST_TEST(talk_by_octets(options(), input) == expected);
        }
    }
}

BOOST_AUTO_TEST_CASE(violations_of_smtp_are_answered_from_the_same_set) {
    const std::string ehlo = "EHLO mx\r\n", mail = "MAIL FROM:<a@b>\r\n", rcpt = "RCPT TO:<c@d>\r\n";
    struct row {
        std::string before, input, answer;
    };
    const row table[] = {
        {"", mail, "503 5.5.1 Error: send EHLO or LHLO first\r\n"},
        {"", rcpt, "503 5.5.1 Error: need MAIL command\r\n"},
        {"", "LHLO mx\r\n", "500 5.5.2 Error: command not recognized\r\n"},
        {"", "EHLO\r\n", "501 5.5.4 Syntax: EHLO or LHLO hostname\r\n"},
        {ehlo, "DATA\r\n", "503 5.5.1 Error: need MAIL command\r\n"},
        {ehlo + mail, "DATA\r\n", "554 5.5.1 Error: no valid recipients\r\n"},
        {ehlo + mail, mail, "503 5.5.1 Error: nested MAIL command\r\n"},
        {ehlo + mail + rcpt, mail, "503 5.5.1 Error: nested MAIL command\r\n"},
        {ehlo + mail + rcpt + "RSET\r\n", rcpt, "503 5.5.1 Error: need MAIL command\r\n"},
        {ehlo + mail + rcpt, "BDAT 5 LAST\r\n", "502 5.5.1 Error: command not offered\r\n"},
        {ehlo + mail + rcpt + ehlo, "DATA\r\n", "503 5.5.1 Error: need MAIL command\r\n"},
    };
    const auto o = options(protocol::smtp);
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.before << row.input) {
            const auto before = talk(o, row.before, 0, false);
            const auto expected = before + row.answer + "250 2.0.0 Ok\r\n" + bye; // the session goes on
            const auto input = row.before + row.input + "NOOP\r\nQUIT\r\n";
            BOOST_TEST(talk(o, input, row.before.size() + row.input.size() / 2) == expected);
            BOOST_TEST(talk_by_octets(o, input) == expected);
        }
    }
}

BOOST_AUTO_TEST_CASE(an_http_request_is_refused_and_the_connection_closed) {
    const std::string refused = "500 5.5.2 Error: command not recognized\r\n";
    same_however_cut(options(), "POST / HTTP/1.1\r\nHost: x\r\nA: b\r\nB: c\r\n\r\nMAIL FROM:<a@b>\r\n",
                     greeting + refused + refused + refused + refused + refused +
                         "421 4.7.0 Error: too many errors\r\n[bye]");
}

BOOST_AUTO_TEST_CASE(a_line_without_end_comes_to_an_end) {
    for (const char c : {'x', '\0', '\n', '\r'}) {
        driver d{options()};
        std::size_t fed = 0;
        for (; !d.closed && fed < 100'000; fed += 50)
            d.feed(std::string(50, c));
        BOOST_TEST(d.closed);
        BOOST_TEST(fed < 2000U);
        BOOST_TEST(d.log == greeting + "500 5.5.2 Error: line too long\r\n421 4.7.0 Error: too many errors\r\n[bye]");
    }
}

BOOST_AUTO_TEST_CASE(an_over_long_line_is_dropped_whole_however_it_is_cut) {
    const std::string input = hello + "NOOP " + std::string(250, 'x') + "\r\r\nNOOP\r\nQUIT\r\n";
    same_however_cut(options(), input,
                     greeting + hello_reply + "500 5.5.2 Error: line too long\r\n250 2.0.0 Ok\r\n" + bye);
}

BOOST_AUTO_TEST_CASE(what_follows_a_refused_mail_is_no_error_of_the_peer) {
    std::string input = hello + "MAIL FROM:<a@b> SIZE=1001\r\n", expected = greeting + hello_reply;
    expected += "552 5.3.4 Message size exceeds fixed limit\r\n";
    for (int i = 0; i < 50; ++i) {
        input += "RCPT TO:<c@d>\r\n";
        expected += "503 5.5.1 Error: the MAIL command was refused\r\n";
    }
    BOOST_TEST(talk(options(), input + "DATA\r\nRSET\r\nQUIT\r\n") ==
               expected + "503 5.5.1 Error: the MAIL command was refused\r\n250 2.0.0 Ok\r\n" + bye);
}

BOOST_AUTO_TEST_CASE(a_finished_message_clears_the_count_of_errors) {
    std::string input = hello;
    for (int i = 0; i < 4; ++i)
        input += "what\r\nwhat\r\nwhat\r\nwhat\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n";
    BOOST_TEST(talk(options(), input).find("421") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(too_many_recipients_are_deferred_and_the_others_served) {
    auto o = options();
    o.max_recipients = 2;
    const std::string rcpt = "RCPT TO:<c@d>\r\n";
    const auto log = talk(o, hello + "MAIL FROM:<a@b>\r\n" + rcpt + rcpt + rcpt + "DATA\r\nx\r\n.\r\nQUIT\r\n");
    BOOST_TEST(log == greeting + hello_reply + mail_ok + rcpt_ok + rcpt_ok +
                          "452 4.5.3 Error: too many recipients\r\n" + go +
                          "[x\r\n]250 2.0.0 taken\r\n250 2.0.0 taken\r\n" + bye);
}

BOOST_AUTO_TEST_CASE(refused_data_leaves_the_session_usable) {
    driver d{options()};
    d.refuse = make_reply(451, "4.3.0", "not now");
    const std::string transaction = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    d.feed(hello + transaction);
    BOOST_TEST(d.log == greeting + hello_reply + mail_ok + rcpt_ok + "[begin]451 4.3.0 not now\r\n");
    BOOST_TEST(d.machine.in_transaction());
    d.refuse.reset();
    d.log.clear();
    d.feed("RSET\r\n" + transaction + "x\r\n.\r\n");
    BOOST_TEST(d.log == "250 2.0.0 Ok\r\n" + mail_ok + rcpt_ok + go + "[x\r\n]250 2.0.0 taken\r\n");
    BOOST_TEST(!d.machine.in_transaction());
}

BOOST_AUTO_TEST_CASE(the_end_of_the_stream_inside_content_aborts_whatever_came_before) {
    const std::string begin = hello + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    const std::string answered = greeting + hello_reply + mail_ok + rcpt_ok + go;
    const std::string gone = "[abort: the client went away inside the content][bye]";
    for (const std::string content : {"", "x", "x\r\n", "x\r\n.", "x\r\n.\r", "x\n.\n", "x\r\nquit"}) {
        BOOST_TEST_CONTEXT(content) {
            same_however_cut(options(), begin + content, answered + gone);
        }
    }
    same_however_cut(options(), begin + "x\r\nQUIT\r\n",
                     answered + "[abort: the client said QUIT inside the content][bye]");
}

BOOST_AUTO_TEST_CASE(the_end_of_the_stream_outside_content_is_a_silent_bye) {
    for (const auto& input : {""s, hello, hello + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n", hello + "DAT"}) {
        BOOST_TEST_CONTEXT(input) {
            BOOST_TEST(talk(options(), input).ends_with("\r\n[bye]"));
        }
    }
}

BOOST_AUTO_TEST_CASE(content_over_the_bound_is_cut_and_reported) {
    const std::string begin = hello + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    for (const std::size_t size : {997U, 998U, 999U, 5000U}) {
        BOOST_TEST_CONTEXT(size) {
            driver d{options()};
            d.feed(begin);
            const std::string line(size, 'x');
            for (const char c : line + "\r\n.\r\n")
                d.feed({&c, 1});
            const bool over = size + 2 > 1000;
            BOOST_TEST(d.content == (line + "\r\n").substr(0, 1000));
            BOOST_TEST((d.log.find(" too large]") != std::string::npos) == over);
        }
    }
}

BOOST_AUTO_TEST_CASE(smuggled_ends_of_data_end_no_content) {
    const std::string begin = hello + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    for (const auto& variant :
         {"\n.\n"s, "\n.\r\n"s, "\r.\r"s, "\r.\r\n"s, "\r\n.\n"s, "\r\n.\r"s, "\r\n\0.\r\n"s, "\r\n.\r\r\n"s}) {
        driver d{options()};
        d.feed(begin + "a" + variant + "MAIL FROM:<evil@x>\r\n.\r\n");
        BOOST_TEST(d.content.find("MAIL FROM:<evil@x>") != std::string::npos);
        BOOST_TEST(d.log.ends_with("]250 2.0.0 taken\r\n"));
    }
}

BOOST_AUTO_TEST_CASE(shut_down_speaks_at_the_next_command_boundary) {
    const std::string stopping = "421 4.3.2 Service shutting down, try again later\r\n[bye]";
    driver idle{options()};
    idle.machine.shut_down();
    idle.run();
    BOOST_TEST(idle.log == greeting + stopping);
    driver busy{options()};
    busy.feed(hello + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx");
    busy.machine.shut_down();
    busy.feed("y\r\n.\r\nNOOP\r\n");
    BOOST_TEST(busy.log.ends_with("[xy\r\n]250 2.0.0 taken\r\n" + stopping));
}

BOOST_AUTO_TEST_CASE(xforward_that_is_not_allowed_is_neither_offered_nor_taken) {
    auto o = options();
    o.allow_xforward = false;
    o.capabilities = {"XFORWARD NAME", "STARTTLS", "AUTH PLAIN", "CHUNKING", "SIZE 10", "dsn", "SMTPUTF8"};
    BOOST_TEST(talk(o, hello + "XFORWARD NAME=x\r\nQUIT\r\n") ==
               greeting +
                   "250-filter.example\r\n250-PIPELINING\r\n250-SIZE 10\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250 "
                   "SMTPUTF8\r\n" +
                   "550 5.7.0 Error: insufficient authorization\r\n" + bye);
}

BOOST_AUTO_TEST_CASE(a_hundred_mebibytes_pass_in_pieces_of_bounded_size) {
    auto o = options();
    o.max_message_size = 0;
    server machine{o};
    machine.feed(hello + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    while (!std::holds_alternative<action::begin_message>(machine.step())) {
    }
    machine.accept_data();
    std::string block;
    while (block.size() < 65536 - 80)
        block += ".stuffed and long enough to be a line of mail text, as lines of mail are\r\n";
    std::uint64_t fed = 0, got = 0;
    std::size_t largest = 0;
    bool ended = false;
    while (!ended) {
        const bool last = fed > 100U << 20U;
        machine.feed(last ? ".\r\n" : block);
        if (!last) fed += block.size();
        for (bool more = true; more && !ended;) {
            const auto next = machine.step();
            if (const auto* piece = std::get_if<action::content>(&next)) {
                got += piece->bytes.size();
                largest = std::max(largest, piece->bytes.size());
            } else {
                more = false;
                ended = std::holds_alternative<action::end_of_message>(next);
            }
        }
    }
    const auto lines = fed / 74;
    BOOST_TEST(got == fed - lines);
    BOOST_TEST(largest <= 65536U);
}

BOOST_AUTO_TEST_CASE(random_octets_never_break_it_and_get_well_formed_replies) {
    std::mt19937 random{20240807};
    const std::string words[] = {
        "MAIL FROM:", "RCPT TO:", "<a@b>",     "DATA\r\n", ".\r\n", "\r\n", "LHLO x\r\n", "RSET\r\n",
        "\n",         "\r",       "XFORWARD ", "NAME=a",   " ",     "\0"s,  "QUIT\r\n",   "NOOP\r\n",
        "\xff",       "SIZE=",    "\"",        "<",        ">",     "+2"};
    for (int round = 0; round < 3000; ++round) {
        std::string input = random() % 2 ? hello : "";
        for (auto n = random() % 60; n > 0; --n)
            input += words[random() % std::size(words)];
        const auto whole = talk(options(), input);
        BOOST_REQUIRE(whole == talk(options(), input, random() % (input.size() + 1)));
        BOOST_REQUIRE(whole == talk_by_octets(options(), input));
        driver d{options()};
        d.feed(input);
        for (std::size_t at = 0; at < d.log.size();) { // every line outside the brackets is a reply
            if (d.log[at] == '[') {
                at = d.log.find(']', at) + 1;
                if (at == 0) break;
                continue;
            }
            const auto end = d.log.find("\r\n", at);
            BOOST_REQUIRE(end != std::string::npos);
            BOOST_REQUIRE((d.log[at] >= '2' && d.log[at] <= '5' && (d.log[at + 3] == ' ' || d.log[at + 3] == '-')));
            at = end + 2;
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
