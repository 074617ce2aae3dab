// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace postsluice::admin {

class context;

/// Sets one value in the configuration file, or in that of conf.d/ which sets it already. nullopt: done; else the exit
/// code, and nothing was changed.
[[nodiscard]] std::optional<int> set_value(context& ctx, const std::string& name, const std::string& value);

} // namespace postsluice::admin
