// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/worker/file_magic.hpp"

#include <cstdlib>
#include <ctime>
#include <magic.h>
#include <stdexcept>

namespace postsluice::contentfilter::worker {

namespace {
// Looking into compressed data would start programs; the ELF pass wants a file to seek in, and the rules know ELF
// without it.
constexpr int base_flags = MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_ELF;
} // namespace

file_magic::file_magic()
    : magic_{magic_open(base_flags)} {
    if (!magic_) throw std::runtime_error{"libmagic: no memory"};
    if (magic_load(magic_, nullptr) != 0) {
        const char* why = magic_error(magic_);
        const std::string text = why ? why : "its database cannot be read";
        magic_close(magic_);
        throw std::runtime_error{"libmagic: " + text};
    }
    ::setenv("TZ", "UTC0", 1); // descriptions carry dates: no time zone file is opened for this one
    ::tzset();
    std::time_t now = 0;
    std::tm parts{};
    ::localtime_r(&now, &parts);
    (void)identify("warm up"); // what is loaded lazily is loaded now
}
file_magic::~file_magic() {
    magic_close(magic_);
}

std::string file_magic::identify(std::string_view octets) const {
    std::string answer;
    magic_setflags(magic_, base_flags | MAGIC_MIME_TYPE);
    const char* type = magic_buffer(magic_, octets.data(), octets.size());
    answer = type ? type : "application/octet-stream";
    answer += '\0';
    // Only what may become evidence is worth a second pass over the rules.
    if (!answer.starts_with("application/") || answer.starts_with("application/octet-stream")) return answer;
    magic_setflags(magic_, base_flags);
    if (const char* description = magic_buffer(magic_, octets.data(), octets.size())) answer += description;
    return answer;
}

} // namespace postsluice::contentfilter::worker
