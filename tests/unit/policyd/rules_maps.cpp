// SPDX-License-Identifier: Apache-2.0
// The rules that ask maps, and null_sender: what each refuses and how it says so.
#define BOOST_TEST_DYN_LINK
#include "rig.hpp"

#include "shared/maps/map_set.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <fstream>
#include <thread>

using namespace postsluice;
using namespace postsluice::policyd;
using namespace postsluice::policyd::test;

namespace {

/// A rig whose rules have maps.
struct map_rig : rig {
    std::optional<maps::map_set> maps{std::in_place, context.get_executor()};
    map_rig()
        : with_maps{context.get_executor(), {accounts, locks, *tickets, time, {.maps = &*maps}}, make_settings()} {}
    std::string texthash(const std::string& name, std::string_view text) {
        std::ofstream{directory.path() / name} << text;
        return "texthash:" + (directory.path() / name).string();
    }
    void profile(const std::function<void(config::profile&)>& change, seconds map_timeout = seconds{30}) {
        auto s = make_settings();
        auto p = *s->profiles.at("default");
        change(p);
        s->policyd.map_timeout = map_timeout;
        s->profiles["default"] = std::make_shared<const config::profile>(std::move(p));
        with_maps.use(s);
    }
    decision from(const char* sender, const char* recipient = "a@example.net") {
        request what = rcpt("1.1", recipient);
        what.sender = sender;
        return run(with_maps.answer(what, first));
    }
    pipeline with_maps;
};

/// Answers each question of one connection from `reply`; "" hangs until the client goes.
class one_server {
public:
    one_server(const std::string& path, std::string reply)
        : acceptor_{context_, asio::local::stream_protocol::endpoint{path}}
        , thread_{[this, answer = std::move(reply)] { serve(answer); }} {}
    one_server(const one_server&) = delete;
    one_server& operator=(const one_server&) = delete;
    ~one_server() { thread_.join(); }

private:
    void serve(const std::string& reply) {
        asio::local::stream_protocol::socket s{context_};
        acceptor_.accept(s);
        boost::system::error_code error;
        std::string in;
        while (!error) {
            const auto n = asio::read_until(s, asio::dynamic_buffer(in), ',', error);
            if (error) {
                return;
            }
            in.erase(0, n);
            if (!reply.empty()) {
                asio::write(s, asio::buffer(std::to_string(reply.size()) + ":" + reply + ","), error);
            }
        }
    }
    asio::io_context context_;
    asio::local::stream_protocol::acceptor acceptor_;
    std::thread thread_;
};

using kind = config::from_rule::kind;

} // namespace

BOOST_AUTO_TEST_SUITE(policyd_rules_maps)

BOOST_FIXTURE_TEST_CASE(from_address_asks_maps_as_postfix_does, map_rig) {
    const auto map = texthash("owners", "office@example.org alice@example.org\nboss@example.org bob@example.org\n");
    profile([&](config::profile& p) { p.from = {kind::map, {map}}; });
    BOOST_TEST(!from("office@example.org").refuses());
    BOOST_TEST(!from("").refuses());
    const auto refused = from("boss@example.org");
    BOOST_TEST(refused.why == reason::from_forbidden);
    BOOST_TEST(to_wire(refused).starts_with("action=550 5.7.1 alice@example.org may send as any address that this "
                                            "server's sender maps give to it, not as boss@example.org; see "));
    BOOST_TEST(from("alice@example.org").refuses()); // in no map: nobody's
}

BOOST_FIXTURE_TEST_CASE(a_map_that_cannot_be_read_is_on_errors, map_rig) {
    profile([&](config::profile& p) { p.from = {kind::map, {"lmdb:/nonexistent/map"}}; });
    BOOST_TEST(to_wire(from("alice@example.org")).starts_with("action=451 4.3.0 "));
    BOOST_TEST(logged("map cannot be read") == 1);
    auto s = std::make_shared<config::settings>(*with_maps.settings());
    s->policyd.on_error = config::error_policy::dunno;
    with_maps.use(s);
    BOOST_TEST(!from("alice@example.org").refuses());
}

BOOST_FIXTURE_TEST_CASE(from_address_waits_for_a_socketmap, map_rig) {
    const auto path = (directory.path() / "s").string();
    profile([&](config::profile& p) { p.from = {kind::map, {"socketmap:unix:" + path + ":logins"}}; });
    BOOST_TEST((from("alice@example.org").code == refusal_code::defer_trouble)); // nobody listens
    {
        const one_server s{path, "OK bob@example.org, alice@example.org"};
        BOOST_TEST(!from("x@example.org").refuses());
        maps.emplace(context.get_executor()); // lets the connection go, for which the server waits
    }
}

BOOST_FIXTURE_TEST_CASE(a_socketmap_that_does_not_answer_is_on_errors_within_its_time, map_rig) {
    const auto path = (directory.path() / "s").string();
    const one_server s{path, ""};
    profile([&](config::profile& p) { p.from = {kind::map, {"socketmap:unix:" + path + ":n"}}; }, seconds{1});
    const auto begin = std::chrono::steady_clock::now();
    BOOST_TEST((from("alice@example.org").code == refusal_code::defer_trouble));
    BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds{20}));
}

BOOST_FIXTURE_TEST_CASE(blocked_refuses_senders_and_recipients, map_rig) {
    const auto map = texthash("access", "rival.example REJECT\nfriend@rival.example OK\n");
    profile([&](config::profile& p) {
        p.from.what = kind::any;
        p.blocked_senders = {"ceo@example.org"};
        p.blocked_recipients = {map, "@*.test"};
    });
    const auto sender = from("CEO@example.org");
    BOOST_TEST(sender.why == reason::sender_blocked);
    BOOST_TEST(to_wire(sender).starts_with("action=550 5.7.1 mail from ceo@example.org is not accepted here; see "));
    const auto recipient = from("alice@example.org", "x@rival.example");
    BOOST_TEST(recipient.why == reason::recipient_blocked);
    BOOST_TEST(to_wire(recipient).starts_with("action=550 5.7.1 mail to x@rival.example is not accepted here; see "));
    BOOST_TEST(!from("alice@example.org", "friend@rival.example").refuses());
    BOOST_TEST(from("alice@example.org", "x@a.test").refuses());
    BOOST_TEST(!from("alice@example.org").refuses());
    BOOST_TEST(!from("").refuses());
}

BOOST_FIXTURE_TEST_CASE(blocked_asks_a_socketmap_too, map_rig) {
    profile([&](config::profile& p) { p.blocked_senders = {"ceo@example.org", "socketmap:unix:/nonexistent/s:n"}; });
    BOOST_TEST(from("ceo@example.org").why == reason::sender_blocked); // its list needs no server
    BOOST_TEST((from("alice@example.org").code == refusal_code::defer_trouble));
}

BOOST_FIXTURE_TEST_CASE(sender_known_wants_the_sender_in_a_map, map_rig) {
    const auto map = texthash("virtual", "alice@example.org x\n@all.example.org y\n");
    profile([&](config::profile& p) {
        p.from.what = kind::any;
        p.sender_maps = {map};
    });
    BOOST_TEST(!from("alice@example.org").refuses());
    BOOST_TEST(!from("any@all.example.org").refuses());
    BOOST_TEST(!from("").refuses());
    const auto refused = from("alcie@example.org");
    BOOST_TEST(refused.why == reason::sender_unknown);
    BOOST_TEST(
        to_wire(refused).starts_with("action=550 5.7.1 there is no address alcie@example.org here to send as; see "));
    profile([&](config::profile& p) { p.sender_maps = {"socketmap:unix:/nonexistent/s:n"}; });
    BOOST_TEST((from("alice@example.org").code == refusal_code::defer_trouble));
}

BOOST_FIXTURE_TEST_CASE(null_sender_is_allowed_limited_or_refused, map_rig) {
    using policy = config::null_sender_policy;
    struct row {
        policy what;
        bool limited;
        const char* sender;
        bool refused;
    };
    const row table[] = {
        {policy::allow, false, "", false},
        {policy::limit, false, "", true},
        {policy::limit, true, "", false},
        {policy::reject, true, "", true},
        {policy::reject, false, "", true},
        {policy::limit, false, "alice@example.org", false},
        {policy::reject, false, "alice@example.org", false},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(static_cast<int>(row.what) << ' ' << row.limited << ' ' << row.sender) {
            profile([&](config::profile& p) {
                p.limits.clear();
                p.null_sender = row.what;
                if (row.limited) {
                    p.limits = {{5, limit_unit::null_sender_messages, seconds{3600}}};
                }
            });
            const auto answer = from(row.sender);
            BOOST_TEST((answer.why == reason::null_sender_forbidden) == row.refused);
            BOOST_TEST(answer.refuses() == row.refused);
        }
    }
    profile([&](config::profile& p) {
        p.null_sender = policy::limit;
        p.limits = {{limit::unlimited, limit_unit::null_sender_messages, seconds{3600}}};
    });
    BOOST_TEST(to_wire(from("")).starts_with("action=550 5.7.1 this account may not send without a sender address"));
    state::limit_override one; // an operator's for the account counts as well as the profile's
    one.account = "alice@example.org";
    one.what = {5, limit_unit::null_sender_messages, seconds{3600}};
    with_maps.limits().put(one.account, {one});
    BOOST_TEST(!from("").refuses());
}

BOOST_AUTO_TEST_SUITE_END()
