// SPDX-License-Identifier: Apache-2.0
// Which parts of a message are its letter: what a reader sees without opening a file. Programs differ in it, and who
// sends spam chooses the header; so it is the view of the program that shows most, while honest files stay files:
//  - a text that does not say it is an attachment is shown, and a file name makes no difference to text/plain and HTML:
//    programs show such a part below the letter or as the letter, and list it as a file as well. Other kinds of text
//    with a name (a calendar, a table, source code) are listed as files, and are none of the letter;
//  - HTML or text/plain that says it is an attachment is shown all the same where it is an alternative to another text
//    (the program chooses by the type), where it is the whole of a message, and where no text comes before it: some
//    programs then show it as the letter, and a reader who finds no other opens it.
// The same of each message that is in the message. Pure.
#pragma once

#include "contentfilter/mime/tree.hpp"

#include <span>

namespace postsluice::contentfilter::mime {

/// Sets part::letter of all parts of a tree.
void mark_letter(std::span<part> parts);

} // namespace postsluice::contentfilter::mime
