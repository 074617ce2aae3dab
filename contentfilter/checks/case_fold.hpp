// SPDX-License-Identifier: Apache-2.0
// Lower case beyond ASCII, for words that are looked for in any language: Latin, Greek and Cyrillic letters of the
// basic blocks. Not for identifiers: no special cases (final sigma, Turkish i), no normalisation.
#pragma once

#include <string>
#include <string_view>

namespace postsluice::contentfilter {

/// What is not UTF-8 becomes U+FFFD.
[[nodiscard]] std::string folded(std::string_view utf8);

} // namespace postsluice::contentfilter
