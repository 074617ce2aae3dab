// SPDX-License-Identifier: Apache-2.0
// Who sent what else like this, over accounts and time: `filter` environment, written by contentfilter alone. Any
// thread; each verb is a transaction of its own.
//
// A campaign is a fingerprint, and the accounts that sent it: when first and last, and to how many recipients since
// then. What is like a known one joins it (its own sketch is not kept: a campaign does not drift away from where it
// began). What is older than `window` counts no more; an account's recipients are counted from its first message for a
// window's length, and then anew.
//
// Campaigns lie in numbered places, `most` of them, taken in turn: a new one overwrites the one that has been there
// longest. One that several accounts share, and that was seen within the window, is passed over, some 8 times in a row
// at most: mail of which each message is another one does not push out what it is to be compared with. A campaign costs
// some 300 octets on the disk.
//
//   F N          the next place
//   F P <place>  a campaign
//
// In which place a campaign with a given band lies (the latest of several) is kept in memory, some 170 octets a
// campaign, and made anew from their records when the first message asks: 16 entries at random keys, written with each
// new text, would be most of what a message costs the environment. What could not be committed is taken out again.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/fingerprint.hpp"
#include "shared/core/result.hpp"
#include "shared/state/band_index.hpp"
#include "shared/state/store.hpp"

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::state {

class campaigns {
public:
    static constexpr std::size_t most_accounts = 64; ///< that one campaign keeps; the longest silent one goes

    campaigns(store& where, std::string hash_secret);

    struct bounds {
        double similarity = 0.8;
        seconds window{86400};
        std::size_t most = 50'000; ///< campaigns
    };
    struct sighting {
        std::size_t others = 0;       ///< other accounts that sent the same within the window
        std::uint64_t recipients = 0; ///< to whom this account sent it before
    };
    [[nodiscard]] result<sighting> ask(const fingerprint& what, std::string_view account, instant now,
                                       const bounds& within);
    [[nodiscard]] result<void> learn(const std::vector<fingerprint>& what, std::string_view account,
                                     std::uint64_t recipients, instant now, const bounds& within);

private:
    class index_changes;
    [[nodiscard]] std::uint64_t hash_of(std::string_view account) const;
    [[nodiscard]] result<void> make_index(const read_txn& txn);
    [[nodiscard]] std::vector<band_index::place> places_of(const fingerprint& wanted);
    store& store_;
    std::string secret_;
    std::mutex mutex_; ///< of what follows; held for lookups only, never for a transaction's commit
    band_index index_;
    std::uint64_t opening_ = 0; ///< of the environment that the index was made from; 0: none yet
};

} // namespace postsluice::state
