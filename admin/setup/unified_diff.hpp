// SPDX-License-Identifier: Apache-2.0
// The difference of two texts as `diff -u` prints it, for people and for patch(1). Pure; time and memory grow with the
// product of the lines that lie between the first and the last difference, which is right for configuration files.
#pragma once

#include <string>
#include <string_view>

namespace postsluice::admin::setup {

/// Empty where the texts are equal.
[[nodiscard]] std::string unified_diff(std::string_view before, std::string_view after, std::string_view name);

} // namespace postsluice::admin::setup
