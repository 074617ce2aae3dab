// SPDX-License-Identifier: Apache-2.0
// What stands for an account in the identity header: "N." and 64 or more letters and digits (base64url), where N names
// a key and the rest is the account's name, padded to a multiple of 32 octets, under AES-SIV.
//  - The same account has the same pseudonym as long as a key lasts, so that who receives mail of ours can tell one bad
//    sender from the others, and stop him alone. Two accounts have nothing in common, and the next key's pseudonyms
//    nothing with this one's: a pseudonym tells nobody but us who it is, nor anything over longer than that.
//  - It is turned back with the key alone: no list of accounts is needed, and none can be lost. Keys that were replaced
//    are kept for contentfilter.identity_key_retention.
// Without a header and a key file there are none. The key file: "N BEGAN SECRET" a line (BEGAN: milliseconds since
// 1970; SECRET: base64url), the newest first, '#' begins a comment line; mode 0600, made by the daemon. Any thread.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::contentfilter::act {

class pseudonyms {
public:
    /// Makes the key file where a header is configured and there is none. errc::denied, corrupt, unavailable: it cannot
    /// be used as it is.
    [[nodiscard]] static result<std::unique_ptr<pseudonyms>> open(const config::filter_settings& settings,
                                                                  const clock& time);
    /// New settings after a reload. On an error the old ones stay.
    [[nodiscard]] result<void> use(const config::filter_settings& settings);
    /// Takes a new key where the newest has had its time, and forgets those whose retention is over.
    [[nodiscard]] result<void> rotate();

    /// Empty where there is no key.
    [[nodiscard]] std::string of(std::string_view account) const;

    struct meaning {
        std::string account;
        instant from{};               ///< it was in use from then ...
        std::optional<instant> until; ///< ... to then; absent: it still is
    };
    /// errc::malformed: no pseudonym; not_found: its key is not there (any more); denied: not of our making.
    [[nodiscard]] result<meaning> who(std::string_view pseudonym) const;

private:
    struct key {
        std::uint64_t number = 0;
        instant began{};
        std::string secret;
    };
    explicit pseudonyms(const clock& time)
        : clock_{time} {}
    static result<std::vector<key>> parse(std::string_view text);
    static std::string to_text(const std::vector<key>& keys);
    [[nodiscard]] key next_key(std::uint64_t number) const;

    const clock& clock_;
    mutable std::mutex mutex_;
    config::filter_settings settings_;
    std::vector<key> keys_; ///< newest first
};

} // namespace postsluice::contentfilter::act
