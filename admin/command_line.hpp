// SPDX-License-Identifier: Apache-2.0
// From arguments to a command: parses, runs, and returns the exit code. --json and --config may stand anywhere; the
// environment's POSTSLUICE_CONFIG is the default of --config. Wrong usage is a sentence on `err` and exit_usage.
#pragma once

#include "shared/core/clock.hpp"

#include <iosfwd>

namespace postsluice::admin {

int run_command_line(int argc, const char* const* argv, std::ostream& out, std::ostream& err, const clock& time);

} // namespace postsluice::admin
