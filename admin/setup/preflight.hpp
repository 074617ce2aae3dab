// SPDX-License-Identifier: Apache-2.0
// Do the daemons listen where this Postfix would ask them? And what stands on this machine in the place of what the
// examples say. Looks at the configuration of both, and at whose the state directory is.
#pragma once

#include "admin/setup/instance.hpp"
#include "shared/config/settings.hpp"

namespace postsluice::admin::setup {

struct preflight {
    site here;
    std::vector<std::string> notes, obstacles;
};
[[nodiscard]] preflight look(const config::settings& settings, const instance& postfix, way w);

} // namespace postsluice::admin::setup
