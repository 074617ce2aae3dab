// SPDX-License-Identifier: Apache-2.0
// What the manual pages and the shell's completion have from the program itself, so that neither can say anything else:
// the options from their rows, the commands from their table. A build-time program (build/manual); nothing of it is
// installed. A page is mdoc(7), written by hand, with lines
//   .\" generated: options            every option of the configuration, by section
//   .\" generated: overview           the nouns of `postsluice`, each with its page
//   .\" generated: synopsis NOUN      how each command of the noun is called
//   .\" generated: commands NOUN      what each of them does, with its arguments
// in whose place these lists are put.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

namespace postsluice::admin::manual {

/// Text as lines of its own, one a sentence: backslashes are not roff's, and no line begins as a request.
[[nodiscard]] std::string text(std::string_view plain);
/// Text as arguments of a macro: besides, quotes and words that are macros themselves mean nothing.
[[nodiscard]] std::string macro_text(std::string_view plain);

[[nodiscard]] std::string option_list();
[[nodiscard]] std::string overview();
/// Empty: there is no such noun.
[[nodiscard]] std::string synopsis(std::string_view noun);
[[nodiscard]] std::string command_list(std::string_view noun);

/// Fills a page in. False: a line asks for a list that there is not; `wrong` is that line.
[[nodiscard]] bool fill(std::istream& page, std::ostream& out, std::string& wrong);

/// Completion for bash(1), as bash-completion installs it.
[[nodiscard]] std::string bash_completion();

} // namespace postsluice::admin::manual
