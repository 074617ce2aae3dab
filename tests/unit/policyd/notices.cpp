// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "policyd/notices.hpp"
#include "rig.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <thread>

using namespace postsluice;
using namespace postsluice::policyd;
using namespace postsluice::policyd::test;

namespace {

state::notice locked_notice(std::uint64_t id, instant at, std::string account = "alice@example.org") {
    state::notice n;
    n.id = id;
    n.account = std::move(account);
    n.event.kind = lock_event_kind::locked;
    n.event.at = at;
    n.event.cause = "5 spam in 10 minutes";
    n.event.actor = "postsluice";
    n.event.reference = "K7QM2P4X";
    n.event.after.kind = lock_kind::timed;
    n.event.after.until = at + seconds{1800};
    return n;
}

class memory_outbox final : public notice_outbox {
public:
    std::vector<state::notice> all;
    std::vector<std::uint64_t> gone, missed;
    std::optional<failure> broken;

    result<std::vector<state::notice>> waiting(std::size_t most) override {
        if (broken) {
            return *broken;
        }
        auto out = all;
        out.resize(std::min(most, out.size()));
        return out;
    }
    asio::awaitable<result<void>> sent(std::uint64_t id) override {
        gone.push_back(id);
        std::erase_if(all, [id](const auto& n) { return n.id == id; });
        co_return result<void>{};
    }
    asio::awaitable<result<void>> failed(std::uint64_t id) override {
        missed.push_back(id);
        co_return result<void>{};
    }
};

// A next hop of a few lines: answers from a script, keeps what it was told. One connection.
class next_hop {
public:
    next_hop(const std::string& path, std::string rcpt_reply, std::string dot_reply)
        : acceptor_{context_, asio::local::stream_protocol::endpoint{path}}
        , thread_{[this, rcpt = std::move(rcpt_reply), dot = std::move(dot_reply)] { serve(rcpt, dot); }} {}
    next_hop(const next_hop&) = delete;
    next_hop& operator=(const next_hop&) = delete;
    ~next_hop() { thread_.join(); }
    /// Once the client has gone.
    std::string heard() {
        thread_.join();
        thread_ = std::thread{[] {}};
        return heard_;
    }

private:
    void serve(const std::string& rcpt, const std::string& dot) {
        asio::local::stream_protocol::socket s{context_};
        acceptor_.accept(s);
        boost::system::error_code error;
        const auto say = [&](const std::string& line) { asio::write(s, asio::buffer(line + "\r\n"), error); };
        say("220 next.example ESMTP");
        std::string buffer;
        bool content = false;
        while (!error) {
            const auto n = asio::read_until(s, asio::dynamic_buffer(buffer), "\r\n", error);
            if (error) {
                break;
            }
            const std::string line = buffer.substr(0, n);
            buffer.erase(0, n);
            heard_ += line;
            if (content) {
                if (line == ".\r\n") {
                    content = false;
                    say(dot);
                }
            } else if (line.starts_with("EHLO")) {
                say("250-next.example\r\n250 SIZE");
            } else if (line.starts_with("RCPT")) {
                say(rcpt);
            } else if (line.starts_with("DATA")) {
                content = rcpt.starts_with("2");
                say(content ? "354 go on" : "554 no recipients");
            } else if (line.starts_with("QUIT")) {
                say("221 bye");
            } else {
                say("250 ok");
            }
        }
    }
    asio::io_context context_;
    asio::local::stream_protocol::acceptor acceptor_;
    std::string heard_;
    std::thread thread_;
};

struct mailing : rig {
    memory_outbox outbox;
    std::string path = (directory.path() / "reentry").string();
    notices mails{outbox, time, [this] { return asks.settings(); }};
    mailing() {
        configure([this](config::settings& s, config::profile&) { s.policyd.notice_via = "unix:" + path; });
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(policyd_notices)

BOOST_FIXTURE_TEST_CASE(a_notice_reads_so, rig) {
    const auto settings = make_settings();
    BOOST_TEST(render_notice(locked_notice(7, time.now()), *settings, time.now(), "TOKEN") ==
               "From: Postsluice <postmaster@mail.example.org>\r\n"
               "To: <abuse@example.org>\r\n"
               "Subject: Postsluice: account alice@example.org locked\r\n"
               "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
               "Message-ID: <notice.7.TOKEN@mail.example.org>\r\n"
               "Auto-Submitted: auto-generated\r\n"
               "MIME-Version: 1.0\r\n"
               "Content-Type: text/plain; charset=utf-8\r\n"
               "Content-Transfer-Encoding: 7bit\r\n"
               "\r\n"
               "The account alice@example.org was locked.\r\n"
               "\r\n"
               "  When:       2026-01-01T00:00:00Z\r\n"
               "  Cause:      5 spam in 10 minutes\r\n"
               "  By:         postsluice\r\n"
               "  Until:      2026-01-01T00:30:00Z; it then unlocks by itself\r\n"
               "  Reference:  K7QM2P4X\r\n"
               "\r\n"
               "While it is locked, its mail is refused, except to this address, and what it still\r\n"
               "had in the queue is quarantined.\r\n"
               "\r\n"
               "  postsluice why K7QM2P4X\r\n"
               "      explains what led to it\r\n"
               "  postsluice account show alice@example.org\r\n"
               "      shows its use, its strikes and its history\r\n"
               "  postsluice unlock alice@example.org\r\n"
               "      opens it\r\n");
}

BOOST_FIXTURE_TEST_CASE(every_transition_has_its_subject, rig) {
    const auto settings = make_settings();
    const std::vector<std::pair<lock_event_kind, std::string>> table = {
        {lock_event_kind::locked, "locked\r\n"},
        {lock_event_kind::made_permanent, "locked for good\r\n"},
        {lock_event_kind::unlocked_by_time, "unlocked: its time is over\r\n"},
        {lock_event_kind::unlocked_by_person, "unlocked by hand\r\n"},
        {lock_event_kind::locked_by_person, "locked by hand\r\n"},
        {lock_event_kind::reset, "reset by hand\r\n"},
    };
    for (const auto& [kind, words] : table) {
        BOOST_TEST_CONTEXT(kind) {
            auto n = locked_notice(1, time.now());
            n.event.kind = kind;
            BOOST_TEST(render_notice(n, *settings, time.now(), "T")
                           .find("Subject: Postsluice: account alice@example.org " + words) != std::string::npos);
        }
    }
}

BOOST_FIXTURE_TEST_CASE(hostile_names_make_no_headers_and_no_long_lines, rig) {
    const auto settings = make_settings();
    auto n = locked_notice(1, time.now(), "a\r\nBcc: victim@example.net\r\n\r\n\xC3\xA4\xFF@" + std::string(5000, 'x'));
    n.event.cause = "words\r\n.\r\nMAIL FROM:<x>\r\n" + std::string(5000, 'y') + "\xC3\xA4";
    const auto text = render_notice(n, *settings, time.now(), "T");
    BOOST_TEST(text.find("\r\nBcc:") == std::string::npos);
    BOOST_TEST(text.find("\r\n.\r\n") == std::string::npos);
    BOOST_TEST(text.find("Content-Transfer-Encoding: quoted-printable\r\n") != std::string::npos);
    BOOST_TEST(std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 127; }));
    for (std::size_t from = 0, end = 0; (end = text.find("\r\n", from)) != std::string::npos; from = end + 2) {
        BOOST_TEST(end - from <= 998U);
    }
    BOOST_TEST(std::ranges::count(text, '\n') == std::ranges::count(text, '\r'));
}

BOOST_FIXTURE_TEST_CASE(notices_are_mailed_oldest_first_from_the_null_sender, mailing) {
    outbox.all = {locked_notice(1, time.now()), locked_notice(2, time.now(), "bob@example.org")};
    next_hop next{path, "250 ok", "250 queued"};
    BOOST_TEST((run(mails.round()) == notices::look_every));
    const auto heard = next.heard();
    BOOST_TEST(heard.find("EHLO mail.example.org\r\n") != std::string::npos);
    BOOST_TEST(heard.find("MAIL FROM:<> SIZE=") != std::string::npos);
    BOOST_TEST(heard.find("RCPT TO:<abuse@example.org>\r\n") != std::string::npos);
    const auto alice = heard.find("Subject: Postsluice: account alice@"),
               bob = heard.find("Subject: Postsluice: account bob@");
    BOOST_TEST((alice != std::string::npos && bob != std::string::npos && alice < bob));
    const std::vector<std::uint64_t> both = {1, 2};
    BOOST_TEST(outbox.gone == both, boost::test_tools::per_element());
    BOOST_TEST(logged("notice sent") == 2);
}

BOOST_FIXTURE_TEST_CASE(a_refused_notice_stays_and_is_tried_again_ever_later, mailing) {
    outbox.all = {locked_notice(1, time.now())};
    seconds expected = notices::first_retry;
    for (int i = 0; i < 12; ++i) {
        next_hop next{path, i % 2 == 0 ? "450 4.2.0 later" : "250 ok", "451 4.3.0 not now"};
        BOOST_TEST((run(mails.round()) == expected));
        expected = std::min(2 * expected, notices::last_retry);
        (void)next.heard();
        std::filesystem::remove(path);
    }
    BOOST_TEST((expected == notices::last_retry));
    BOOST_TEST(outbox.gone.empty());
    BOOST_TEST(outbox.missed.size() == 12U);
    next_hop next{path, "250 ok", "250 queued"};
    BOOST_TEST((run(mails.round()) == notices::look_every));
    BOOST_TEST(outbox.all.empty());
}

BOOST_FIXTURE_TEST_CASE(nobody_listening_is_no_loss, mailing) {
    outbox.all = {locked_notice(1, time.now()), locked_notice(2, time.now())};
    BOOST_TEST((run(mails.round()) == notices::first_retry));
    BOOST_TEST(outbox.gone.empty());
    const std::vector<std::uint64_t> first_only = {1}; // the next hop is down: the others need not be tried
    BOOST_TEST(outbox.missed == first_only, boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(a_notice_older_than_a_queues_life_is_dropped_and_logged, mailing) {
    outbox.all = {locked_notice(1, time.now())};
    time.advance(notices::give_up_after + seconds{1});
    (void)run(mails.round());
    BOOST_TEST(outbox.all.empty());
    BOOST_TEST(logged("notice dropped") == 1);
}

BOOST_FIXTURE_TEST_CASE(without_an_abuse_address_notices_are_dropped_and_logged, mailing) {
    configure([](config::settings& s, config::profile&) { s.abuse_address.clear(); });
    outbox.all = {locked_notice(1, time.now()), locked_notice(2, time.now())};
    BOOST_TEST((run(mails.round()) == notices::look_every));
    BOOST_TEST(outbox.all.empty());
    BOOST_TEST(logged("notice dropped") == 2);
}

BOOST_FIXTURE_TEST_CASE(an_outbox_that_cannot_be_read_is_looked_at_later, mailing) {
    outbox.broken = failure{errc::unavailable, ""};
    BOOST_TEST((run(mails.round()) == notices::last_retry));
    BOOST_TEST(logged("notices cannot be read") == 1);
}

BOOST_AUTO_TEST_SUITE_END()
