// SPDX-License-Identifier: Apache-2.0
// Files of the state are for the owner and the group (0660). The umask is the process's: this is for start-up.
#pragma once

#include <sys/stat.h>

namespace postsluice::state {

class umask_guard {
public:
    umask_guard() = default;
    umask_guard(const umask_guard&) = delete;
    umask_guard& operator=(const umask_guard&) = delete;
    ~umask_guard() { ::umask(before_); }

private:
    mode_t before_ = ::umask(007);
};

} // namespace postsluice::state
