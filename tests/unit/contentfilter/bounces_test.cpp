// SPDX-License-Identifier: Apache-2.0
// Delivery feedback: what is read of Postfix's notices, and what the listener says to them.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "filter_fixture.hpp"

#include "contentfilter/feedback/bounce_report.hpp"
#include "shared/control/control.hpp"

#include <nlohmann/json.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using nlohmann::json;

namespace {

namespace asio = boost::asio;

const std::vector<std::string> statuses{"5.1.1", "5.1.10"};

std::string recipient(std::string_view address, std::string_view status, std::string_view action = "failed") {
    return "\nFinal-Recipient: rfc822; " + std::string{address} + "\nAction: " + std::string{action} +
           "\nStatus: " + std::string{status} + "\nDiagnostic-Code: smtp; 550\n    and more\n";
}

const std::string head =
    "Reporting-MTA: dns; mail.example.org\nX-Postfix-Queue-ID: 4XyZ1\n"
    "X-Postfix-Sender: rfc822; mallory@example.org\nArrival-Date: Mon, 30 Nov 2026 10:00:00 +0000\n";

/// As bounce(8) writes it.
std::string notice(const std::string& status,
                   const std::string& received = "by mail.example.org (Postfix)\n\tid 4AbC") {
    return "Received: " + received +
           "; Mon, 30 Nov 2026 10:00:00 +0000\n"
           "From: MAILER-DAEMON@example.org (Mail Delivery System)\nTo: bounces@postsluice.invalid\n"
           "Subject: Postmaster Copy: Undelivered Mail\nMIME-Version: 1.0\n"
           "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"4AbC.17/mail\"\n\n"
           "--4AbC.17/mail\nContent-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n\n"
           "<nobody@example.net>: unknown user\n\n--4AbC.17/mail\nContent-Description: Delivery report\n"
           "Content-Type: message/delivery-status\n\n" +
           status +
           "\n--4AbC.17/mail\nContent-Type: text/rfc822-headers\n\nX-Postfix-Queue-ID: 4FoRgEd\n\n--4AbC.17/mail--\n";
}

/// Takes the verb in place of policyd.
class policyd {
public:
    explicit policyd(const std::filesystem::path& socket)
        : server_{context_.get_executor(), socket, ""} {
        server_.on(
            "bounced",
            [this](control::request_context, std::shared_ptr<const json> given) -> asio::awaitable<result<json>> {
                const std::lock_guard guard{mutex_};
                asked_.push_back(*given);
                if (says_) co_return failure{*says_, "as the test wants"};
                co_return control::success({{"counted", given->at("recipients").size()}});
            });
        server_.start();
        thread_ = std::thread{[this] { context_.run(); }};
    }
    ~policyd() {
        server_.stop();
        context_.stop();
        thread_.join();
    }
    void say(std::optional<errc> what) {
        const std::lock_guard guard{mutex_};
        says_ = what;
    }
    std::vector<json> asked() {
        const std::lock_guard guard{mutex_};
        return asked_;
    }

private:
    asio::io_context context_;
    control::server server_;
    std::thread thread_;
    std::mutex mutex_;
    std::vector<json> asked_;
    std::optional<errc> says_;
};

struct rig : filter {
    rig() {
        settings->contentfilter.bounce_timeout = seconds{20};
        start(smtp::protocol::lmtp, way::bounces);
        environments->handed_over()
            .add("4XyZ1", {boot.now(), "mallory@example.org", "mallory", "192.0.2.7", "mallory@example.org"})
            .value();
    }
    std::string reply_to(const std::string& content) {
        std::string wire;
        for (const char c : content)
            wire += c == '\n' ? "\r\n" : std::string(1, c);
        return postfix{socket()}
            .send("", "double-bounce@example.org", {"bounces@postsluice.invalid"}, wire, false)
            .front();
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(bounces)

BOOST_AUTO_TEST_CASE(recipients_that_do_not_exist_are_read_and_no_others) {
    const auto got = feedback::read_delivery_status(head + recipient("nobody@example.net", "5.1.1") +
                                                        recipient("full@example.net", "5.2.2") +
                                                        recipient("spam@example.net", "5.7.1") +
                                                        recipient("null@example.com", "5.1.10 (null MX)") +
                                                        recipient("later@example.net", "4.1.1", "delayed") +
                                                        recipient("here@example.net", "5.1.1", "delivered"),
                                                    statuses, 100)
                         .value();
    BOOST_TEST(got.queue_id == "4XyZ1");
    BOOST_TEST(got.failed == 4U);
    const std::vector<std::string> expected{"nobody@example.net", "null@example.com"};
    BOOST_TEST(got.invalid == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lines_that_are_no_fields_and_missing_ones_harm_no_other) {
    const auto got = feedback::read_delivery_status("\n\n" + head + "\n\nno field at all\n\n" + recipient("", "5.1.1") +
                                                        "\nStatus: 5.1.1\nAction: failed\n" +
                                                        recipient("nobody@example.net", "5.1.1"),
                                                    statuses, 100)
                         .value();
    BOOST_TEST(got.failed == 1U);
    BOOST_TEST(got.invalid.size() == 1U);
    BOOST_TEST(
        (feedback::read_delivery_status(recipient("a@b", "5.1.1"), statuses, 100).error().code == errc::malformed));
    BOOST_TEST((feedback::read_delivery_status("", statuses, 100).error().code == errc::malformed));
    const auto two = head + recipient("a@b", "5.1.1") + recipient("b@b", "5.1.1");
    BOOST_TEST((feedback::read_delivery_status(two, statuses, 1).error().code == errc::too_large));
    BOOST_TEST(feedback::read_delivery_status(two, statuses, 2).value().failed == 2U);
}

BOOST_FIXTURE_TEST_CASE(a_bounce_is_told_to_policyd_as_that_of_the_account_that_sent, rig) {
    policyd peer{scratch.path / "policyd.sock"};
    const auto said = reply_to(notice(head + recipient("nobody@example.net", "5.1.1")));
    BOOST_TEST(said.starts_with("250 "), said);
    const auto asked = peer.asked();
    BOOST_REQUIRE(asked.size() == 1U);
    BOOST_TEST(asked[0].at("account") == "mallory@example.org");
    BOOST_TEST(asked[0].at("login") == "mallory");
    BOOST_TEST(asked[0].at("client") == "192.0.2.7");
    BOOST_TEST(asked[0].at("sender") == "mallory@example.org");
    BOOST_TEST(asked[0].at("queue_id") == "4XyZ1");
    BOOST_TEST(asked[0].at("recipients") == json({"nobody@example.net"}));
    BOOST_TEST(counts.bounced == 1U);
}

BOOST_FIXTURE_TEST_CASE(whose_mail_it_is_is_known_by_the_queue_id_that_it_went_on_with, filter) {
    settings->contentfilter.listen_bounces = {"unix:/not/bound/here"};
    start();
    const auto text = ticket("alice@example.org", "4FiRsT") + plain("alice@example.org", "hello");
    const auto said = postfix{socket()}.send("4FiRsT", "alice@example.org", {"f@example.net"}, text);
    BOOST_TEST_REQUIRE(said.front().starts_with("250 "), said.front());
    const auto id = said.front().substr(said.front().rfind(' ') + 1);
    const auto found = environments->handed_over().find(id).value();
    BOOST_TEST_REQUIRE(found.has_value());
    BOOST_TEST(found->account == "alice@example.org");
    BOOST_TEST(found->client == "192.0.2.1");
    BOOST_TEST(found->sender == "alice@example.org");
    const auto nobodys =
        postfix{socket()}.send("4OtHeR", "x@example.org", {"f@example.net"}, plain("x@example.org", "hi"));
    BOOST_TEST_REQUIRE(nobodys.front().starts_with("250 "), nobodys.front());
    BOOST_TEST(!environments->handed_over().find(nobodys.front().substr(nobodys.front().rfind(' ') + 1)).value());
}

BOOST_FIXTURE_TEST_CASE(what_has_nothing_to_count_asks_nobody_and_is_taken, rig) {
    policyd peer{scratch.path / "policyd.sock"};
    auto others = head;
    others.replace(others.find("4XyZ1"), 5, "4OtHr");
    for (const auto& one : {notice(head + recipient("full@example.net", "5.2.2")),
                            notice(others + recipient("nobody@example.net", "5.1.1")), notice("nothing of the kind\n"),
                            std::string{"Received: by x (Postfix)\n\nhello\n"}}) {
        const auto said = reply_to(one);
        BOOST_TEST(said.starts_with("250 "), said);
    }
    BOOST_TEST(peer.asked().empty());
    BOOST_TEST(counts.bounce_notices == 4U);
    BOOST_TEST(counts.bounced == 0U);
}

BOOST_FIXTURE_TEST_CASE(what_the_mail_server_did_not_write_counts_nothing, rig) {
    policyd peer{scratch.path / "policyd.sock"};
    const auto status = head + recipient("nobody@example.net", "5.1.1");
    for (const auto* received :
         {"from mail.example.org (unknown [192.0.2.9])\n\tby mail.example.org (Postfix) with ESMTP",
          "by mail.example.org (Postfix, from userid 1000)\n\tid 4AbC"}) {
        const auto said = reply_to(notice(status, received));
        BOOST_TEST(said.starts_with("550 5.7.1"), said);
    }
    const auto said = reply_to("X-First: 1\n" + notice(status));
    BOOST_TEST(said.starts_with("550 5.7.1"), said);
    BOOST_TEST(peer.asked().empty());
}

BOOST_FIXTURE_TEST_CASE(a_notice_waits_until_policyd_has_counted, rig) {
    const auto content = notice(head + recipient("nobody@example.net", "5.1.1"));
    auto said = reply_to(content);
    BOOST_TEST(said.starts_with("451 4.3.0"), said); // nobody there
    policyd peer{scratch.path / "policyd.sock"};
    peer.say(errc::unavailable);
    said = reply_to(content);
    BOOST_TEST(said.starts_with("451 4.3.0"), said);
    peer.say(errc::malformed); // asking again changes nothing
    said = reply_to(content);
    BOOST_TEST(said.starts_with("250 "), said);
    BOOST_TEST(counts.bounced == 1U);
    peer.say({});
    said = reply_to(content);
    BOOST_TEST(said.starts_with("250 "), said);
    BOOST_TEST(peer.asked().size() == 3U);
}

BOOST_FIXTURE_TEST_CASE(more_than_fit_one_request_are_told_in_pieces, rig) {
    policyd peer{scratch.path / "policyd.sock"};
    auto status = head;
    for (int i = 0; i < 2500; ++i)
        status += recipient("nobody" + std::to_string(i) + "@example.net", "5.1.1");
    const auto said = reply_to(notice(status));
    BOOST_TEST(said.starts_with("250 "), said);
    std::set<std::string> told;
    for (const auto& one : peer.asked())
        for (const auto& address : one.at("recipients"))
            told.insert(address.get<std::string>());
    BOOST_TEST(told.size() == 2500U);
    BOOST_TEST(peer.asked().size() == 3U);
}

BOOST_AUTO_TEST_SUITE_END()
