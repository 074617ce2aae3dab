// SPDX-License-Identifier: Apache-2.0
// Messages that operators know to be bad, by their fingerprints, in the `state` environment: who added them, when and
// why. contentfilter alone writes and reads them, and keeps all of them in memory (contentfilter/checks/known_book).
// Writes go through the writer thread and are on disk when they return. The store and the writer must outlive it.
//
//   W <id>   one message
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/fingerprint.hpp"
#include "shared/state/store.hpp"
#include "shared/state/writer.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace postsluice::state {

struct known_fingerprint {
    std::string id;
    std::string subject; ///< of the message, as it was sent
    std::string actor, why;
    instant added{};
    std::vector<fingerprint> of;
};

class known_fingerprints {
public:
    known_fingerprints(store& where, writer& through);
    /// errc::too_large where there are `most` already.
    boost::asio::awaitable<result<void>> add(known_fingerprint what, std::size_t most);
    /// Says whether it was there.
    boost::asio::awaitable<result<bool>> remove(std::string id);
    /// The newest first. Damaged ones are left out, and logged.
    [[nodiscard]] result<std::vector<known_fingerprint>> all();

private:
    store& store_;
    writer& writer_;
};

} // namespace postsluice::state
