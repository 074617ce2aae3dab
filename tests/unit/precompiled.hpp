// SPDX-License-Identifier: Apache-2.0
// What a unit test reads beside that of shared/core/precompiled.hpp, and for the same end.
#pragma once

#include "shared/core/precompiled.hpp"

#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>
