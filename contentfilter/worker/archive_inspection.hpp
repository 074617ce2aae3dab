// SPDX-License-Identifier: Apache-2.0
// Looks into an archive and the archives in it: names, programs, and what cannot be seen.
#pragma once

#include "contentfilter/worker/archive_report.hpp"

#include <functional>
#include <string_view>

namespace postsluice::contentfilter::worker {

/// libmagic's type of a file that begins so; file_magic's, but in tests and fuzz targets.
using type_namer = std::function<std::string(std::string_view)>;

[[nodiscard]] archive_report inspect_archive(std::string_view octets, const unpack_bounds& bounds,
                                             const type_namer& name_type);

} // namespace postsluice::contentfilter::worker
