// SPDX-License-Identifier: Apache-2.0
// One entry of an archive, read under the bounds: its beginning always, the whole of it where somebody wants to look
// into it. Shared by the inspections of archives and of documents.
#pragma once

#include "contentfilter/worker/archive_reader.hpp"
#include "contentfilter/worker/unpacking.hpp"

#include <functional>

namespace postsluice::contentfilter::worker {

/// What is seen of a file before it is decided whether all of it is kept; what libmagic looks at.
inline constexpr std::size_t beginning = 65536;

struct member {
    std::string octets;   ///< the beginning, or all of it
    bool whole = false;   ///< octets are all there is
    bool readable = true; ///< false: encrypted or broken, and noted as that
};

/// Reads the entry at hand to its end, so that what it really holds is charged, whatever it declares. `wanted` is asked
/// once, with the beginning.
[[nodiscard]] member read_member(archive_reader& from, const std::string& path, unpacking& account,
                                 const std::function<bool(std::string_view)>& wanted);

/// "inner.zip" and "a.exe" to "inner.zip/a.exe", of bounded length: the end of a name is what counts.
[[nodiscard]] std::string join_path(const std::string& container, const std::string& name);

/// The name of what a compressed file holds: "invoice.js.gz" to "invoice.js", "a.tgz" to "a.tar".
[[nodiscard]] std::string without_compression(const std::string& name);

} // namespace postsluice::contentfilter::worker
