// SPDX-License-Identifier: Apache-2.0
// Whose requests a connection brings: account and profile of its client, decided once for as long as the facts and the
// settings stay the same. Postfix asks over one connection for each recipient of a message, its DATA and its
// END-OF-MESSAGE, mostly for one client after the other. Belongs to its connection; the event loop's thread.
#pragma once

#include "policyd/request.hpp"
#include "shared/account/identify.hpp"

#include <memory>
#include <string>

namespace postsluice::policyd {

class known_client {
public:
    /// Decides anew where something differs from the last time. What the others return holds until then.
    void look(const config::settings_ptr& settings, const request& what);

    [[nodiscard]] const config::settings& settings() const noexcept { return *settings_; }
    /// Is it an account of ours? Otherwise `who` is the account "-".
    [[nodiscard]] bool ours() const noexcept { return ours_; }
    [[nodiscard]] const account::identity& who() const noexcept { return who_; }
    [[nodiscard]] const config::profile& profile() const noexcept { return *profile_; }

private:
    [[nodiscard]] bool is(const config::settings_ptr& settings, const request& what) const noexcept;

    config::settings_ptr settings_;
    std::string login_, address_, certificate_, public_key_;
    bool ours_ = false;
    account::identity who_;
    std::shared_ptr<const config::profile> profile_;
};

} // namespace postsluice::policyd
