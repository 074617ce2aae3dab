// SPDX-License-Identifier: Apache-2.0
// The scanners outside that are configured, with the one thread on which all talk to them happens. Part of
// check_resources: made anew on reload, the old one ends with the last message that uses it. A check that asks keeps it
// alive until it has its answer.
#pragma once

#include "shared/config/settings.hpp"

#include <memory>

namespace postsluice::contentfilter {

class clamd_client;
class spamd_client;
class rspamd_client;
class url_list_client;

class external_scanners {
public:
    /// Null where none is configured. Throws std::runtime_error where a setting cannot be used.
    [[nodiscard]] static std::shared_ptr<external_scanners> start(const config::settings& settings);
    explicit external_scanners(const config::settings& settings);
    ~external_scanners();
    external_scanners(const external_scanners&) = delete;

    // Null: not configured.
    [[nodiscard]] clamd_client* clamd() const noexcept;
    [[nodiscard]] spamd_client* spamd() const noexcept;
    [[nodiscard]] rspamd_client* rspamd() const noexcept;
    [[nodiscard]] url_list_client* url_lists() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace postsluice::contentfilter
