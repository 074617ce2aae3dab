// SPDX-License-Identifier: Apache-2.0
#include "shared/config/snapshot.hpp"

namespace postsluice::config {

std::vector<config_error> snapshot::reload() {
    auto loaded = load(file_);
    if (loaded.errors.empty() && loaded.settings) set(std::move(loaded.settings));
    return std::move(loaded.errors);
}

} // namespace postsluice::config
