// SPDX-License-Identifier: Apache-2.0
// Names of hosts, and words, that are made to be taken for others: letters of several scripts in one label, or a label
// of nothing but letters that look like Latin ones, under a Latin top-level domain. Pure. After Unicode TR 39, as far
// as the scripts go that browsers refuse to mix; names within one script (rn for m) are not found.
#pragma once

#include <string_view>

namespace postsluice::contentfilter {

/// `host`: UTF-8 with U-labels, in lower case.
[[nodiscard]] bool is_look_alike(std::string_view host);
/// A word (lower case or not) of letters of several scripts, some of which look like Latin ones. Nobody writes so.
[[nodiscard]] bool mixes_look_alikes(std::string_view word);

} // namespace postsluice::contentfilter
