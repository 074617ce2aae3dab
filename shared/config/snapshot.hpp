// SPDX-License-Identifier: Apache-2.0
// The current settings, readable from every thread; reload parses aside and swaps, or keeps the old ones.
#pragma once

#include "shared/config/load.hpp"

#include <atomic>
#include <filesystem>

namespace postsluice::config {

class snapshot {
public:
    snapshot(std::filesystem::path file, settings_ptr first)
        : file_{std::move(file)}
        , current_{std::move(first)} {}
    [[nodiscard]] settings_ptr get() const noexcept { return current_.load(); }
    /// Errors of the reload; empty where the new settings are in force.
    std::vector<config_error> reload();
    /// Puts settings in force that did not come from the file (tests).
    void set(settings_ptr s) noexcept { current_.store(std::move(s)); }

private:
    std::filesystem::path file_;
    std::atomic<settings_ptr> current_;
};

} // namespace postsluice::config
