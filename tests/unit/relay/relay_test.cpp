// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/relay/relay.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <exception>
#include <filesystem>
#include <list>
#include <optional>

using namespace postsluice;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr auto patience = 60s;

/// One step of the scripted next hop: wait until `expect` has come, then say `say`, then perhaps close.
struct turn {
    std::string expect, say;
    bool close = false;
};
using script = std::vector<turn>;

/// A next hop that plays one script per connection and keeps what it heard on each.
struct next_hop {
    explicit next_hop(std::vector<script> s)
        : scripts{std::move(s)} {
        char name[] = "/tmp/postsluice-relay-XXXXXX";
        directory = mkdtemp(name);
        where = net::endpoint::parse("unix:" + (directory / "s").string()).value();
        listener.emplace(context.get_executor(), net::open_listener(where).value());
    }
    ~next_hop() { std::filesystem::remove_all(directory); }

    static asio::awaitable<void> serve(next_hop& self) {
        const auto executor = co_await asio::this_coro::executor;
        for (const auto& turns : self.scripts) {
            auto connection = co_await self.listener->accept(executor);
            if (!connection) co_return;
            self.heard.emplace_back();
            self.open.push_back(*std::move(connection));
            co_await play(turns, self.open.back(), self.heard.back());
        }
    }
    static asio::awaitable<void> play(const script& turns, net::stream& with, std::string& heard) {
        std::array<char, 4096> room{};
        std::size_t from = 0; // what has been searched already
        for (const auto& t : turns) {
            auto at = heard.find(t.expect, from);
            while (at == std::string::npos) {
                from = std::max(from, heard.size() - std::min(heard.size(), t.expect.size()));
                const auto got = co_await net::read_some(with, asio::buffer(room), patience);
                if (!got) co_return;
                heard.append(room.data(), *got);
                at = heard.find(t.expect, from);
            }
            from = at + t.expect.size();
            if (!t.say.empty()) co_await net::write_all(with, asio::buffer(t.say), patience);
            if (t.close) with.close();
            if (t.close) co_return;
        }
        for (;;) { // to the end of the connection
            const auto got = co_await net::read_some(with, asio::buffer(room), patience);
            if (!got) co_return;
            heard.append(room.data(), *got);
        }
    }

    // Runs `function(*this)` beside the server.
    template <class Function>
    void run(Function function) {
        int running = 2;
        const auto one_is_over = [&](std::exception_ptr e) {
            if (--running == 0) context.stop(); // timers of idle streams may still be armed
            if (e) std::rethrow_exception(e);
        };
        asio::co_spawn(context, serve(*this), one_is_over);
        asio::co_spawn(context, function(*this), [&](std::exception_ptr e) {
            listener->close();
            one_is_over(e);
        });
        context.run_for(120s);
        BOOST_REQUIRE(running == 0);
    }

    asio::io_context context;
    std::filesystem::path directory;
    net::endpoint where;
    std::optional<net::acceptor> listener;
    std::vector<script> scripts;
    std::list<net::stream> open;
    std::list<std::string> heard;
};

// For a hop that will not answer. All others get all the time a busy machine may need.
relay::deadlines short_deadlines() {
    relay::deadlines out;
    out.hello = out.envelope = out.dot = 1s;
    return out;
}

smtp::client_options options(smtp::protocol speaks = smtp::protocol::smtp) {
    return {speaks, "filter.example", 50, 1000};
}

relay::content_source pieces(std::vector<std::string> text) {
    return [text = std::move(text), next = std::size_t{0}]() mutable -> result<std::string> {
        return next < text.size() ? text[next++] : std::string{};
    };
}

relay::mail one_mail() {
    relay::mail out;
    out.envelope = smtp::make_envelope(mail_address::from_internal("a@x"), {mail_address::from_internal("b@x")});
    out.content = pieces({"Subject: x\r\n\r\n", ".dot\r\n", "end\r\n"});
    return out;
}

const turn greets{"", "220 next ESMTP\r\n"};
const turn hello{"EHLO filter.example\r\n", "250-next\r\n250 PIPELINING\r\n"};
const turn envelope{"DATA\r\n", "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n"};
const turn dot{"\r\n.\r\n", "250 2.0.0 queued as 4X\r\n"};
const std::string wire = "Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n";

// One mail over a new connection to a hop with this script.
smtp::transaction_result deliver(const script& s, std::optional<relay::mail> what = {}, std::string* heard = nullptr,
                                 smtp::protocol speaks = smtp::protocol::smtp, relay::deadlines limits = {}) {
    next_hop hop{{s}};
    smtp::transaction_result out;
    auto mail = what ? *std::move(what) : one_mail();
    hop.run([&](next_hop& h) {
        const auto go = [](next_hop& to, relay::mail m, smtp::protocol p, relay::deadlines d,
                           smtp::transaction_result& result) -> asio::awaitable<void> {
            relay::relay_connection connection{to.where, options(p), d};
            result = co_await connection.deliver(std::move(m));
        };
        return go(h, std::move(mail), speaks, limits, out);
    });
    if (heard) *heard = hop.heard.empty() ? "" : hop.heard.front();
    return out;
}

std::string told(const smtp::transaction_result& r) {
    std::string out;
    for (const auto& one : smtp::outcomes(r))
        out += std::to_string(one.code) + " " + one.enhanced + ",";
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(relaying)

BOOST_AUTO_TEST_CASE(mails_follow_each_other_over_one_connection) {
    next_hop hop{{{greets, hello, envelope, dot, envelope, dot, {"QUIT\r\n", "221 Bye\r\n", true}}}};
    hop.run([](next_hop& h) {
        const auto go = [](next_hop& to) -> asio::awaitable<void> {
            relay::relay_connection connection{to.where, options()};
            BOOST_TEST(!connection.reusable());
            for (int i = 0; i < 2; ++i) {
                const auto got = co_await connection.deliver(one_mail());
                BOOST_TEST(told(got) == "250 2.0.0,");
                BOOST_TEST(!got.failure.has_value());
                BOOST_TEST(connection.reusable());
            }
            BOOST_TEST(connection.capabilities().size() == 1U);
            co_await connection.quit();
            BOOST_TEST(!connection.reusable());
        };
        return go(h);
    });
    const std::string mail = "MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n" + wire;
    BOOST_TEST(hop.heard.front() == "EHLO filter.example\r\n" + mail + mail + "QUIT\r\n");
}

BOOST_AUTO_TEST_CASE(lmtp_tells_each_recipient) {
    auto mail = one_mail();
    mail.envelope = smtp::make_envelope({}, {mail_address::from_internal("b@x"), mail_address::from_internal("c@x")});
    const auto got = deliver({greets,
                              {"LHLO filter.example\r\n", "250-next\r\n250 PIPELINING\r\n"},
                              {"DATA\r\n", "250 Ok\r\n250 Ok\r\n250 Ok\r\n354 go\r\n"},
                              {"\r\n.\r\n", "250 2.0.0 Ok\r\n450 4.2.0 later\r\n"}},
                             mail, nullptr, smtp::protocol::lmtp);
    BOOST_TEST(told(got) == "250 2.0.0,450 4.2.0,");
}

// Every way in which a next hop can go wrong, what the sender is told, how far it came, and that no dot was sent but
// where it was.
BOOST_AUTO_TEST_CASE(a_hop_that_fails_at_any_step_never_makes_success) {
    using smtp::client_stage;
    struct row {
        const char* name;
        script hop;
        const char* told;
        client_stage stage;
    };
    const turn dies{"", "", true};
    const auto after = [](const turn& t, const std::string& say, bool close) { return turn{t.expect, say, close}; };
    const row table[] = {
        {"dies at once", {dies}, "451 4.4.1,", client_stage::connecting},
        {"greets with 554", {{"", "554 no\r\n"}}, "451 4.4.1,", client_stage::connecting},
        {"is silent", {}, "451 4.4.1,", client_stage::connecting},
        {"is no SMTP server", {{"", "HTTP/1.1 400 Bad Request\r\n"}}, "451 4.4.1,", client_stage::connecting},
        {"dies after EHLO", {greets, after(hello, "", true)}, "451 4.4.1,", client_stage::connecting},
        {"refuses EHLO with 421",
         {greets, after(hello, "421 4.3.2 no\r\n", true)},
         "451 4.4.1,",
         client_stage::connecting},
        {"is silent after EHLO", {greets, after(hello, "", false)}, "451 4.4.1,", client_stage::connecting},
        {"dies after the envelope", {greets, hello, after(envelope, "", true)}, "451 4.4.2,", client_stage::envelope},
        {"is silent after the envelope",
         {greets, hello, after(envelope, "", false)},
         "451 4.4.2,",
         client_stage::envelope},
        {"dies within a reply",
         {greets, hello, after(envelope, "250 Ok\r\n25", true)},
         "451 4.4.2,",
         client_stage::envelope},
        {"refuses MAIL",
         {greets, hello, after(envelope, "550 5.1.0 no\r\n503 n\r\n503 n\r\n", false)},
         "550 5.1.0,",
         client_stage::done},
        {"refuses RCPT, 354",
         {greets, hello, after(envelope, "250 k\r\n550 5.1.1 n\r\n354 g\r\n", false)},
         "550 5.1.1,",
         client_stage::envelope},
        {"250 to DATA",
         {greets, hello, after(envelope, "250 Ok\r\n250 Ok\r\n250 Ok\r\n", false)},
         "451 4.5.0,",
         client_stage::envelope},
        {"speaks too early",
         {greets, hello, after(envelope, "250 k\r\n250 k\r\n354 g\r\n250 k\r\n", false)},
         "451 4.5.0,",
         client_stage::content},
        {"dies at the dot", {greets, hello, envelope, after(dot, "", true)}, "451 4.4.2,", client_stage::dot_sent},
        {"dies within the last reply",
         {greets, hello, envelope, after(dot, "250 2.0.0 Ok\r", true)},
         "451 4.4.2,",
         client_stage::dot_sent},
        {"is silent at the dot",
         {greets, hello, envelope, after(dot, "", false)},
         "451 4.4.2,",
         client_stage::dot_sent},
        {"354 to the dot",
         {greets, hello, envelope, after(dot, "354 go\r\n", false)},
         "451 4.5.0,",
         client_stage::dot_sent},
        {"refuses the message",
         {greets, hello, envelope, after(dot, "550 5.7.1 no\r\n", false)},
         "550 5.7.1,",
         client_stage::done},
        {"421 to the dot",
         {greets, hello, envelope, after(dot, "421 4.3.2 bye\r\n", true)},
         "451 4.3.2,",
         client_stage::done},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT("the hop " << row.name) {
            std::string heard;
            const bool silent = std::string_view{row.name}.find("silent") != std::string_view::npos;
            const auto got =
                deliver(row.hop, {}, &heard, smtp::protocol::smtp, silent ? short_deadlines() : relay::deadlines{});
            BOOST_TEST(told(got) == row.told);
            BOOST_TEST((got.stage == row.stage));
            const bool dot_expected = row.stage == client_stage::dot_sent || got.dot.size() == 1;
            BOOST_TEST((heard.find("\r\n.\r\n") != std::string::npos) == dot_expected);
        }
    }
}

BOOST_AUTO_TEST_CASE(nobody_listening_is_a_temporary_failure) {
    next_hop hop{{}};
    smtp::transaction_result out;
    hop.listener->close();
    hop.run([&](next_hop& h) {
        const auto go = [](next_hop& to, smtp::transaction_result& result) -> asio::awaitable<void> {
            relay::relay_connection connection{to.where, options()};
            const auto opened = co_await connection.open();
            BOOST_TEST(opened.error().code == errc::unavailable);
            result = co_await connection.deliver(one_mail());
        };
        return go(h, out);
    });
    BOOST_TEST(told(out) == "451 4.4.1,");
    BOOST_TEST(out.failure_code == errc::unavailable);
}

BOOST_AUTO_TEST_CASE(a_kept_connection_that_died_is_opened_again_once) {
    // After the first mail the hop says or does this; the next mail goes over a second connection.
    for (const auto& [say, close] : {std::pair{"", true}, {"421 4.4.2 idle\r\n", true}, {"250 what\r\n", false}}) {
        BOOST_TEST_CONTEXT(say << " close=" << close) {
            next_hop hop{
                {{greets, hello, envelope, {dot.expect, dot.say + say, close}}, {greets, hello, envelope, dot}}};
            hop.run([](next_hop& h) {
                const auto go = [](next_hop& to) -> asio::awaitable<void> {
                    relay::relay_connection connection{to.where, options()};
                    for (int i = 0; i < 2; ++i) {
                        const auto got = co_await connection.deliver(one_mail());
                        BOOST_TEST(told(got) == "250 2.0.0,");
                    }
                };
                return go(h);
            });
            BOOST_TEST(hop.heard.size() == 2U);
        }
    }
}

// It looks alive, takes the commands of the second mail, and dies before its first reply; the second try dies too, and
// is the last.
BOOST_AUTO_TEST_CASE(death_before_the_first_reply_is_retried_once_and_asks_for_no_content) {
    const script dying{greets, hello, envelope, dot, {"DATA\r\n", "", true}};
    next_hop hop{{dying, {greets, hello, {"DATA\r\n", "", true}}}};
    hop.run([](next_hop& h) {
        const auto go = [](next_hop& to) -> asio::awaitable<void> {
            relay::relay_connection connection{to.where, options()};
            co_await connection.deliver(one_mail());
            auto mail = one_mail();
            bool asked = false;
            mail.content = [&asked]() -> result<std::string> {
                asked = true;
                return std::string{};
            };
            const auto got = co_await connection.deliver(std::move(mail));
            BOOST_TEST(told(got) == "451 4.4.2,");
            BOOST_TEST(!asked);
        };
        return go(h);
    });
    BOOST_TEST(hop.heard.size() == 2U);
}

BOOST_AUTO_TEST_CASE(what_speaks_against_the_dot_holds_it_back) {
    using smtp::client_stage;
    const script hop{greets, hello, envelope, dot};
    const auto with = [](auto change) {
        auto mail = one_mail();
        change(mail);
        return mail;
    };
    struct row {
        const char* name;
        relay::mail mail;
        errc code;
        bool content; ///< some content may have left
    };
    std::vector<row> table;
    table.push_back({"given up at DATA", with([](auto& m) { m.go_ahead = [](const auto&) { return false; }; }),
                     errc::closed, false});
    table.push_back(
        {"no longer wanted", with([](auto& m) { m.still_wanted = [] { return false; }; }), errc::closed, true});
    table.push_back(
        {"too late", with([](auto& m) { m.dot_before = std::chrono::steady_clock::now(); }), errc::timed_out, true});
    table.push_back({"unreadable", with([](auto& m) {
                         m.content = [] { return result<std::string>{failure{errc::corrupt, "disk"}}; };
                     }),
                     errc::corrupt, false});
    for (auto& row : table) {
        BOOST_TEST_CONTEXT(row.name) {
            std::string heard;
            const auto got = deliver(hop, std::move(row.mail), &heard);
            BOOST_TEST(got.failure.has_value());
            BOOST_TEST(got.failure_code == row.code);
            BOOST_TEST((got.stage == client_stage::content));
            BOOST_TEST(heard.find("\r\n.\r\n") == std::string::npos);
            BOOST_TEST(told(got).starts_with("451 "));
        }
    }
}

BOOST_AUTO_TEST_CASE(refused_recipients_are_seen_before_the_content) {
    auto mail = one_mail();
    mail.envelope = smtp::make_envelope({}, {mail_address::from_internal("b@x"), mail_address::from_internal("c@x")});
    std::size_t accepted = 99;
    mail.go_ahead = [&](const smtp::transaction_result& so_far) {
        accepted = so_far.accepted();
        return true;
    };
    const auto got =
        deliver({greets, hello, {"DATA\r\n", "250 Ok\r\n250 Ok\r\n550 5.1.1 no\r\n354 go\r\n"}, dot}, std::move(mail));
    BOOST_TEST(accepted == 1U);
    BOOST_TEST(told(got) == "250 2.0.0,550 5.1.1,");
}

BOOST_AUTO_TEST_CASE(a_hop_that_trickles_is_given_up_at_the_phase_s_deadline) {
    // One octet of a reply line at a time: each read succeeds, the phase must end all the same.
    next_hop hop{{}};
    smtp::transaction_result out;
    const auto trickle = [](next_hop& h) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto connection = co_await h.listener->accept(executor);
        if (!connection) co_return;
        std::array<char, 64> room{};
        for (;;) {
            if (!co_await net::write_all(*connection, asio::buffer("2", 1), 1s)) co_return;
            co_await net::read_some(*connection, asio::buffer(room), 20ms);
        }
    };
    asio::co_spawn(hop.context, trickle(hop), [](std::exception_ptr) {});
    const auto begin = std::chrono::steady_clock::now();
    hop.run([&](next_hop& h) {
        const auto go = [](next_hop& to, smtp::transaction_result& result) -> asio::awaitable<void> {
            relay::relay_connection connection{to.where, options(), short_deadlines()};
            result = co_await connection.deliver(one_mail());
        };
        return go(h, out);
    });
    BOOST_TEST(told(out) == "451 4.4.1,");
    BOOST_TEST(out.failure_code == errc::timed_out);
    BOOST_TEST((std::chrono::steady_clock::now() - begin < 60s));
}

BOOST_AUTO_TEST_CASE(a_large_message_arrives_whole_through_partial_writes) {
    std::string line(98, 'x');
    line += "\r\n";
    std::string block;
    for (int i = 0; i < 100; ++i)
        block += line;
    std::size_t left = 1000; // ten megabytes, far more than a socket holds
    auto mail = one_mail();
    mail.content = [&]() -> result<std::string> { return left-- > 0 ? block : std::string{}; };
    std::string heard;
    const auto got = deliver({greets, hello, envelope, dot}, std::move(mail), &heard);
    BOOST_TEST(told(got) == "250 2.0.0,");
    BOOST_TEST(heard.size() > 1000 * block.size());
    BOOST_TEST(heard.ends_with("x\r\n.\r\n"));
}

BOOST_AUTO_TEST_CASE(a_hop_that_does_not_read_the_content_is_given_up_before_the_dot) {
    next_hop hop{{}};
    smtp::transaction_result out;
    const auto deaf = [](next_hop& h) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        h.open.push_back((co_await h.listener->accept(executor)).value());
        co_await net::write_all(h.open.back(), asio::buffer(std::string_view{"220 n\r\n"}), 1s);
        std::array<char, 4096> room{};
        co_await net::read_some(h.open.back(), asio::buffer(room), 5s);
        co_await net::write_all(h.open.back(), asio::buffer(std::string_view{"250-n\r\n250 PIPELINING\r\n"}), 1s);
        co_await net::read_some(h.open.back(), asio::buffer(room), 5s);
        co_await net::write_all(h.open.back(), asio::buffer(std::string_view{"250 k\r\n250 k\r\n354 g\r\n"}), 1s);
    };
    asio::co_spawn(hop.context, deaf(hop), [](std::exception_ptr) {});
    hop.run([&](next_hop& h) {
        const auto go = [](next_hop& to, smtp::transaction_result& got) -> asio::awaitable<void> {
            relay::deadlines limits;
            limits.content = 50ms;
            relay::relay_connection connection{to.where, options(), limits};
            auto mail = one_mail();
            mail.content = []() -> result<std::string> { return std::string(60000, 'x'); };
            got = co_await connection.deliver(std::move(mail));
        };
        return go(h, out);
    });
    BOOST_TEST(out.failure_code == errc::timed_out);
    BOOST_TEST((out.stage == smtp::client_stage::content));
}

BOOST_AUTO_TEST_SUITE_END()
