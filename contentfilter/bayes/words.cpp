// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/bayes/words.hpp"

#include "contentfilter/checks/case_fold.hpp"
#include "contentfilter/checks/code_points.hpp"

#include <algorithm>
#include <string>

namespace postsluice::contentfilter::bayes {

namespace {

bool is_digit(char32_t c) {
    return c >= '0' && c <= '9';
}

/// Blanks, punctuation and what has no shape, beyond ASCII.
bool separates(char32_t c) {
    return (c >= 0x80 && c <= 0xbf && c != 0xaa && c != 0xb5 && c != 0xba) || c == 0xd7 || c == 0xf7 ||
           (c >= 0x2000 && c <= 0x206f) || (c >= 0x2190 && c <= 0x2bff) || (c >= 0x3000 && c <= 0x303f) ||
           (c >= 0xff00 && c <= 0xff0f) || c == 0xfeff || c == 0xfffd;
}

bool is_word(char32_t c) {
    if (c < 0x80) return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return !separates(c);
}

bool joins(char32_t c) {
    return c == '\'' || c == '-' || c == '.' || c == '_' || c == '@' || c == 0x2019;
}

bool is_mark(char32_t c) {
    return c == '!' || c == '$' || c == '%';
}

/// Written without blanks between words.
bool stands_alone(char32_t c) {
    return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x20000 && c <= 0x3ffff);
}

std::uint64_t hash_word(std::string_view word) {
    const bool number =
        std::all_of(word.begin(), word.end(), [](char c) { return is_digit(static_cast<unsigned char>(c)); });
    if (number && word.size() > 4) return spread(hash_text(std::to_string(word.size()), hash_text("#")));
    if (word.size() > longest_word)
        return spread(hash_text(std::to_string(word.size() / 10), hash_text(word.substr(0, 1), hash_text("long"))));
    const bool ascii = std::all_of(word.begin(), word.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
    if (!ascii) return spread(hash_text(folded(word)));
    std::uint64_t h = hash_text({});
    for (const char c : word)
        h = (h ^ static_cast<unsigned char>(c >= 'A' && c <= 'Z' ? c + 0x20 : c)) * 0x100000001b3U;
    return spread(h);
}

/// Where the word that begins at `at` ends. What joins is part of it only before a further letter.
std::size_t end_of_word(std::string_view text, std::size_t at) {
    auto end = at;
    while (at < text.size()) {
        const auto c = next_code_point(text, at);
        if (stands_alone(c)) break;
        if (is_word(c))
            end = at;
        else if (!joins(c) || end == 0)
            break;
        else if (auto next = at; next >= text.size() || !is_word(next_code_point(text, next)))
            break;
    }
    return end;
}

} // namespace

void for_each_word(std::string_view utf8, const std::function<bool(std::uint64_t)>& visit) {
    for (std::size_t at = 0; at < utf8.size();) {
        const auto begin = at;
        const auto c = next_code_point(utf8, at);
        std::uint64_t word = 0;
        if (is_mark(c)) {
            while (at < utf8.size() && utf8[at] == utf8[begin])
                ++at;
            word = spread(hash_text(utf8.substr(begin, std::min<std::size_t>(at - begin, 2))));
        } else if (is_word(c)) {
            if (!stands_alone(c)) at = end_of_word(utf8, begin);
            word = hash_word(utf8.substr(begin, at - begin));
        } else {
            continue;
        }
        if (!visit(word)) return;
    }
}

} // namespace postsluice::contentfilter::bayes
