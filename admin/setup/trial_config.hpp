// SPDX-License-Identifier: Apache-2.0
// The configuration of a private Postfix for the trial: the planned one, in a scratch directory, with nothing that
// leads outside. No service listens on the network; every service is read by master(8), so that an error of syntax is
// found there; mail goes to discard(8), and the way back takes mail for the trial's address alone and puts off all
// other (whoever comes there by chance loses nothing). Pure.
#pragma once

#include "admin/setup/plan.hpp"

#include <filesystem>

namespace postsluice::admin::setup {

struct trial_place {
    std::filesystem::path directory; ///< scratch
    std::string address;             ///< sender and recipient of the trial message
    [[nodiscard]] std::filesystem::path etc() const { return directory / "etc"; }
    [[nodiscard]] std::filesystem::path queue() const { return directory / "queue"; }
    [[nodiscard]] std::filesystem::path log() const { return directory / "log"; }
    /// Where the trial's client comes in, and the filter's mail comes back.
    [[nodiscard]] std::filesystem::path door() const { return queue() / "public/postsluice-trial"; }
    [[nodiscard]] std::filesystem::path reentry() const { return queue() / "public/postsluice-reentry"; }
};

[[nodiscard]] file_set trial_files(const file_set& wanted, way w, const site& s, const trial_place& at);

} // namespace postsluice::admin::setup
