// SPDX-License-Identifier: Apache-2.0
// What a file is, by its content: libmagic (the only file that knows it is file_magic.cpp). Loads libmagic's own
// database once; all it would read later (time zone, database) is read then, since afterwards the worker may open
// nothing.
#pragma once

#include <string>
#include <string_view>

struct magic_set; // libmagic's

namespace postsluice::contentfilter::worker {

class file_magic {
public:
    /// Throws std::runtime_error where the database cannot be read.
    file_magic();
    ~file_magic();
    file_magic(const file_magic&) = delete;
    /// MIME type, NUL, description; "application/octet-stream" where libmagic fails.
    [[nodiscard]] std::string identify(std::string_view octets) const;

private:
    ::magic_set* magic_;
};

} // namespace postsluice::contentfilter::worker
