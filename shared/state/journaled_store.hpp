// SPDX-License-Identifier: Apache-2.0
// An environment with a journal before it, for the one thread that writes `counters` at every request. A commit is one
// write to a file; the environment itself gets the changes later, many at a time, from another thread. LMDB would copy
// and write, for each commit, every page from a record up to the root: several pages of 4 KiB for a request that
// changes a few octets, and the same ones again for the next request.
//
// What was committed is in the newest layer in memory that has it, or below them in the environment. The
// active layer takes what is written now. When it has grown to its bound, or sync() or copy_to() is called (maintenance
// does, every second), it is frozen, an empty one takes its place together with the other one of two journal files, and
// what was frozen is written down in the environment, with the number of the last generation that is in it. Then it
// stays as it is until the next one is written down: what was changed a moment ago is found there again, and LMDB's
// tree need not be walked. Reads look into the active layer, the frozen one, the one written down last, the
// environment, in this order. The layers hold whole values, so writing down twice does no harm. A journal holds of a
// value that changed a little what differs from the one before: whoever reads it takes the generations in order, and
// looks for that one in the layers and in the environment.
//
// After a kill: generations that the environment does not have yet are read from their journals and written down before
// anything else. After a machine crash the journals count only where `synced`: then the commits of a turn are answered
// when their journal is on the disk (when_durable; one fdatasync at a time, for all that came during the last one), and
// the environment is opened synced. Otherwise the environment's copy takes its place, and the journals go with it.
//
// Bounds: a layer is frozen at a third of `size` octets, or when its journal, which grows with every commit, also where
// a record is only written over, has `size`. The active layer goes on growing while the frozen one is written down,
// which takes its time. At twice its bound the writing down hurries; at three times a turn waits for it for some time;
// at four times (the environment cannot be written: a full disk) writes are errc::disk_full, or what the trouble is,
// erasing goes on, and what was erased is cleared in the environment first. So the three layers have `size` octets
// usually, and what one turn adds, and four times that at worst; so has each journal. A journal whose write fails takes
// the turn back, once what older generations left in the files is given up. A journal that cannot be synced: nothing is
// durable until everything is written down anew.
//
// Threads: transactions of one thread at a time (others wait, a thread that has one may begin a read); sync(),
// copy_to(), tend(), fill() from any. A write transaction cannot be nested.
#pragma once

#include "shared/state/store.hpp"

namespace postsluice::state {

struct journal_options {
    std::filesystem::path directory; ///< where journal.0 and journal.1 lie: the environment's own
    std::size_t size = std::size_t{24} << 20U;
    bool synced = false;
};

/// errc::disk_full, denied, unavailable, corrupt.
[[nodiscard]] result<std::unique_ptr<store>> open_journaled(std::unique_ptr<store> environment,
                                                            journal_options options);

} // namespace postsluice::state
