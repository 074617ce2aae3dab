// SPDX-License-Identifier: Apache-2.0
// Writes what a layer holds into the environment below it: in the order of the keys, since what lies in one page is
// written with it; so many records a commit, since LMDB keeps the memory of a transaction's pages; and with the last of
// them the generation that is then in the environment. Whoever answers needs the processor meanwhile: `rest` is called
// after each piece of work of some 0.1 ms (the kernel lets a thread go on for some milliseconds, whatever its priority,
// and where processors are scarce each of these was an answer that came so much later).
//
// The layer may not change while it is written; others may read it.
#pragma once

#include "shared/state/change_layer.hpp"
#include "shared/state/store.hpp"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace postsluice::state {

class layer_writer {
public:
    struct hooks {
        std::function<void()> rest;
        std::function<void()> committed; ///< the environment has got more
    };
    /// `name` is the environment's, for errors.
    layer_writer(store& environment, std::string name, hooks called);

    /// All of it, with `generation`. After an error some of it may be written: it is begun again then, from the start.
    /// errc::unavailable: the environment is another one than at the start, which may have got nothing of it.
    [[nodiscard]] result<void> write(const change_layer& layer, std::uint64_t generation);
    /// Out of its turn and of the room that is kept for this: what an environment that is full can do without.
    [[nodiscard]] result<void> erase(std::span<const std::string> keys);

    /// The last generation that is in an environment; 0: none.
    [[nodiscard]] static std::uint64_t generation_in(const read_txn& txn);
    /// The indices of a layer's changes, by their keys.
    [[nodiscard]] static std::vector<std::uint32_t> in_order(const change_layer& layer,
                                                             const std::function<void()>& rest);

private:
    [[nodiscard]] result<void> write_some(const change_layer& layer, std::span<const std::uint32_t> some, bool first,
                                          const std::uint64_t* generation);

    store& environment_;
    std::string name_;
    hooks hooks_;
    std::uint64_t opening_ = 0; // of the environment that it wrote to last
};

} // namespace postsluice::state
