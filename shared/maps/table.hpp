// SPDX-License-Identifier: Apache-2.0
// Private to shared/maps: one map that is a file, opened. Not thread-safe: map_set asks it under a lock.
#pragma once

#include "shared/maps/map_set.hpp"

namespace postsluice::maps {

class table {
public:
    virtual ~table() = default;
    virtual answer get(std::string_view key) = 0;
    /// What its file holds that was passed over, "line 7: no closing delimiter".
    std::vector<std::string> warnings;
};
using table_ptr = std::unique_ptr<table>;

/// `path` without ".lmdb".
result<table_ptr> open_lmdb(const std::string& path);
result<table_ptr> open_texthash(const std::string& path);
result<table_ptr> open_regexp(const std::string& path);

/// The whole file, at most max_file octets.
result<std::string> read_whole(const std::string& path);
/// errno as a failure that names the file.
failure file_failure(const std::string& path, int number);

/// A logical line (postmap(1)): comments and empty lines left out, lines that begin with a blank joined to the one
/// before them.
struct logical_line {
    std::size_t number = 0; ///< of its first line, from 1
    std::string text;       ///< without blanks at its end
};
std::vector<logical_line> logical_lines(std::string_view text, std::vector<std::string>& warnings);

/// isspace(3) in the C locale.
constexpr bool is_space(char c) noexcept {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

} // namespace postsluice::maps
