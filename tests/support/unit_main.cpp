// SPDX-License-Identifier: Apache-2.0
// main() of every unit test binary.
#define BOOST_TEST_DYN_LINK
#define BOOST_TEST_MODULE postsluice
#include <boost/test/unit_test.hpp>
