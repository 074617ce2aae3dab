// SPDX-License-Identifier: Apache-2.0
// Messages that are being looked at, so that one under which the daemon dies again and again stops nothing: `filter`
// environment, written by contentfilter alone. A mark is made before a message is parsed and taken away when it has its
// answer; a mark that a dead process left behind is a try. Any thread; every verb is a transaction of its own. A mark
// survives any kill; a power failure may forget it, which costs a further try.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"
#include "shared/state/store.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postsluice::state {

class attempts {
public:
    attempts(store& where, std::string hash_secret, const clock& time);

    /// Marks the message; returns how many processes died over it before.
    [[nodiscard]] result<std::uint32_t> begin(std::string_view queue_id, std::string_view digest);
    [[nodiscard]] result<void> end(std::string_view queue_id, std::string_view digest);
    /// Marks of messages that never came again. At most `most` a call.
    [[nodiscard]] result<void> forget_before(instant t, std::size_t most);

private:
    store& store_;
    std::string secret_;
    const clock& clock_;
    std::uint64_t process_; ///< random: tells this process from its predecessors
};

} // namespace postsluice::state
