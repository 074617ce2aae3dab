// SPDX-License-Identifier: Apache-2.0
// What is remembered of SPF evaluations, and for how long: with the real helper, and a zone of the test's own that
// counts its questions.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/auth/spf.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

using namespace postsluice;
using namespace postsluice::auth;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct zone {
    asio::io_context context;
    std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now();
    bool broken = false;
    std::size_t asked = 0;
    config::spf_settings how;
    std::unique_ptr<spf_checker> checker;
    const ip_address ours = ip_address::parse("192.0.2.25").value(), other = ip_address::parse("192.0.2.26").value();

    zone() {
        how.helper =
            std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "postsluice-spf-helper";
        how.cache_time = seconds{3600};
    }
    void start() {
        checker = std::make_unique<spf_checker>(
            context.get_executor(), how,
            [this](std::string, dns::record_type) -> asio::awaitable<result<dns::answer>> { return answer(); },
            [this] { return now; });
    }
    asio::awaitable<result<dns::answer>> answer() {
        ++asked;
        if (broken) co_return failure{errc::timed_out, "silence"};
        const std::string text = "v=spf1 ip4:192.0.2.25 -all";
        co_return dns::answer{dns::outcome::records, {static_cast<char>(text.size()) + text}, seconds{60}};
    }
    spf_result check(const std::string& domain, const ip_address& address) {
        std::optional<spf_verdict> out;
        asio::co_spawn(context, checker->check({domain, address, {}, {}}), [&](std::exception_ptr e, spf_verdict v) {
            BOOST_REQUIRE(!e);
            out = std::move(v);
        });
        settle();
        BOOST_REQUIRE(out.has_value());
        return out->result;
    }
    void settle() {
        context.restart();
        context.run_for(30s);
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(spf_checker_test)

BOOST_FIXTURE_TEST_CASE(a_result_is_evaluated_once_and_for_each_address, zone) {
    start();
    BOOST_TEST((check("example.org", ours) == spf_result::pass));
    const auto once = asked;
    BOOST_TEST(once >= 1U);
    BOOST_TEST((check("EXAMPLE.org", ours) == spf_result::pass));
    BOOST_TEST(asked == once);
    BOOST_TEST((check("example.org", other) == spf_result::fail));
    BOOST_TEST(asked > once);
    const auto known = checker->recall("example.org", other);
    BOOST_REQUIRE(known.has_value());
    BOOST_TEST((known->result == spf_result::fail));
}

BOOST_FIXTURE_TEST_CASE(a_result_is_renewed_in_the_background_when_half_of_its_time_is_over, zone) {
    start();
    BOOST_TEST((check("example.org", ours) == spf_result::pass));
    const auto once = asked;
    now += seconds{1801};
    BOOST_TEST(checker->recall("example.org", ours).has_value()); // still there, and getting old
    BOOST_TEST(asked == once);                                    // nobody waited for it
    settle();
    BOOST_TEST(asked > once);
    now += seconds{1801};
    BOOST_TEST(checker->recall("example.org", ours).has_value()); // the old one's time is over
}

BOOST_FIXTURE_TEST_CASE(a_temporary_error_is_not_kept_as_long, zone) {
    broken = true;
    start();
    BOOST_TEST((check("example.org", ours) == spf_result::temperror));
    broken = false;
    BOOST_TEST((check("example.org", ours) == spf_result::temperror)); // remembered
    now += spf_checker::temperror_kept;
    BOOST_TEST((check("example.org", ours) == spf_result::pass));
}

BOOST_FIXTURE_TEST_CASE(only_so_many_are_remembered, zone) {
    how.cache_entries = 3;
    start();
    for (const auto* domain : {"a.example", "b.example", "c.example", "d.example"})
        BOOST_TEST((check(domain, ours) == spf_result::pass));
    const auto all = asked;
    BOOST_TEST((check("d.example", ours) == spf_result::pass));
    BOOST_TEST(asked == all);
    BOOST_TEST((check("a.example", ours) == spf_result::pass)); // forgotten when the fourth came
    BOOST_TEST(asked > all);
}

BOOST_AUTO_TEST_SUITE_END()
