// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/look_alikes.hpp"

#include "contentfilter/checks/code_points.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <string>

namespace postsluice::contentfilter {

namespace {

enum class script { none, latin, imitation, look_alike, other };

// Letters of Cyrillic, Greek and Armenian that nobody tells from a Latin one.
constexpr std::u32string_view twins =
    U"\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u0475\u04cf\u050d"
    U"\u03bf\u03bd\u03b1\u03c1\u03c5\u03b9\u03ba\u0578\u057d\u0570\u0585\u0566";

// Capitals that look like Latin ones: more than of the small letters.
constexpr std::u32string_view capital_twins =
    U"\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0405\u0406\u0408"
    U"\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7";

script script_of(char32_t c) {
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? script::latin : script::none;
    if (c >= 0x250 && c <= 0x2af) return script::imitation; // phonetic letters: no name is written with them
    if (c >= 0xc0 && c <= 0x24f) return script::latin;
    if (c >= 0x1e00 && c <= 0x1eff) return script::latin;
    if ((c >= 0x370 && c <= 0x58f) || (c >= 0x13a0 && c <= 0x13ff) || (c >= 0x1f00 && c <= 0x1fff))
        return twins.find(c) != std::u32string_view::npos ? script::look_alike : script::other;
    return script::none; // scripts that look like no other
}

bool is_look_alike_label(std::string_view label, bool latin_domain) {
    bool latin = false, imitation = false, other = false, twin = false;
    for_each_code_point(label, [&](char32_t c) {
        const auto s = script_of(c);
        latin = latin || s == script::latin;
        imitation = imitation || s == script::imitation;
        other = other || s == script::other;
        twin = twin || s == script::look_alike;
    });
    if (imitation && latin) return true;
    if (latin) return other || twin;
    return twin && !other && latin_domain;
}

} // namespace

bool mixes_look_alikes(std::string_view word) {
    bool latin = false, twin = false, other = false;
    for_each_code_point(word, [&](char32_t c) {
        const auto s = capital_twins.find(c) != std::u32string_view::npos ? script::look_alike : script_of(c);
        latin = latin || s == script::latin;
        twin = twin || s == script::look_alike;
        other = other || s == script::other;
    });
    return latin && twin && !other;
}

bool is_look_alike(std::string_view host) {
    const auto labels = split(host, '.');
    const auto ascii = [](char c) { return static_cast<signed char>(c) >= 0; };
    const bool latin_domain =
        std::all_of(labels.back().begin(), labels.back().end(), ascii) && !labels.back().starts_with("xn--");
    return std::any_of(labels.begin(), labels.end(),
                       [&](std::string_view label) { return is_look_alike_label(label, latin_domain); });
}

} // namespace postsluice::contentfilter
