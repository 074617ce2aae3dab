// SPDX-License-Identifier: Apache-2.0
#include "shared/config/snapshot.hpp"

namespace postsluice::config {

std::vector<config_error> snapshot::reload() {
    load_result fresh = load(file_);
    if (fresh.errors.empty()) current_.store(std::move(fresh.settings));
    return std::move(fresh.errors);
}

} // namespace postsluice::config
