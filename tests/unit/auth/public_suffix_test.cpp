// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/auth/public_suffix.hpp"

using namespace postsluice;

BOOST_AUTO_TEST_SUITE(public_suffix_test)

BOOST_AUTO_TEST_CASE(names_below_top_level_domains_could_be_registered) {
    for (const char* name : {"example.com", "a.b.example.co.uk", "example.xn--p1ai", "www.ck", "a.b.ck", "x.github.io",
                             "github.io", "example.zip"})
        BOOST_TEST(auth::is_registrable(name), name);
    for (const char* name : {"", ".", "com", "co.uk", "b.ck", "main.cpp", "example", "a.example", "localhost",
                             "printer.local", "127.0.0.1", "example.com."})
        BOOST_TEST(!auth::is_registrable(name), name);
}

BOOST_AUTO_TEST_SUITE_END()
