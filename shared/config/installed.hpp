// SPDX-License-Identifier: Apache-2.0
// Where `make install` puts what the daemons need beside themselves: the Makefile's libexecdir and datadir, known from
// when they were built.
#pragma once

#include <filesystem>
#include <string_view>

namespace postsluice::config {

/// Of a program that only the daemons start.
[[nodiscard]] std::filesystem::path installed_program(std::string_view name);
/// Of the rule files that ship, as a pattern.
[[nodiscard]] std::filesystem::path installed_rules();

} // namespace postsluice::config
