// SPDX-License-Identifier: Apache-2.0
// An environment whose meta page could not be written: LMDB answers MDB_PANIC to everything from then on, until it is
// opened anew. The write fails here, in place of a disk.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include <dlfcn.h>

#include <atomic>
#include <cerrno>

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;

namespace {

constexpr off_t after_meta_pages = 2 * 4096;
std::atomic<bool> meta_pages_fail = false;
std::atomic<int> failed = 0;

} // namespace

// What LMDB calls instead of the C library's.
extern "C" ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
    using function = ssize_t (*)(int, const void*, size_t, off_t);
    static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "pwrite"));
    if (meta_pages_fail && at < after_meta_pages) {
        ++failed;
        errno = EIO;
        return -1;
    }
    return real(fd, data, size, at);
}

BOOST_AUTO_TEST_SUITE(panic_test)

BOOST_AUTO_TEST_CASE(an_environment_that_panicked_is_opened_anew_with_what_was_committed) {
    const temp_directory dir;
    log_lines said;
    const auto s = open_store(dir / "state", durability::synced);
    BOOST_REQUIRE(put(*s, "kept", "1").has_value());
    meta_pages_fail = true;
    BOOST_TEST(!put(*s, "lost", "1").has_value());
    meta_pages_fail = false;
    BOOST_REQUIRE(failed > 0); // else LMDB writes them another way, and nothing was tried
    bool again = false;
    for (int i = 0; i < 3 && !again; ++i) // the first call meets the panic
        again = put(*s, "new", "1").has_value();
    BOOST_TEST(again);
    BOOST_TEST(said.contain("state reopened"));
    BOOST_TEST(get(*s, "kept").value_or("") == "1");
    BOOST_TEST(get(*s, "new").value_or("") == "1");
    BOOST_TEST(!get(*s, "lost").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
