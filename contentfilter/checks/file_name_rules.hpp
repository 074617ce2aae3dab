// SPDX-License-Identifier: Apache-2.0
// What a file name does to the reader who clicks on it, as Windows and mail readers see it: pure, table-tested. A name
// is judged by its last extension after undoing what hides it: %XX, invisible and bidi characters, look-alike dots,
// blanks and dots at the end, directories before it, NUL within it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postsluice::contentfilter {

struct name_judgement {
    bool executable = false; ///< opening it runs a program
    bool twofold = false;    ///< executable and made up as a document: "invoice.pdf.exe"
    bool overridden = false; ///< holds a bidi override: it is shown otherwise than it is
    bool hidden = false; ///< executable only after %XX, trailing blanks, look-alike dots or invisible characters were
                         ///< undone; or longer than a name can be
    bool confusable = false; ///< a word of it mixes letters of another script in that look like Latin ones
    double risk = 0; ///< weight of an extension that is no program but carries them (images of disks, macro documents),
                     ///< half as much again where it is made up as a document: "invoice.pdf.iso"
    std::string extension; ///< lower case, without the dot
    /// The name as it may be opened, without directories: as it was sent and with %XX undone; a few, distinct.
    std::vector<std::string> readings;
};
[[nodiscard]] name_judgement judge_name(std::string_view name);
/// Is it a piece of an archive that was split over several files, as archivers call them: "x.7z.001", "x.part2.rar",
/// "x.r00", "x.z01"? `name`: one of the readings.
[[nodiscard]] bool is_volume(std::string_view name);
/// All extensions that have a risk.
[[nodiscard]] std::vector<std::string_view> risky_extensions();

} // namespace postsluice::contentfilter
