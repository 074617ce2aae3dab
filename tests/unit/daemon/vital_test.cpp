// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/daemon/vital.hpp"

#include "shared/log/log.hpp"

#include <boost/test/unit_test.hpp>

#include <csignal>
#include <new>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace postsluice;

namespace {

/// How a process ends that does this (as waitpid tells it), and the last it logged.
std::pair<int, std::string> end_of(std::exception_ptr error) {
    int line[2];
    BOOST_REQUIRE(::pipe(line) == 0);
    const auto child = ::fork();
    if (child == 0) {
        const rlimit no_core{0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        ::signal(SIGABRT, SIG_DFL); // the test's own handler would report it
        log::capture([&](log::level, const std::string& text) { (void)!::write(line[1], text.data(), text.size()); });
        daemon::vital{"accepting"}(error);
        ::_exit(0);
    }
    ::close(line[1]);
    std::string said(1000, ' ');
    said.resize(static_cast<std::size_t>(std::max<ssize_t>(::read(line[0], said.data(), said.size()), 0)));
    ::close(line[0]);
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    return {status, said};
}

} // namespace

BOOST_AUTO_TEST_SUITE(vital_work)

BOOST_AUTO_TEST_CASE(a_daemon_does_not_go_on_without_it) {
    const auto [status, said] = end_of(std::make_exception_ptr(std::bad_alloc{}));
    BOOST_TEST(WIFSIGNALED(status));
    BOOST_TEST(WTERMSIG(status) == SIGABRT);
    BOOST_TEST(said.find("what=accepting") != std::string::npos);
    BOOST_TEST(said.find("bad_alloc") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(its_ordinary_end_is_no_trouble) {
    const auto [status, said] = end_of(nullptr);
    BOOST_TEST(status == 0);
    BOOST_TEST(said.empty());
}

BOOST_AUTO_TEST_SUITE_END()
