// SPDX-License-Identifier: Apache-2.0
// Which of libmagic's types are programs: opening such a file runs it.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace postsluice::contentfilter {

[[nodiscard]] inline bool is_program_type(std::string_view type) noexcept {
    constexpr std::array<std::string_view, 11> programs{
        "application/x-dosexec",      "application/vnd.microsoft.portable-executable",
        "application/x-executable",   "application/x-pie-executable",
        "application/x-sharedlib",    "application/x-object",
        "application/x-mach-binary",  "application/x-ms-shortcut",
        "application/x-msi",          "application/x-ms-ne-executable",
        "application/x-lx-executable"};
    return std::find(programs.begin(), programs.end(), type) != programs.end();
}

} // namespace postsluice::contentfilter
