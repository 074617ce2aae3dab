// SPDX-License-Identifier: Apache-2.0
// Waiting for what other programs do: they cannot tell us when.
#pragma once

#include <chrono>
#include <thread>

namespace postsluice::admin::setup {

/// Until `met()` says so, at most for `most`; its last word.
template <class Condition>
bool wait_for(std::chrono::seconds most, Condition met) {
    constexpr std::chrono::milliseconds between{50};
    for (const auto until = std::chrono::steady_clock::now() + most; std::chrono::steady_clock::now() < until;) {
        if (met()) return true;
        std::this_thread::sleep_for(between);
    }
    return met();
}

} // namespace postsluice::admin::setup
