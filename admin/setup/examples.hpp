// SPDX-License-Identifier: Apache-2.0
// postfix-examples/, compiled in: what setup writes is what stands there, since there is no second copy. The Makefile
// makes the source file of this header.
#pragma once

#include <string_view>
#include <vector>

namespace postsluice::admin::setup {

struct example_file {
    std::string_view folder; ///< "after-queue"
    std::string_view name;   ///< "main.cf", "master.cf", "postsluice-pipe-status.regexp"
    std::string_view text;
};
[[nodiscard]] const std::vector<example_file>& example_files();

} // namespace postsluice::admin::setup
