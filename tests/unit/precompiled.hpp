// SPDX-License-Identifier: Apache-2.0
// What a unit test reads beside that of shared/precompiled.hpp, and for the same end.
#pragma once

#include "shared/precompiled.hpp"

#include <boost/test/unit_test.hpp>
