// SPDX-License-Identifier: Apache-2.0
// What a batch does without a server that answers; with one: tests/integration/test_dkim_published.py.
#define BOOST_TEST_DYN_LINK
#include "shared/dns/txt_batch.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <thread>

using namespace postsluice;
namespace asio = boost::asio;

namespace {

std::vector<dns::txt_records> run(config::dns_settings how, std::vector<std::string> names, milliseconds at_most) {
    asio::io_context context;
    std::vector<dns::txt_records> out;
    asio::co_spawn(context, dns::txt_batch(context.get_executor(), std::move(how), std::move(names), at_most),
                   [&](std::exception_ptr e, std::vector<dns::txt_records> got) {
                       if (e) std::rethrow_exception(e);
                       out = std::move(got);
                   });
    std::thread other{[&context] { context.run(); }};
    context.run();
    other.join();
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(txt_batch)

BOOST_AUTO_TEST_CASE(settings_that_cannot_be_used_fail_each_question) {
    config::dns_settings how;
    how.servers = {"no address"};
    const auto got = run(how, {"a.example", "b.example"}, seconds{5});
    BOOST_TEST_REQUIRE(got.size() == 2U);
    for (const auto& one : got)
        BOOST_TEST((one.has_error() && one.error().code == errc::unavailable));
}

BOOST_AUTO_TEST_CASE(a_server_that_is_not_there_is_trouble_and_not_absence) {
    config::dns_settings how;
    how.servers = {"127.0.0.1@1"};
    how.timeout = seconds{1};
    std::vector<std::string> names;
    for (int i = 0; i < 200; ++i)
        names.push_back("n" + std::to_string(i) + ".example");
    names.emplace_back("\xC3\xA4.example");
    const auto got = run(how, names, seconds{2});
    BOOST_TEST_REQUIRE(got.size() == names.size());
    for (const auto& one : got)
        BOOST_TEST(one.has_error());
    BOOST_TEST((got.back().error().code == errc::unsupported || got.back().error().code == errc::timed_out));
}

BOOST_AUTO_TEST_CASE(without_time_or_names_nothing_is_asked) {
    config::dns_settings how;
    how.servers = {"127.0.0.1@1"};
    BOOST_TEST(run(how, {}, seconds{5}).empty());
    const auto got = run(how, {"a.example"}, milliseconds{0});
    BOOST_TEST_REQUIRE(got.size() == 1U);
    BOOST_TEST((got[0].has_error() && got[0].error().code == errc::timed_out));
}

BOOST_AUTO_TEST_SUITE_END()
