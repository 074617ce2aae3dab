// SPDX-License-Identifier: Apache-2.0
// What the old binary formats of Office say of themselves beside VBA: sheets of Excel 4 macros, and that a password is
// needed. Excel's records are [MS-XLS] section 2.1.4, in the streams Workbook (BIFF8) and Book (BIFF5); Word's FIB is
// [MS-DOC] section 2.5.2; PowerPoint's current user [MS-PPT] section 2.3.2. Of documents within a document, too. Pure
// and bounded: no more than `most` octets of streams are read, each record is stepped over once.
#pragma once

#include "contentfilter/worker/compound_file.hpp"

namespace postsluice::contentfilter::worker {

struct legacy_office {
    bool macro_sheets = false; ///< a workbook lists a sheet of Excel 4 macros
    bool encrypted = false;
    bool cut = false;     ///< more octets than `most`
    bool damaged = false; ///< the list of a workbook's sheets breaks off
};
[[nodiscard]] legacy_office read_legacy_office(const compound_file& from, std::size_t most);

} // namespace postsluice::contentfilter::worker
