// SPDX-License-Identifier: Apache-2.0
// What checks found out about a message that is to be remembered once its verdict is known, and is not where it is only
// looked at (`message test`). Any thread: a check that was given up may still write while the pipeline reads.
#pragma once

#include "contentfilter/intake/message.hpp"
#include "shared/core/fingerprint.hpp"
#include "shared/state/campaigns.hpp"

#include <mutex>
#include <vector>

namespace postsluice::contentfilter {

class message_notes {
public:
    void set(std::vector<fingerprint> all) {
        const std::lock_guard guard{mutex_};
        fingerprints_ = std::move(all);
    }
    [[nodiscard]] std::vector<fingerprint> fingerprints() const {
        const std::lock_guard guard{mutex_};
        return fingerprints_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<fingerprint> fingerprints_;
};

[[nodiscard]] inline state::campaigns::bounds campaign_bounds(const config::fingerprint_settings& of) {
    return {of.similarity, of.window, of.max_campaigns};
}

/// Of the whole message where the ticket tells it: Postfix hands long envelopes over in pieces, and the first is asked
/// about.
[[nodiscard]] inline std::uint64_t recipients_of(const message& of) {
    const std::uint64_t here = of.envelope.recipients.size();
    return of.sender.ticket ? std::max<std::uint64_t>(of.sender.ticket->recipients, here) : here;
}

} // namespace postsluice::contentfilter
