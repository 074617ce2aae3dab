// SPDX-License-Identifier: Apache-2.0
// Socket pairs in a ready set: this end is in the set, the other one speaks.
#define BOOST_TEST_DYN_LINK
#include "shared/core/descriptor.hpp"
#include "shared/net/ready_set.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <sys/socket.h>

using namespace postsluice;
namespace asio = boost::asio;

namespace {

struct pair_in_set {
    explicit pair_in_set(net::ready_set& set) {
        std::array<int, 2> ends{};
        BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
        ours = descriptor{ends[0]};
        theirs = descriptor{ends[1]};
        in_set = std::make_unique<net::ready_set::member>(set, ours.get());
    }
    void say(std::string_view text) const {
        BOOST_REQUIRE(::send(theirs.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
                      static_cast<ssize_t>(text.size()));
    }
    std::string read() const {
        std::string out(100, '\0');
        const auto n = ::recv(ours.get(), out.data(), out.size(), 0);
        out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return out;
    }
    descriptor ours, theirs;
    std::unique_ptr<net::ready_set::member> in_set;
};

struct with_loop {
    asio::io_context context;
    net::ready_set set{context.get_executor()};
    std::vector<std::string> seen;

    void turn() {
        context.restart();
        while (context.poll() != 0) {
        }
    }
    /// Waits `times` times, and notes what it reads or "cancelled".
    asio::awaitable<void> listen_to(pair_in_set& one, int times = 1) {
        for (int i = 0; i < times; ++i) {
            const bool happened = co_await one.in_set->wait();
            seen.push_back(happened ? one.read() : "cancelled");
        }
    }
    void begin(asio::awaitable<void> what) {
        asio::co_spawn(context, std::move(what), [](std::exception_ptr e) { BOOST_TEST(!e); });
        turn();
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(ready_set_test)

BOOST_FIXTURE_TEST_CASE(a_wait_ends_with_what_comes, with_loop) {
    pair_in_set one{set}, other{set};
    BOOST_TEST(one.in_set->take()); // at first there may be something
    BOOST_TEST(!one.in_set->take());
    begin(listen_to(one, 2));
    BOOST_TEST(seen.empty());
    other.say("not to him");
    one.say("a");
    turn();
    one.say("b");
    turn();
    BOOST_TEST(seen == (std::vector<std::string>{"a", "b"}), boost::test_tools::per_element());
    BOOST_TEST(!one.in_set->hung_up());
}

BOOST_FIXTURE_TEST_CASE(what_comes_while_nobody_waits_is_remembered, with_loop) {
    pair_in_set one{set}, other{set};
    (void)one.in_set->take();
    (void)other.in_set->take();
    begin(listen_to(other)); // somebody has to, or the loop does not look
    one.say("early");
    turn();
    begin(listen_to(one));
    BOOST_TEST(seen == (std::vector<std::string>{"early"}), boost::test_tools::per_element());
    other.in_set->cancel();
    turn();
}

BOOST_FIXTURE_TEST_CASE(a_cancelled_wait_says_so_and_does_not_answer_at_once, with_loop) {
    pair_in_set one{set};
    (void)one.in_set->take();
    begin(listen_to(one, 2));
    one.in_set->cancel();
    BOOST_TEST(seen.empty());
    one.in_set->cancel(); // there is no wait now
    turn();
    one.say("later");
    turn();
    BOOST_TEST(seen == (std::vector<std::string>{"cancelled", "later"}), boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(the_end_of_the_stream_happens_also_where_it_came_with_the_last_octets, with_loop) {
    pair_in_set one{set};
    (void)one.in_set->take();
    begin(listen_to(one));
    one.say("last words");
    one.theirs.close();
    turn();
    BOOST_TEST(seen == (std::vector<std::string>{"last words"}), boost::test_tools::per_element());
    BOOST_TEST(one.in_set->hung_up()); // so there is more to read: the end
}

BOOST_FIXTURE_TEST_CASE(a_loop_whose_members_do_not_wait_has_no_work, with_loop) {
    pair_in_set one{set};
    (void)one.in_set->take();
    begin(listen_to(one));
    context.restart();
    BOOST_TEST(context.poll() == 0U);
    BOOST_TEST(!context.stopped()); // there is work
    one.say("x");
    context.restart();
    context.run(); // comes to an end
    BOOST_TEST(seen.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(room_to_write_happens_where_it_is_waited_for_and_then_no_more, with_loop) {
    pair_in_set one{set};
    (void)one.in_set->take();
    const std::string much(100'000, 'x');
    while (::send(one.ours.get(), much.data(), much.size(), MSG_NOSIGNAL) > 0) {
    }
    int room = 0;
    const auto write = [&]() -> asio::awaitable<void> {
        room += co_await one.in_set->wait_for_room() ? 1 : 0;
        room += co_await one.in_set->wait() ? 10 : 0;
    };
    begin(write());
    BOOST_TEST(room == 0);
    std::string read(1'000'000, '\0');
    while (::recv(one.theirs.get(), read.data(), read.size(), 0) > 0) {
    }
    turn();
    BOOST_TEST(room == 1);
    one.say("x");
    turn();
    BOOST_TEST(room == 11);
}

BOOST_FIXTURE_TEST_CASE(what_waits_to_be_read_does_not_end_a_wait_for_room, with_loop) {
    pair_in_set one{set};
    (void)one.in_set->take();
    const std::string much(100'000, 'x');
    while (::send(one.ours.get(), much.data(), much.size(), MSG_NOSIGNAL) > 0) {
    }
    one.say("unread");
    bool room = false;
    const auto write = [&]() -> asio::awaitable<void> {
        room = co_await one.in_set->wait_for_room();
        BOOST_TEST(co_await one.in_set->wait()); // now that is told
    };
    begin(write());
    BOOST_TEST(!room);
    std::string read(1'000'000, '\0');
    while (::recv(one.theirs.get(), read.data(), read.size(), 0) > 0) {
    }
    turn();
    BOOST_TEST(room);
    BOOST_TEST(one.read() == "unread");
}

BOOST_FIXTURE_TEST_CASE(a_member_may_end_others_of_the_same_moment, with_loop) {
    std::vector<std::unique_ptr<pair_in_set>> all;
    for (int i = 0; i < 8; ++i) {
        all.push_back(std::make_unique<pair_in_set>(set));
        (void)all.back()->in_set->take();
    }
    const auto end_others = [&](std::size_t mine) -> asio::awaitable<void> {
        if (!co_await all[mine]->in_set->wait()) co_return;
        seen.emplace_back("first");
        for (std::size_t i = 0; i < all.size(); ++i)
            if (i != mine) all[i]->in_set.reset();
    };
    for (std::size_t i = 0; i < all.size(); ++i)
        begin(end_others(i));
    for (const auto& one : all)
        one->say("now");
    turn();
    BOOST_TEST(seen.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(work_for_the_end_of_a_turn_is_done_when_all_were_told_and_before_anything_that_was_posted,
                        with_loop) {
    pair_in_set one{set}, other{set};
    (void)one.in_set->take();
    (void)other.in_set->take();
    const auto later = set.end_of_turn();
    const auto works = [&](pair_in_set& mine) -> asio::awaitable<void> {
        co_await mine.in_set->wait();
        asio::post(context, [&] { seen.emplace_back("posted"); });
        later([&] { seen.emplace_back("at the end"); });
        seen.push_back(mine.read());
    };
    begin(works(one));
    begin(works(other));
    one.say("a");
    other.say("a");
    turn();
    BOOST_TEST(seen == (std::vector<std::string>{"a", "a", "at the end", "at the end", "posted", "posted"}),
               boost::test_tools::per_element());

    seen.clear(); // outside of a turn: posted
    later([&] { seen.emplace_back("posted"); });
    BOOST_TEST(seen.empty());
    turn();
    BOOST_TEST(seen.size() == 1U);
}

BOOST_AUTO_TEST_CASE(with_the_set_end_the_waits) {
    asio::io_context context;
    auto set = std::make_unique<net::ready_set>(context.get_executor());
    struct noted {
        bool& gone;
        ~noted() { gone = true; }
    };
    bool gone = false;
    // The coroutine owns its connection, and so itself: nobody else could end it.
    const auto wait = [&]() -> asio::awaitable<void> {
        const noted at_the_end{gone};
        pair_in_set mine{*set};
        (void)mine.in_set->take();
        co_await mine.in_set->wait();
    };
    asio::co_spawn(context, wait(), [](std::exception_ptr) {});
    context.poll();
    BOOST_TEST(!gone);
    set.reset();
    context.restart();
    context.poll(); // coroutines end on their loop
    BOOST_TEST(gone);
}

BOOST_AUTO_TEST_SUITE_END()
