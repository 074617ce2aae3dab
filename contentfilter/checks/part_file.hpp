// SPDX-License-Identifier: Apache-2.0
// The content of a part as a file: its ends, and a decoded copy for those that want all of it (a worker, a scanner).
// The copy lies in memory up to spool_memory and in an unlinked file beyond, as a message does.
#pragma once

#include "contentfilter/mime/tree.hpp"

#include <memory>
#include <string>

namespace postsluice::contentfilter {

struct part_ends {
    std::string beginning; ///< up to 64 KiB
    std::string end;       ///< at least the last 66 KiB, where there are as many
    bool compound = false; ///< a compound file begins somewhere in it, or eight octets look like that
    std::uint64_t size = 0;
};
/// Throws std::runtime_error where the spool cannot be read.
[[nodiscard]] part_ends ends_of(const mime::part& part);
/// Up to `most` octets. Throws std::runtime_error where the spool cannot be read or written.
[[nodiscard]] std::string beginning_of(const mime::part& part, std::uint64_t most);
/// SHA-256 of the content, hex. Throws std::runtime_error where the spool cannot be read.
[[nodiscard]] std::string sha256_of(const mime::part& part);
/// Throws std::runtime_error where the spool cannot be read or written.
[[nodiscard]] std::shared_ptr<const spool> copy_of(const mime::part& part, const config::filter_settings& settings);

} // namespace postsluice::contentfilter
