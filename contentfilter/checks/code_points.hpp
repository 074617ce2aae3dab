// SPDX-License-Identifier: Apache-2.0
// UTF-8 read liberally: what is not UTF-8 is U+FFFD, an octet at a time.
#pragma once

#include <cstddef>
#include <string_view>

namespace postsluice::contentfilter {

/// The code point at `at`, which moves behind it.
[[nodiscard]] inline char32_t next_code_point(std::string_view text, std::size_t& at) noexcept {
    const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = octet(at++);
    if (first < 0x80) return first;
    const std::size_t more = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : 0;
    if (more == 0 || first >= 0xf5 || at + more > text.size()) return 0xfffd;
    char32_t value = first & (0x3fU >> more);
    for (std::size_t i = 0; i < more; ++i) {
        if ((octet(at + i) & 0xc0U) != 0x80) return 0xfffd;
        value = value << 6U | (octet(at + i) & 0x3fU);
    }
    at += more;
    return value;
}

template <class Visit>
void for_each_code_point(std::string_view text, Visit visit) {
    for (std::size_t at = 0; at < text.size();)
        visit(next_code_point(text, at));
}

} // namespace postsluice::contentfilter
