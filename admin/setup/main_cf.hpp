// SPDX-License-Identifier: Apache-2.0
// main.cf: parameters by name. Of several lines for one name Postfix takes the last, and so do these. Pure.
#pragma once

#include "admin/setup/logical_lines.hpp"

#include <optional>

namespace postsluice::admin::setup {

/// The name of a piece's parameter; empty: it is none ("name = value" is all that main.cf knows).
[[nodiscard]] std::string parameter_name(const piece& p);
/// Its value, blanks at the ends removed, runs of blanks as one.
[[nodiscard]] std::string parameter_value(const piece& p);

/// Where the last line for `name` stands.
[[nodiscard]] std::optional<std::size_t> find_parameter(const logical_lines& main, std::string_view name);
[[nodiscard]] std::optional<std::string> value_of(const logical_lines& main, std::string_view name);
/// Changes the last line for `name`, or adds one at the end.
void set_parameter(logical_lines& main, std::string_view name, std::string_view value);

} // namespace postsluice::admin::setup
