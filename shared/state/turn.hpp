// SPDX-License-Identifier: Apache-2.0
// A way into the write transaction that all requests of one turn of policyd's event loop share (accounting_lmdb.hpp),
// for repositories beside the accounting on the `counters` environment: nothing else in that thread may begin one.
#pragma once

#include "shared/state/store.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>

namespace postsluice::state {

class turn {
public:
    virtual ~turn() = default;
    /// Runs `change` at once, in the turn's transaction; completes after its commit. A change that fails breaks the
    /// turn for everybody in it, unless it fails with errc::too_large or errc::malformed before it wrote anything.
    virtual boost::asio::awaitable<result<void>> write_in_turn(std::function<result<void>(write_txn&)> change) = 0;
    /// Reads in the turn's transaction where there is one, so that what was written before is seen.
    virtual result<void> read_in_turn(const std::function<void(const read_txn&)>& look) = 0;
};

} // namespace postsluice::state
