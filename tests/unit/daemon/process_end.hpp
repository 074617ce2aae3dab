// SPDX-License-Identifier: Apache-2.0
// How a process of its own ends that does something, and what it wrote to stderr.
#pragma once

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <csignal>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace postsluice::test {

/// The status as waitpid(2) tells it, and the text. Where `what` returns, the process ends with 0.
template <class What>
std::pair<int, std::string> end_of(What what) {
    int text[2];
    BOOST_REQUIRE(::pipe(text) == 0);
    const auto child = ::fork();
    if (child == 0) {
        const rlimit no_core{0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        ::signal(SIGABRT, SIG_DFL); // the test's own handler would report it
        ::dup2(text[1], STDERR_FILENO);
        what();
        ::_exit(0);
    }
    ::close(text[1]);
    std::string said(1000, ' ');
    said.resize(static_cast<std::size_t>(std::max<ssize_t>(::read(text[0], said.data(), said.size()), 0)));
    ::close(text[0]);
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    return {status, said};
}

} // namespace postsluice::test
