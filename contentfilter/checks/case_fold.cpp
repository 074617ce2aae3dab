// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/case_fold.hpp"

#include "contentfilter/checks/code_points.hpp"

namespace postsluice::contentfilter {

namespace {

char32_t lower(char32_t c) noexcept {
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
    if (c >= 0xc0 && c <= 0xde && c != 0xd7) return c + 0x20;
    if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177) || (c >= 0x1e00 && c <= 0x1eff)) return c | 1U;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) return c + (c & 1U); // pairs begin with the odd one
    if (c >= 0x391 && c <= 0x3a9) return c + 0x20;
    if (c >= 0x410 && c <= 0x42f) return c + 0x20;
    if (c >= 0x400 && c <= 0x40f) return c + 0x50;
    return c;
}

void append(std::string& out, char32_t c) {
    const auto octet = [](char32_t bits) { return static_cast<char>(bits); };
    if (c < 0x80) {
        out += octet(c);
    } else if (c < 0x800) {
        out += octet(0xc0U | c >> 6U);
        out += octet(0x80U | (c & 0x3fU));
    } else {
        if (c >= 0x10000) {
            out += octet(0xf0U | c >> 18U);
            out += octet(0x80U | (c >> 12U & 0x3fU));
        } else {
            out += octet(0xe0U | c >> 12U);
        }
        out += octet(0x80U | (c >> 6U & 0x3fU));
        out += octet(0x80U | (c & 0x3fU));
    }
}

} // namespace

std::string folded(std::string_view utf8) {
    std::string out;
    out.reserve(utf8.size());
    for_each_code_point(utf8, [&](char32_t c) { append(out, lower(c)); });
    return out;
}

} // namespace postsluice::contentfilter
