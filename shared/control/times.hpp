// SPDX-License-Identifier: Apache-2.0
// Times as the control protocol writes them (postsluice::to_iso8601()), read again.
#pragma once

#include "shared/core/clock.hpp"

#include <optional>
#include <string_view>

namespace postsluice::control {

/// "2026-11-21T10:15:30Z"; nothing else.
[[nodiscard]] std::optional<instant> parse_iso8601(std::string_view text);

} // namespace postsluice::control
