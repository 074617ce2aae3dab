// SPDX-License-Identifier: Apache-2.0
// Macro source out of a VBA project ([MS-OVBA]), and what it does. Pure and bounded: no more than `most` octets are
// unpacked, of four times as many, and 1 MiB of a project's list of modules. Source that was removed while the compiled
// code stayed ("stomped") yields no text; that there is a project is then all that is known.
#pragma once

#include "contentfilter/worker/compound_file.hpp"

#include <string>
#include <string_view>

namespace postsluice::contentfilter::worker {

/// [MS-OVBA] section 2.4.1: what comes before the first mistake.
[[nodiscard]] std::string vba_decompress(std::string_view octets, std::size_t most);

struct vba_source {
    bool present = false; ///< there is a project
    bool cut = false;     ///< its source is longer than `most`, or its list of modules than is read
    bool damaged = false; ///< no module is listed, or one that is not there
    std::string text;     ///< all modules
};
/// Looks for a project anywhere in the file: Word, Excel and vbaProject.bin keep it in different storages.
[[nodiscard]] vba_source read_vba(const compound_file& from, std::size_t most);

/// Names of procedures that Office runs without being asked, as defined in `source`; "AutoOpen, Workbook_Open".
[[nodiscard]] std::string autorun_names(std::string_view source);
/// Words that start programs, fetch files or run machine code; "Shell, powershell".
[[nodiscard]] std::string dangerous_words(std::string_view source);

} // namespace postsluice::contentfilter::worker
