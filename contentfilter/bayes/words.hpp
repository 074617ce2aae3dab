// SPDX-License-Identifier: Apache-2.0
// Words of a text in any script, for the bayes check. A word is a run of letters and digits, in lower case, with what
// joins words inside it (don't, e-mail, example.org); runs of "!", "$" and "%" are words as well, since they are what
// shouting and prices look like; an ideograph or kana is a word by itself, since nothing separates them. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace postsluice::contentfilter::bayes {

/// FNV-1a over `text`, continued from `from`.
[[nodiscard]] constexpr std::uint64_t hash_text(std::string_view text,
                                                std::uint64_t from = 0xcbf29ce484222325U) noexcept {
    for (const char c : text)
        from = (from ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return from;
}
/// Spreads what differs over all bits (the finalizer of MurmurHash3).
[[nodiscard]] constexpr std::uint64_t spread(std::uint64_t h) noexcept {
    h = (h ^ h >> 33U) * 0xff51afd7ed558ccdU;
    h = (h ^ h >> 33U) * 0xc4ceb9fe1a85ec53U;
    return h ^ h >> 33U;
}

/// Calls `visit` with the hash of each word, in order, until it returns false. Numbers of more than four digits and
/// words of more than `longest_word` octets are known by their length only.
inline constexpr std::size_t longest_word = 40;
void for_each_word(std::string_view utf8, const std::function<bool(std::uint64_t)>& visit);

} // namespace postsluice::contentfilter::bayes
