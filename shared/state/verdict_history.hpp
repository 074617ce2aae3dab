// SPDX-License-Identifier: Apache-2.0
// How an account's last messages were judged, as the content filter saw it: `filter` environment, written by
// contentfilter alone. Of each message only when it was, and whether it was bad; the newest `kept` of an account. Any
// thread; each verb is a transaction of its own. 8 octets a message.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"
#include "shared/state/store.hpp"

#include <string>
#include <string_view>

namespace postsluice::state {

class verdict_history {
public:
    verdict_history(store& where, std::string hash_secret);

    struct bounds {
        std::size_t kept = 50; ///< messages of one account
        seconds memory{7 * 86400};
    };
    struct tally {
        std::size_t messages = 0, bad = 0;
        bool operator==(const tally&) const = default;
    };
    /// Of the messages that are kept: those after `since`.
    [[nodiscard]] result<tally> ask(std::string_view account, instant since, std::size_t kept);
    /// One more message. Where all that are kept are good and recent (within a sixteenth of the memory), one more good
    /// one would say nothing new, and nothing is written: most accounts are like that.
    [[nodiscard]] result<void> learn(std::string_view account, bool bad, instant now, const bounds& within);

private:
    store& store_;
    std::string secret_;
};

} // namespace postsluice::state
