// SPDX-License-Identifier: Apache-2.0
#include "shared/dns/txt_batch.hpp"

#include "shared/dns/resolver.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace postsluice::dns {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

namespace {

/// Lives on the strand, and so does the resolver, to its end.
struct batch {
    batch(const asio::any_io_executor& on, const config::dns_settings& how, std::vector<std::string> asked,
          milliseconds at_most)
        : names{std::move(asked)}
        , answers(names.size(), failure{errc::timed_out, "DNS: not asked, there was no time left"})
        , until{steady::now() + at_most}
        , names_of{on, how}
        , done{on, steady::time_point::max()} {}
    std::vector<std::string> names;
    std::vector<txt_records> answers;
    steady::time_point until;
    resolver names_of;
    asio::steady_timer done;
    std::size_t next = 0, running = 0;
};

asio::awaitable<void> ask_in_turn(std::shared_ptr<batch> of) {
    while (of->next < of->names.size() && steady::now() < of->until) {
        const auto i = of->next++;
        auto got = co_await of->names_of.txt(of->names[i]);
        if (got)
            of->answers[i] = std::move(got->records);
        else
            of->answers[i] = got.error();
    }
}

asio::awaitable<std::vector<txt_records>> ask_all(config::dns_settings how, std::vector<std::string> names,
                                                  milliseconds at_most) {
    const auto strand = co_await asio::this_coro::executor;
    const auto all = std::make_shared<batch>(strand, how, std::move(names), at_most);
    all->running = std::min(all->names.size(), txt_batch_at_once);
    for (auto n = all->running; n > 0; --n)
        asio::co_spawn(strand, ask_in_turn(all), [all](std::exception_ptr) {
            if (--all->running == 0) all->done.cancel();
        });
    if (all->running > 0) (void)co_await all->done.async_wait(asio::as_tuple(asio::use_awaitable));
    co_return std::move(all->answers);
}

} // namespace

asio::awaitable<std::vector<txt_records>> txt_batch(asio::any_io_executor on, config::dns_settings how,
                                                    std::vector<std::string> names, milliseconds at_most) {
    const auto count = names.size();
    std::string trouble;
    try {
        auto asking = ask_all(std::move(how), std::move(names), at_most);
        co_return co_await asio::co_spawn(asio::make_strand(on), std::move(asking), asio::use_awaitable);
    } catch (const std::exception& e) {
        trouble = e.what();
    }
    co_return std::vector<txt_records>(count, failure{errc::unavailable, trouble});
}

} // namespace postsluice::dns
