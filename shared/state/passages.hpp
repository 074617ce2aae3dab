// SPDX-License-Identifier: Apache-2.0
// What has left the content filter, by the queue ID that Postfix gave it (XFORWARD IDENT): `filter` environment,
// written by contentfilter alone. Two questions are answered from it:
//  - Which recipients of these very bytes has the next hop taken already? A repeat after a lost reply goes to the
//  others
//    only.
//  - Has this message passed before? Postfix keeps the IDENT of a message that it queues again after the filter
//    (`postsuper -r`), where our ticket is no longer in it.
// Any thread; every verb is a transaction of its own. Survives any kill; a power failure may forget the last
// state.sync_interval, which costs a duplicate and never a message. Bounds: most_recipients of one message are
// remembered.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"
#include "shared/state/store.hpp"

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::state {

struct passage {
    instant at{}; ///< of the latest delivery
    std::string account, login;
    std::string body_hash; ///< of the body as it left
};

class passages {
public:
    static constexpr std::size_t most_recipients = 50'000;

    passages(store& where, std::string hash_secret, const clock& time);

    /// The next hop took the message with `digest` (of the bytes as they came) for `recipients` (as they were written).
    [[nodiscard]] result<void> add(std::string_view queue_id, std::string_view digest, const passage& what,
                                   const std::vector<std::string_view>& recipients);
    /// Of `recipients`, in their order: true where these bytes were delivered to it before.
    [[nodiscard]] result<std::vector<bool>> delivered(std::string_view queue_id, std::string_view digest,
                                                      const std::vector<std::string_view>& recipients);
    [[nodiscard]] result<std::optional<passage>> find(std::string_view queue_id);
    /// At most `most` records a call.
    [[nodiscard]] result<void> forget_before(instant t, std::size_t most);

private:
    [[nodiscard]] std::string hash_of(std::string_view recipient) const;
    store& store_;
    std::string secret_;
    const clock& clock_;
};

} // namespace postsluice::state
