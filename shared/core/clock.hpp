// SPDX-License-Identifier: Apache-2.0
// Time is injected. `instant` is wall time in milliseconds since 1970 as the state store counts it: on a running
// system it advances with CLOCK_BOOTTIME from the wall time at the first open of a boot (boot_clock), so a wall clock
// that jumps neither mints quota nor locks anyone out. Tests use manual_clock.
#pragma once

#include <chrono>
#include <filesystem>
#include <iosfwd>
#include <memory>
#include <string>

namespace postsluice {

using std::chrono::milliseconds;
using std::chrono::seconds;
using instant = std::chrono::sys_time<milliseconds>;

class clock {
public:
    virtual ~clock() = default;
    [[nodiscard]] virtual instant now() const noexcept = 0;
};

/// A clock that moves only when a test says so. Starts at 2026-01-01T00:00:00Z.
class manual_clock final : public clock {
public:
    [[nodiscard]] instant now() const noexcept override { return now_; }
    void set(instant t) noexcept { now_ = t; }
    void advance(milliseconds by) noexcept { now_ += by; }

private:
    instant now_{milliseconds{1767225600000}};
};

/// CLOCK_BOOTTIME anchored at the wall time of the first open of this boot. The anchor is a file in `state_directory`
/// (created atomically, mode 0660) that every process of the boot shares. Throws std::runtime_error where the
/// directory cannot be written.
class boot_clock final : public clock {
public:
    explicit boot_clock(const std::filesystem::path& state_directory);
    [[nodiscard]] instant now() const noexcept override;
    /// The kernel's boot id, part of every "was this written before a reboot" question.
    [[nodiscard]] const std::string& boot_id() const noexcept { return boot_id_; }
    /// How far the wall clock is from ours now (positive: the wall clock is ahead).
    [[nodiscard]] milliseconds wall_offset() const noexcept;

private:
    std::string boot_id_;
    milliseconds offset_{}; // wall minus boottime at the anchor
};

/// "2026-11-21T10:15:30Z"
[[nodiscard]] std::string to_iso8601(instant t);

} // namespace postsluice
