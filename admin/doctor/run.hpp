// SPDX-License-Identifier: Apache-2.0
// Runs a program without a shell and returns what it wrote to its standard output: at most 4 MiB, for at most 20 s.
// errc::unavailable: it cannot be run, or its exit code is not 0 (the detail holds the first line of its complaint);
// errc::timed_out, errc::too_large. It gets no input, PATH, and MAIL_CONFIG where we have it.
#pragma once

#include "shared/core/result.hpp"

#include <string>
#include <vector>

namespace postsluice::admin::doctor {

[[nodiscard]] result<std::string> run(const std::vector<std::string>& command);

} // namespace postsluice::admin::doctor
