// SPDX-License-Identifier: Apache-2.0
// A fuzz target: one function that takes any octets, returns 0, and aborts where a promise is broken (require()). Each
// .cpp beside this one is a target; with main.cpp it replays files and mutates them, with libFuzzer (FUZZ_ENGINE=
// -fsanitize=fuzzer) it is driven by coverage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace postsluice::fuzz {

/// Ends the process, in every build.
inline void require(bool kept, const char* promise) {
    if (!kept) {
        std::fprintf(stderr, "promise broken: %s\n", promise);
        std::abort();
    }
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

} // namespace postsluice::fuzz
