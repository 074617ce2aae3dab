// SPDX-License-Identifier: Apache-2.0
// Who else looks at the mail of this Postfix: milters, policy services, content filters. They stay where they are; the
// admin is told of each, one sentence a neighbour. Pure.
#pragma once

#include "admin/setup/plan.hpp"

namespace postsluice::admin::setup {

[[nodiscard]] std::vector<std::string> neighbours(const file_set& files);

} // namespace postsluice::admin::setup
