// SPDX-License-Identifier: Apache-2.0
// A scratch directory of the trial, locked while its owner lives: what a killed owner left is found by its free lock,
// and removed. And a child process that ends with us.
#pragma once

#include "shared/core/result.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace postsluice::admin::setup {

class scratch {
public:
    /// In /run: the daemons see it (their /tmp is private), and it is gone with a reboot. Mode 0755: the filter comes
    /// back through it.
    [[nodiscard]] static result<scratch> make();
    scratch(scratch&& other) noexcept;
    scratch& operator=(scratch&&) = delete;
    ~scratch();
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    scratch() = default;
    std::filesystem::path path_;
    int lock_ = -1;
};

/// SIGTERM when this goes, and when our process is killed; SIGKILL where that does not help within `stop_timeout`.
class child {
public:
    [[nodiscard]] static result<child> start(const std::vector<std::string>& command,
                                             std::chrono::seconds stop_timeout);
    child(child&& other) noexcept;
    child& operator=(child&&) = delete;
    ~child();
    [[nodiscard]] bool alive();

private:
    child(pid_t pid, std::chrono::seconds stop_timeout)
        : pid_{pid}
        , stop_timeout_{stop_timeout} {}
    pid_t pid_ = -1;
    std::chrono::seconds stop_timeout_;
};

} // namespace postsluice::admin::setup
