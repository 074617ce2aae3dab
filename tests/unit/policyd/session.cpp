// SPDX-License-Identifier: Apache-2.0
// Connections as Postfix makes them: over socket pairs and a unix socket, in this process.
#define BOOST_TEST_DYN_LINK
#include "policyd/server.hpp"
#include "rig.hpp"

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include <sys/stat.h>

using namespace postsluice;
using namespace postsluice::policyd;
using namespace postsluice::policyd::test;

namespace {

using unix_socket = asio::local::stream_protocol::socket;

std::string wire_request(std::string_view state, std::string_view instance, std::string_view recipient, int count = 0) {
    std::string out = "request=smtpd_access_policy\nprotocol_state=";
    out.append(state).append(
        "\nclient_address=192.0.2.7\nserver_address=192.0.2.1\nserver_port=587\nsender=alice@example.org\n");
    out.append("sasl_username=alice@example.org\nrecipient=").append(recipient).append("\ninstance=").append(instance);
    out.append("\nqueue_id=4AbC\nrecipient_count=").append(std::to_string(count)).append("\nsize=0\n\n");
    return out;
}

// One connection of a rig; this end is Postfix's.
struct connected {
    rig& with;
    session::bounds bounds;
    tick now = 0;
    net::ready_set ready{with.context.get_executor()};
    unix_socket postfix{with.context};
    std::unique_ptr<session> ours;
    bool over = false;

    explicit connected(rig& r, session::bounds b = {})
        : with{r}
        , bounds{b} {
        unix_socket other{r.context};
        asio::local::connect_pair(postfix, other);
        postfix.non_blocking(true);
        net::stream stream{r.context};
        stream.assign(asio::generic::stream_protocol{AF_UNIX, 0}, other.release());
        ours = std::make_unique<session>(std::move(stream), ready, 500, r.asks, bounds, now);
        asio::co_spawn(r.context, ours->run(), [this](std::exception_ptr e) {
            over = true;
            BOOST_TEST(!e);
        });
        turn();
    }
    connected(const connected&) = delete;
    connected& operator=(const connected&) = delete;
    ~connected() { // a session that still waits ends with its connection
        boost::system::error_code ignored;
        postfix.close(ignored);
        turn();
    }
    /// Runs all that is ready; what waits for the other end stays waiting.
    void turn() {
        with.context.restart();
        while (with.context.poll() != 0) {
        }
    }
    void send(std::string_view octets) {
        BOOST_REQUIRE(asio::write(postfix, asio::buffer(octets.data(), octets.size())) == octets.size());
        turn();
    }
    /// What has come, one string for each read(2): a reply must be one write.
    std::string take() {
        std::string out(65536, '\0');
        boost::system::error_code error;
        out.resize(postfix.read_some(asio::buffer(out), error));
        return out;
    }
    [[nodiscard]] bool closed_by_them() {
        char octet = 0;
        boost::system::error_code error;
        const auto n = postfix.read_some(asio::buffer(&octet, 1), error);
        return n == 0 && (error == asio::error::eof || error == asio::error::connection_reset);
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(policyd_session)

BOOST_FIXTURE_TEST_CASE(each_request_is_answered_when_its_empty_line_came, rig) {
    connected c{*this};
    const auto text = wire_request("RCPT", "1.1", "a@example.net");
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        c.send(text.substr(i, 1));
        BOOST_REQUIRE(c.take().empty());
    }
    c.send("\n");
    BOOST_TEST(c.take() == dunno);
    BOOST_TEST(recipients() == 1U);
}

BOOST_FIXTURE_TEST_CASE(several_requests_in_one_read_are_answered_in_order, rig) {
    connected c{*this};
    c.send(wire_request("RCPT", "1.1", "a@example.net") + wire_request("DATA", "1.1", "", 1) +
           wire_request("END-OF-MESSAGE", "1.1", "", 1) + wire_request("RCPT", "1.2", "b@exa"));
    const auto got = c.take();
    BOOST_TEST(got.starts_with(std::string{dunno} + "action=PREPEND X-Postsluice-Ticket: v1 "));
    BOOST_TEST(got.ends_with("\n\n" + std::string{dunno} + std::string{dunno}));
}

BOOST_FIXTURE_TEST_CASE(a_violation_is_closed_without_a_reply_and_releases_nothing, rig) {
    const std::vector<std::string> table = {"nonsense\n", "\n", "request=junk\n\n",
                                            "request=smtpd_access_policy\nsize=x\n\n", std::string(9000, 'x')};
    for (const auto& octets : table) {
        BOOST_TEST_CONTEXT(octets.substr(0, 40)) {
            rig fresh;
            connected c{fresh};
            c.send(wire_request("RCPT", "1.1", "a@example.net"));
            BOOST_TEST(c.take() == dunno);
            c.send(octets);
            BOOST_TEST(c.closed_by_them());
            BOOST_TEST(c.over);
            BOOST_TEST(fresh.asks.counts().violations == 1U);
            BOOST_TEST(fresh.recipients() == 1U);
            BOOST_TEST(fresh.logged("closing without a reply") == 1);
        }
    }
}

BOOST_FIXTURE_TEST_CASE(postfix_closing_the_connection_releases, rig) {
    connected c{*this};
    c.send(wire_request("RCPT", "1.1", "a@example.net"));
    BOOST_TEST(recipients() == 1U);
    c.postfix.close();
    c.turn();
    BOOST_TEST(c.over);
    BOOST_TEST(recipients() == 0U);
}

BOOST_FIXTURE_TEST_CASE(postfix_gone_before_the_reply_releases, rig) {
    connected c{*this};
    const auto text = wire_request("RCPT", "1.1", "a@example.net");
    BOOST_REQUIRE(asio::write(c.postfix, asio::buffer(text)) == text.size());
    c.postfix.close(); // the request is there, nobody waits for the answer
    c.turn();
    BOOST_TEST(c.over);
    BOOST_TEST(recipients() == 0U);
}

BOOST_FIXTURE_TEST_CASE(an_idle_connection_is_closed_late_and_releases_nothing, rig) {
    session::bounds b;
    b.idle = 1200;
    b.stalled = 120;
    connected c{*this, b};
    c.send(wire_request("RCPT", "1.1", "a@example.net"));
    (void)c.take();
    c.now = 1200;
    c.ours->look_at_clock();
    c.turn();
    BOOST_TEST(!c.over);
    c.now = 1201;
    c.ours->look_at_clock();
    c.turn();
    BOOST_TEST(c.over);
    BOOST_TEST(c.closed_by_them());
    BOOST_TEST(recipients() == 1U);
}

BOOST_FIXTURE_TEST_CASE(half_a_request_is_not_waited_for_as_long, rig) {
    connected c{*this, {{}, 1200, 120}};
    c.send("request=smtpd_access_policy\n");
    c.now = 120;
    c.ours->look_at_clock();
    c.turn();
    BOOST_TEST(!c.over);
    c.now = 121;
    c.ours->look_at_clock();
    c.turn();
    BOOST_TEST(c.over);
}

BOOST_FIXTURE_TEST_CASE(a_request_starts_the_idle_time_anew, rig) {
    connected c{*this, {{}, 1200, 120}};
    c.now = 1000;
    c.send(wire_request("RCPT", "1.1", "a@example.net"));
    c.now = 2200;
    c.ours->look_at_clock();
    c.turn();
    BOOST_TEST(!c.over);
}

BOOST_FIXTURE_TEST_CASE(stopping_answers_what_is_there_and_closes, rig) {
    connected c{*this};
    const auto two = wire_request("RCPT", "1.1", "a@example.net") + wire_request("RCPT", "1.1", "b@example.net");
    BOOST_REQUIRE(asio::write(c.postfix, asio::buffer(two)) == two.size()); // sent, not yet read by us
    c.ours->stop();
    c.turn();
    BOOST_TEST(c.over);
    BOOST_TEST(c.take() == std::string{dunno} + std::string{dunno});
    BOOST_TEST(c.closed_by_them());
    BOOST_TEST(recipients() == 2U); // our close releases nothing: Postfix goes on with our successor
}

BOOST_FIXTURE_TEST_CASE(stopping_closes_an_idle_connection_at_once, rig) {
    connected c{*this};
    c.ours->stop();
    c.turn();
    BOOST_TEST(c.over);
    BOOST_TEST(c.closed_by_them());
}

BOOST_FIXTURE_TEST_CASE(a_reader_that_is_slow_gets_every_reply_whole, rig) {
    configure([](config::settings&, config::profile& p) { p.limits.clear(); });
    connected c{*this};
    c.postfix.set_option(asio::socket_base::receive_buffer_size(1024));
    std::string got;
    std::size_t asked = 0;
    const auto one = wire_request("END-OF-MESSAGE", "1.1", "", 1);
    for (int i = 0; i < 20000; ++i) { // until our end cannot write: the kernel's buffers are full
        boost::system::error_code error;
        const auto n = c.postfix.write_some(asio::buffer(one), error);
        if (error) {
            break;
        }
        BOOST_REQUIRE(n == one.size() || n > 0);
        if (n < one.size()) { // the rest once there is room
            std::string rest = one.substr(n);
            while (!rest.empty()) {
                c.turn();
                got += c.take();
                const auto more = c.postfix.write_some(asio::buffer(rest), error);
                rest.erase(0, error ? 0 : more);
            }
        }
        ++asked;
    }
    for (int i = 0; i < 200000 && got.size() < asked * dunno.size(); ++i) {
        c.turn();
        got += c.take();
    }
    BOOST_REQUIRE(got.size() == asked * dunno.size());
    for (std::size_t i = 0; i < asked; ++i) {
        BOOST_REQUIRE(got.compare(i * dunno.size(), dunno.size(), dunno) == 0);
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(policyd_server)

namespace {

struct served : rig {
    config::policyd_settings settings = [] {
        config::policyd_settings s;
        s.max_connections = 3;
        s.stop_timeout = seconds{5};
        return s;
    }();
    server us{context, asks, settings};
    std::string path = (directory.path() / "policyd").string();

    served() {
        const auto fd = net::open_listener({net::endpoint::family::unix_socket, path, "", ""}, socket_mode);
        BOOST_REQUIRE(fd);
        us.listen(*fd);
        us.start();
        spin();
    }
    void spin() {
        context.restart();
        while (context.poll() != 0) {
        }
    }
    unix_socket connect() {
        unix_socket s{context};
        s.connect(asio::local::stream_protocol::endpoint{path});
        s.non_blocking(true);
        spin();
        return s;
    }
    static std::string take(unix_socket& from, boost::system::error_code& error) {
        std::string out(65536, '\0');
        out.resize(from.read_some(asio::buffer(out), error));
        return out;
    }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(the_socket_is_open_to_all_whom_its_directory_lets_in, served) {
    struct stat s {};
    BOOST_REQUIRE(::stat(path.c_str(), &s) == 0);
    BOOST_TEST((s.st_mode & 0777U) == 0666U);
}

BOOST_FIXTURE_TEST_CASE(connections_share_the_accounts, served) {
    auto a = connect();
    auto b = connect();
    asio::write(a,
                asio::buffer(wire_request("RCPT", "1.1", "a@x.example") + wire_request("RCPT", "1.1", "b@x.example")));
    asio::write(b,
                asio::buffer(wire_request("RCPT", "2.1", "a@x.example") + wire_request("RCPT", "2.1", "b@x.example")));
    spin();
    boost::system::error_code error;
    const auto all = take(a, error) + take(b, error);
    BOOST_TEST(recipients() == 3U); // of four, never more than the limit
    BOOST_TEST(all.find("action=450 4.7.1 3 of 3 recipients per hour used") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(the_connection_over_the_bound_is_closed_and_counted, served) {
    std::vector<unix_socket> held;
    for (int i = 0; i < 3; ++i) {
        held.push_back(connect());
    }
    BOOST_TEST(us.connections() == 3U);
    auto extra = connect();
    boost::system::error_code error;
    (void)take(extra, error);
    BOOST_TEST((error == asio::error::eof));
    BOOST_TEST(asks.counts().turned_away == 1U);
    BOOST_TEST(logged("max_connections reached") == 1);
    held.pop_back();
    spin();
    BOOST_TEST(us.connections() == 2U);
    auto next = connect();
    BOOST_TEST(us.connections() == 3U);
}

BOOST_FIXTURE_TEST_CASE(a_clean_stop_answers_and_ends, served) {
    auto busy = connect();
    auto idle = connect();
    const auto text = wire_request("RCPT", "1.1", "a@x.example");
    asio::write(busy, asio::buffer(text));
    bool done = false;
    us.stop([&done] { done = true; });
    spin();
    BOOST_TEST(done);
    BOOST_TEST(us.connections() == 0U);
    boost::system::error_code error;
    BOOST_TEST(take(busy, error) == dunno);
    (void)take(idle, error);
    BOOST_TEST((error == asio::error::eof));
}

BOOST_AUTO_TEST_SUITE_END()
