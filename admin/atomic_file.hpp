// SPDX-License-Identifier: Apache-2.0
// Files that are there whole or as they were: a temporary file beside them, fsync, rename, fsync of the directory.
// Owner, group, mode and extended attributes (ACLs, SELinux labels) of a file that is replaced stay; a symbolic link
// stays one, and what it leads to is replaced. errc::denied, disk_full, unavailable with the path and the system's
// reason; then nothing was changed.
#pragma once

#include "shared/core/result.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace postsluice::admin {

/// In the name of a temporary file, before six random characters: one that a killed writer left is known by it.
inline constexpr std::string_view temporary_mark = ".postsluice-tmp-";

/// `mode` and root's ownership are for a file that is not there yet. Its time of modification lies `age` back.
[[nodiscard]] result<void> write_file(const std::filesystem::path& file, std::string_view text, mode_t mode = 0644,
                                      std::chrono::seconds age = std::chrono::seconds{0});
/// not_found where it is not there.
[[nodiscard]] result<std::string> read_file(const std::filesystem::path& file);
/// Removes a file, or a directory with all in it; what is not there is removed already.
[[nodiscard]] result<void> remove_file(const std::filesystem::path& file);

} // namespace postsluice::admin
