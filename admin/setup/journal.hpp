// SPDX-License-Identifier: Apache-2.0
// What setup did to a Postfix instance, so that it can be taken back, and an apply that was killed half-way finished or
// undone. It lies in postsluice-setup/ in the instance's configuration directory: root's alone, on the same file system
// as what it vouches for, one for each instance. (Below /var/lib/postsluice the daemons' user could rewrite it, and
// root would restore what he wrote.)
//
//     postsluice-setup/state.json   {"phase", "way", "generation"}: written last, atomically
//     postsluice-setup/N/before/    main.cf, master.cf as they were
//     postsluice-setup/N/after/     as setup wrote them
//
// Every file is synced before state.json names it. Blocking; failures as in admin/atomic_file.hpp, errc::corrupt for a
// state.json that cannot be read.
#pragma once

#include "admin/setup/plan.hpp"
#include "shared/core/result.hpp"

#include <filesystem>

namespace postsluice::admin::setup {

enum class phase {
    applying, ///< the files are partly as before, partly as after
    applied,
    undoing,  ///< partly as after
    draining, ///< what queued mail needs is left
};
[[nodiscard]] std::string_view to_string(phase p);

struct record {
    phase at = phase::applying;
    way by = way::lmtp;
    file_set before, after;
};

/// Held while setup changes anything: a second setup of the same instance is refused (errc::exists).
class journal {
public:
    explicit journal(const std::filesystem::path& config_directory);
    journal(const journal&) = delete;
    journal& operator=(const journal&) = delete;
    ~journal();
    /// Makes the directory where it is missing.
    [[nodiscard]] result<void> lock();

    /// nullopt: setup changed nothing here.
    [[nodiscard]] result<std::optional<record>> load() const;
    [[nodiscard]] result<void> store(const record& r);
    [[nodiscard]] result<void> set_phase(phase p);
    /// Forgets all of it.
    [[nodiscard]] result<void> remove();

    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }

private:
    [[nodiscard]] result<void> write_state(phase p, way by, unsigned generation);
    std::filesystem::path directory_;
    int lock_ = -1;
};

} // namespace postsluice::admin::setup
