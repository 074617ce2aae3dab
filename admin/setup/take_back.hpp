// SPDX-License-Identifier: Apache-2.0
// Taking setup's changes back out of a configuration that has been edited since: a three-way merge by entries, not by
// lines. What still is as setup wrote it becomes as it was before; what the admin changed stays, without our parts;
// nothing is left that leads to a service which is no longer there. Untouched files come back octet by octet. Pure.
#pragma once

#include "admin/setup/plan.hpp"

namespace postsluice::admin::setup {

/// `now`: what is there; `target`: what is to be in its place (the files before, or those of draining());
/// `written`: what setup wrote; `also_written`: what it wrote on the way back, where it stopped half-way.
[[nodiscard]] file_set take_back(const file_set& now, const file_set& written, const file_set& also_written,
                                 const file_set& target);

/// What mail needs that is in the queue already: the files before, and our services and their parameters.
[[nodiscard]] file_set draining(const file_set& before, const file_set& written);

} // namespace postsluice::admin::setup
