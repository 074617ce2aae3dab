// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/daemon/vital.hpp"

#include "tests/unit/daemon/process_end.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <new>
#include <stdexcept>

using namespace postsluice;
using postsluice::test::end_of;

BOOST_AUTO_TEST_SUITE(vital_work)

BOOST_AUTO_TEST_CASE(a_daemon_does_not_go_on_without_it) {
    const auto [status, said] = end_of([] { daemon::vital{"accepting"}(std::make_exception_ptr(std::bad_alloc{})); });
    BOOST_TEST(WIFSIGNALED(status));
    BOOST_TEST(WTERMSIG(status) == SIGABRT);
    BOOST_TEST(said.find("what=accepting") != std::string::npos);
    BOOST_TEST(said.find("bad_alloc") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(its_ordinary_end_is_no_trouble) {
    const auto [status, said] = end_of([] { daemon::vital{"accepting"}(nullptr); });
    BOOST_TEST(status == 0);
    BOOST_TEST(said.empty());
}

BOOST_AUTO_TEST_CASE(nor_without_a_thread_of_its_event_loop) {
    const auto [status, said] = end_of([] {
        boost::asio::io_context context{1};
        boost::asio::post(context, [] { throw std::runtime_error{"a handler's"}; });
        boost::asio::post(context, [] { ::_exit(0); }); // somebody's, which would never run
        daemon::run_vital(context);
    });
    BOOST_TEST(WIFSIGNALED(status));
    BOOST_TEST(WTERMSIG(status) == SIGABRT);
    BOOST_TEST(said.find("what=\"event loop\" why=\"a handler's\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_event_loop_that_has_nothing_to_do_ends) {
    const auto [status, said] = end_of([] {
        boost::asio::io_context context{1};
        daemon::run_vital(context);
    });
    BOOST_TEST(status == 0);
    BOOST_TEST(said.empty());
}

BOOST_AUTO_TEST_SUITE_END()
