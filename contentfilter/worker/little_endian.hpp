// SPDX-License-Identifier: Apache-2.0
// Numbers of Microsoft's formats. Reading past the end yields zero octets, so that no caller has to be trusted.
#pragma once

#include <cstddef>
#include <string_view>

namespace postsluice::contentfilter::worker {

template <class Number>
[[nodiscard]] Number little_endian(std::string_view from, std::size_t at) noexcept {
    Number out = 0;
    for (std::size_t i = 0; i < sizeof(Number) && at + i < from.size(); ++i)
        out = static_cast<Number>(out | static_cast<Number>(static_cast<unsigned char>(from[at + i])) << (8 * i));
    return out;
}

} // namespace postsluice::contentfilter::worker
