// SPDX-License-Identifier: Apache-2.0
// Settings as TOML, complete: load_text() of it yields the same settings. Profiles are printed as they are after
// inheritance.
#pragma once

#include "shared/config/settings.hpp"

#include <string>

namespace postsluice::config {

[[nodiscard]] std::string print_settings(const settings& s);

} // namespace postsluice::config
