// SPDX-License-Identifier: Apache-2.0
// Whose mail it is that Postfix took from the filter, by the queue ID that Postfix gave it: `filter` environment,
// written by contentfilter alone, and only where delivery feedback is on (contentfilter.listen_bounces). A bounce names
// that queue ID and nobody's account. Any thread; every verb is a transaction of its own. A power failure may forget
// the last state.sync_interval: bounces of it are then nobody's.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"
#include "shared/state/store.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace postsluice::state {

/// What limits may count a recipient under.
struct handover {
    instant at{};
    std::string account;
    std::string login;  ///< identity::login; empty for certificates, networks and uids
    std::string client; ///< address; empty where no ticket told it
    std::string sender; ///< reverse-path as it came, without <>
};

class handovers {
public:
    handovers(store& where, std::string hash_secret);

    [[nodiscard]] result<void> add(std::string_view queue_id, const handover& what);
    [[nodiscard]] result<std::optional<handover>> find(std::string_view queue_id);
    /// At most `most` records a call.
    [[nodiscard]] result<void> forget_before(instant t, std::size_t most);

private:
    store& store_;
    std::string secret_;
};

} // namespace postsluice::state
