// SPDX-License-Identifier: Apache-2.0
// Does the running Postfix serve its clients after a reload as it did before? Blocking, within setup.reload_timeout.
#pragma once

#include "admin/setup/instance.hpp"
#include "shared/config/settings.hpp"

namespace postsluice::admin::setup {

class live {
public:
    /// Notes which submission services greet their clients now. They are those of `now` (master.cf).
    live(const instance& at, const file_set& now, const config::setup_settings& bounds);
    [[nodiscard]] bool running() const noexcept { return running_; }
    /// Reloads, and waits until those services greet again, and `ways_back` (names in public/) do. Nothing where
    /// Postfix did not run. A failure says what does not answer.
    [[nodiscard]] result<void> reload(const std::vector<std::string>& ways_back) const;

private:
    struct door {
        std::string host, port;
        bool wrapped = false; ///< TLS from the first octet: a connection is all that can be seen
        [[nodiscard]] bool answers(const config::setup_settings& bounds) const;
    };
    /// The first that does not answer; empty: all do.
    [[nodiscard]] std::string who_is_silent(const std::vector<std::string>& ways_back) const;

    const instance& at_;
    config::setup_settings bounds_;
    bool running_;
    std::vector<door> doors_;
};

} // namespace postsluice::admin::setup
