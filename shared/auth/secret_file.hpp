// SPDX-License-Identifier: Apache-2.0
// Files that hold secrets, with the care that they need: read only where others may not, written aside, synced and put
// in place, so that a reader sees the old text or the new one and never a part of either. Blocking.
#pragma once

#include "shared/core/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace postsluice::auth {

/// What tells one state of a file from another; all zero: no file.
struct file_version {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = 0, modified = 0, changed = 0; ///< octets, nanoseconds
    bool operator==(const file_version&) const = default;
};
[[nodiscard]] file_version version_of(const std::filesystem::path& file) noexcept;

/// errc::denied: no plain file, of another user than root or us, or open to others; not_found; too_large; unavailable.
[[nodiscard]] result<std::string> read_secret_file(const std::filesystem::path& file, std::size_t max_octets);
/// A new file, mode 0600. No error where one is there already: of two makers one makes it.
[[nodiscard]] result<void> make_secret_file(const std::filesystem::path& file, std::string_view text);
/// A file, mode 0600, in the place of whatever was there.
[[nodiscard]] result<void> replace_secret_file(const std::filesystem::path& file, std::string_view text);

} // namespace postsluice::auth
