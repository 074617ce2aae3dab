// SPDX-License-Identifier: Apache-2.0
// A planned configuration on trial, before it is anybody's: `postfix check` on a copy of it; then a private Postfix
// that runs from it (trial_config.hpp), a client that says EHLO, asks policyd about a message, and sends it: through
// the filter, by the way back, to discard(8). Needs root. Takes seconds; each wait is bounded, the private Postfix ends
// with this process whatever becomes of it, and what a killed one left is removed by the next.
#pragma once

#include "admin/setup/instance.hpp"
#include "shared/config/settings.hpp"

namespace postsluice::admin::setup {

struct trial_outcome {
    std::vector<std::string> passed; ///< one sentence a step
    std::string failed;              ///< what went wrong; empty: nothing
};
/// `policyd_requests`: how often policyd was asked at RCPT so far; nullopt: it does not say.
[[nodiscard]] trial_outcome try_out(const instance& real, const file_set& wanted, way w, const site& s,
                                    const std::function<std::optional<std::int64_t>()>& policyd_requests,
                                    const config::setup_settings& bounds);

} // namespace postsluice::admin::setup
