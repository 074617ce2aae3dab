// SPDX-License-Identifier: Apache-2.0
// What the filter puts off before the queue it tells policyd, and nothing else.
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include "shared/control/control.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <set>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using nlohmann::json;

namespace {

/// policyd's end of the question: keeps the tickets, and answers as it is told.
class fake_policyd {
public:
    explicit fake_policyd(const std::filesystem::path& directory)
        : server_{context_.get_executor(), directory / "policyd.sock", ""} {
        server_.on("refund", [this](control::request_context, std::shared_ptr<const json> given) {
            return answer(this, std::move(given));
        });
        server_.start();
        thread_ = std::thread{[this] { context_.run(); }};
    }
    ~fake_policyd() {
        server_.stop();
        context_.stop();
        thread_.join();
    }
    fake_policyd(const fake_policyd&) = delete;
    std::vector<std::string> tickets() {
        const std::lock_guard guard{mutex_};
        return tickets_;
    }
    std::atomic<errc> fails_with{errc::internal}; ///< where `fails`
    std::atomic<bool> fails{false};
    std::atomic<std::chrono::milliseconds> thinks{std::chrono::milliseconds{0}}; ///< before it answers

private:
    static asio::awaitable<result<json>> answer(fake_policyd* self, std::shared_ptr<const json> given) {
        bool first = false;
        {
            const std::lock_guard guard{self->mutex_};
            self->tickets_.push_back(given->at("ticket"));
            if (!self->fails) first = self->given_back_.insert(self->tickets_.back()).second;
        }
        asio::steady_timer timer{self->context_, self->thinks.load()};
        co_await timer.async_wait(asio::use_awaitable);
        if (self->fails) co_return failure{self->fails_with, "as the test wants"};
        co_return control::success({{"account", "alice@example.org"}, {"refunded", first}});
    }
    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
    control::server server_;
    std::mutex mutex_;
    std::vector<std::string> tickets_;
    std::set<std::string> given_back_;
    std::thread thread_;
};

std::string deliver(filter& f, const std::string& content) {
    postfix p{f.socket(), false};
    (void)p.command("MAIL FROM:<alice@example.org>");
    (void)p.command("RCPT TO:<f@example.net>");
    if (const auto data = p.command("DATA"); !data.starts_with("354")) return data;
    p.socket().send(content + ".\r\n");
    return p.reply();
}

std::string text_of(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

/// What a filter's clock says, in milliseconds.
std::int64_t state_now() {
    return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// A header field as it stands above the message.
std::string value_of(const std::string& field) {
    return field.substr(field.find(": ") + 2, field.size() - field.find(": ") - 4);
}

} // namespace

BOOST_AUTO_TEST_SUITE(refunds_before_the_queue)

BOOST_AUTO_TEST_CASE(each_message_that_is_put_off_is_told_policyd_with_its_own_ticket) {
    filter f;
    fake_policyd policyd{f.scratch.path};
    f.start(smtp::protocol::smtp, way::before_queue);
    f.hop->answer("DOT", "450 4.2.0 later");
    const auto first = f.ticket("alice@example.org", "-", "192.0.2.1:587");
    const auto second = f.ticket("alice@example.org", "-", "192.0.2.1:587");
    const auto forged = f.ticket("bob@example.org", "-", "192.0.2.1:587"); // below the first Received
    BOOST_TEST(deliver(f, first + plain("alice@example.org", "one")).starts_with("450"));
    BOOST_TEST(deliver(f, second + "Received: by x; Sat, 21 Nov 2026 10:00:00 +0000\r\n" + forged +
                              plain("alice@example.org", "two"))
                   .starts_with("450"));
    const std::vector<std::string> expected{value_of(first), value_of(second)};
    BOOST_TEST(policyd.tickets() == expected, boost::test_tools::per_element());
    BOOST_TEST(f.log.has("put off account=alice@example.org charge=\"taken back\""));
    BOOST_TEST(f.all->refunds().waiting() == 0U);
}

BOOST_AUTO_TEST_CASE(nobody_is_asked_about_what_was_taken_refused_or_kept_or_has_no_such_ticket) {
    filter f;
    fake_policyd policyd{f.scratch.path};
    f.start(smtp::protocol::smtp, way::before_queue);
    const auto ticket = f.ticket("alice@example.org", "-", "192.0.2.1:587");
    BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "clean")).starts_with("250"));
    f.find({found("BAD", 20)});
    BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "bad")).starts_with("550"));
    f.find({found("VIRUS", 20, config::forced_verdict::quarantine, reason::virus)});
    BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "virus")).starts_with("250"));
    f.find({});
    f.hop->answer("DOT", "450 4.2.0 later");
    BOOST_TEST(deliver(f, f.ticket("alice@example.org", "-") + plain("alice@example.org", "old")).starts_with("450"));
    BOOST_TEST(deliver(f, f.ticket("-", "-", "192.0.2.1:25") + plain("a@example.org", "other")).starts_with("450"));
    BOOST_TEST(deliver(f, plain("alice@example.org", "none")).starts_with("450"));
    BOOST_TEST(policyd.tickets().empty());
}

BOOST_AUTO_TEST_CASE(what_finds_no_room_in_the_spool_is_given_back_too_however_little_of_it_was_spooled) {
    for (const std::uint64_t memory : {0U, 100U, 1000U, 20'000U})
        BOOST_TEST_CONTEXT(memory << " octets in memory") {
            filter f;
            fake_policyd policyd{f.scratch.path};
            f.settings->contentfilter.spool_memory = byte_count{memory};
            f.settings->contentfilter.spool_directory = f.scratch.path / "missing";
            f.start(smtp::protocol::smtp, way::before_queue);
            const auto ticket = f.ticket("alice@example.org", "-", "192.0.2.1:587");
            const std::string long_line(900, 'x');
            std::string body;
            for (int i = 0; i < 100; ++i)
                body += long_line + "\r\n";
            BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "one", body)).starts_with("452"));
            const std::vector<std::string> expected{value_of(ticket)};
            BOOST_TEST(policyd.tickets() == expected, boost::test_tools::per_element());
        }
}

BOOST_AUTO_TEST_CASE(after_the_queue_postfix_comes_again_and_nothing_is_asked_back) {
    filter f;
    fake_policyd policyd{f.scratch.path};
    f.start();
    f.hop->answer("DOT", "450 4.2.0 later");
    postfix p{f.socket()};
    const auto content = f.ticket("alice@example.org", "Q1", "192.0.2.1:587") + plain("alice@example.org", "queued");
    BOOST_TEST(p.send("Q1", "alice@example.org", {"f@example.net"}, content).front().starts_with("450"));
    BOOST_TEST(policyd.tickets().empty());
}

BOOST_AUTO_TEST_CASE(where_policyd_is_not_there_it_is_asked_again_later) {
    filter f;
    f.start(smtp::protocol::smtp, way::before_queue);
    f.hop->answer("DOT", "450 4.2.0 later");
    const auto ticket = f.ticket("alice@example.org", "-", "192.0.2.1:587");
    BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "one")).starts_with("450"));
    BOOST_TEST(f.all->refunds().waiting() == 1U);
    {
        fake_policyd policyd{f.scratch.path};
        policyd.fails_with = errc::unavailable;
        policyd.fails = true;
        run_awaitable(f.all->refunds().ask_again(f.settings));
        BOOST_TEST(f.all->refunds().waiting() == 1U);
        policyd.fails = false;
        run_awaitable(f.all->refunds().ask_again(f.settings));
        BOOST_TEST(f.all->refunds().waiting() == 0U);
        BOOST_TEST(policyd.tickets().size() == 2U);
        BOOST_TEST(policyd.tickets().back() == value_of(ticket));
    }
}

BOOST_AUTO_TEST_CASE(policyd_may_take_its_refund_timeout) {
    filter f;
    f.settings->contentfilter.refund_timeout = seconds{30};
    fake_policyd policyd{f.scratch.path};
    policyd.thinks = std::chrono::milliseconds{2500}; // more than the default
    f.start(smtp::protocol::smtp, way::before_queue);
    f.hop->answer("DOT", "450 4.2.0 later");
    const auto ticket = f.ticket("alice@example.org", "-", "192.0.2.1:587");
    BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "one")).starts_with("450"));
    BOOST_TEST(f.all->refunds().waiting() == 0U);
    auto now = std::make_shared<config::settings>(*f.settings);
    now->contentfilter.refund_timeout = seconds{1};
    f.configuration->set(now);
    BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "two")).starts_with("450"));
    BOOST_TEST(f.all->refunds().waiting() == 1U);
}

BOOST_AUTO_TEST_CASE(what_was_taken_back_before_its_answer_was_heard_is_not_called_nothing) {
    filter f;
    f.settings->contentfilter.refund_timeout = seconds{1};
    fake_policyd policyd{f.scratch.path};
    policyd.thinks = std::chrono::milliseconds{1500};
    f.start(smtp::protocol::smtp, way::before_queue);
    f.hop->answer("DOT", "450 4.2.0 later");
    const auto ticket = f.ticket("alice@example.org", "-", "192.0.2.1:587");
    BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "one")).starts_with("450"));
    BOOST_TEST(f.log.has("charge not taken back yet account=alice@example.org"));
    policyd.thinks = std::chrono::milliseconds{0};
    run_awaitable(f.all->refunds().ask_again(f.settings));
    BOOST_TEST(f.all->refunds().waiting() == 0U);
    BOOST_TEST(!f.log.has("nothing to take back"), f.log.all());
    // Asked for the first time, that is what it is.
    BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "again")).starts_with("450"));
    BOOST_TEST(f.log.has("put off account=alice@example.org charge=\"nothing to take back\""));
}

BOOST_AUTO_TEST_CASE(what_waits_is_asked_for_after_a_restart_and_then_forgotten) {
    filter f;
    f.start(smtp::protocol::smtp, way::before_queue);
    f.hop->answer("DOT", "450 4.2.0 later");
    std::vector<std::string> expected;
    for (const auto* account : {"alice@example.org", "bob@example.org"}) {
        const auto ticket = f.ticket(account, "-", "192.0.2.1:587");
        expected.push_back(value_of(ticket));
        BOOST_TEST(deliver(f, ticket + plain(account, "one")).starts_with("450"));
    }
    const auto file = f.settings->state.directory / "refunds";
    BOOST_TEST((std::filesystem::status(file).permissions() == std::filesystem::perms{0600}));
    const auto killed = text_of(file); // what the filter would leave behind that is killed now
    f.stop();
    BOOST_TEST(text_of(file) == killed);
    f.start(smtp::protocol::smtp, way::before_queue);
    BOOST_TEST(f.all->refunds().waiting() == 2U);
    BOOST_TEST(f.log.has("charges wait to be taken back charges=2"));
    fake_policyd policyd{f.scratch.path};
    run_awaitable(f.all->refunds().ask_again(f.settings));
    BOOST_TEST(policyd.tickets() == expected, boost::test_tools::per_element());
    BOOST_TEST(f.log.has("put off account=bob@example.org charge=\"taken back\""));
    BOOST_TEST(!std::filesystem::exists(file));
    f.stop();
    f.start(smtp::protocol::smtp, way::before_queue);
    BOOST_TEST(f.all->refunds().waiting() == 0U);
}

BOOST_AUTO_TEST_CASE(what_a_file_holds_beside_claims_harms_none_of_them) {
    filter f;
    const auto file = f.settings->state.directory / "refunds";
    const auto now = state_now();
    std::ofstream{file} << "\n"
                        << now + 60'000 << "\tv1 A one\talice@example.org\n"
                        << "\n"
                        << now - 1 << "\tv1 A late\tlate@example.org\n"
                        << std::string(3000, 'x') << "\nsoon\tv1 A x\ta@example.org\n\t\t\n"
                        << "\n"
                        << now + 60'000 << "\tv1 A two\tbob@example.org\n"
                        << "\n"
                        << now + 60'0; // torn
    f.start(smtp::protocol::smtp, way::before_queue);
    f.hop->answer("DOT", "450 4.2.0 later");
    const auto ticket = f.ticket("carol@example.org", "-", "192.0.2.1:587");
    BOOST_TEST(deliver(f, ticket + plain("carol@example.org", "one")).starts_with("450")); // goes behind the torn one
    f.stop();
    f.start(smtp::protocol::smtp, way::before_queue);
    fake_policyd policyd{f.scratch.path};
    run_awaitable(f.all->refunds().ask_again(f.settings));
    const std::vector<std::string> expected{"v1 A one", "v1 A two", value_of(ticket)};
    BOOST_TEST(policyd.tickets() == expected, boost::test_tools::per_element());
    BOOST_TEST(f.log.has("charge not taken back: its time is over account=late@example.org"));
}

BOOST_AUTO_TEST_CASE(a_claim_from_a_wrong_clock_does_not_wait_for_ever) {
    filter f;
    f.settings->policyd.lease = seconds{1};
    std::ofstream{f.settings->state.directory / "refunds"} << state_now() + 1'000'000'000 << "\tv1 A one\ta@e\n";
    f.start(smtp::protocol::smtp, way::before_queue);
    BOOST_TEST(f.all->refunds().waiting() == 1U);
    std::this_thread::sleep_for(std::chrono::milliseconds{1100});
    run_awaitable(f.all->refunds().ask_again(f.settings));
    BOOST_TEST(f.all->refunds().waiting() == 0U);
}

BOOST_AUTO_TEST_CASE(the_file_does_not_grow_and_has_the_newest) {
    filter f;
    f.settings->contentfilter.max_refunds = 2;
    f.start(smtp::protocol::smtp, way::before_queue);
    f.hop->answer("DOT", "450 4.2.0 later");
    std::vector<std::string> sealed;
    const auto file = f.settings->state.directory / "refunds";
    for (int i = 0; i < 20; ++i) {
        const auto ticket = f.ticket("alice@example.org", "-", "192.0.2.1:587");
        sealed.push_back(value_of(ticket));
        BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "one")).starts_with("450"));
        BOOST_TEST(std::filesystem::file_size(file) < 5 * (sealed.back().size() + 50));
    }
    f.stop();
    f.start(smtp::protocol::smtp, way::before_queue);
    fake_policyd policyd{f.scratch.path};
    run_awaitable(f.all->refunds().ask_again(f.settings));
    const std::vector<std::string> expected{sealed[18], sealed[19]};
    BOOST_TEST(policyd.tickets() == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(where_the_file_cannot_be_written_they_wait_in_memory) {
    filter f;
    std::filesystem::create_directories(f.settings->state.directory / "refunds" / "in the way");
    f.start(smtp::protocol::smtp, way::before_queue);
    f.hop->answer("DOT", "450 4.2.0 later");
    const auto ticket = f.ticket("alice@example.org", "-", "192.0.2.1:587");
    BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "one")).starts_with("450"));
    BOOST_TEST(f.log.has("a charge to be taken back is not on disk"));
    fake_policyd policyd{f.scratch.path};
    run_awaitable(f.all->refunds().ask_again(f.settings));
    BOOST_TEST(policyd.tickets().size() == 1U);
}

BOOST_AUTO_TEST_CASE(no_more_than_max_refunds_wait_and_the_oldest_is_given_up) {
    filter f;
    f.settings->contentfilter.max_refunds = 2;
    f.start(smtp::protocol::smtp, way::before_queue);
    f.hop->answer("DOT", "450 4.2.0 later");
    std::vector<std::string> sealed;
    for (const auto* account : {"alice@example.org", "bob@example.org", "carol@example.org"}) {
        const auto ticket = f.ticket(account, "-", "192.0.2.1:587");
        sealed.push_back(value_of(ticket));
        BOOST_TEST(deliver(f, ticket + plain(account, "one")).starts_with("450"));
    }
    BOOST_TEST(f.all->refunds().waiting() == 2U);
    BOOST_TEST(f.log.has("charge not taken back: too many wait account=alice@example.org"));
    fake_policyd policyd{f.scratch.path};
    run_awaitable(f.all->refunds().ask_again(f.settings));
    const std::vector<std::string> expected{sealed[1], sealed[2]};
    BOOST_TEST(policyd.tickets() == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_policyd_does_not_know_is_not_asked_again) {
    filter f;
    fake_policyd policyd{f.scratch.path};
    policyd.fails_with = errc::denied;
    policyd.fails = true;
    f.start(smtp::protocol::smtp, way::before_queue);
    f.hop->answer("DOT", "450 4.2.0 later");
    const auto ticket = f.ticket("alice@example.org", "-", "192.0.2.1:587");
    BOOST_TEST(deliver(f, ticket + plain("alice@example.org", "one")).starts_with("450"));
    BOOST_TEST(policyd.tickets().size() == 1U);
    BOOST_TEST(f.all->refunds().waiting() == 0U);
    BOOST_TEST(f.log.has("charge not taken back account=alice@example.org code=denied"));
}

BOOST_AUTO_TEST_SUITE_END()
