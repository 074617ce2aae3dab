// SPDX-License-Identifier: Apache-2.0
// What the bayes check makes of a message: tokens, each a 64-bit hash.
//
//  - The words of the subject and of the text as a reader sees it, in lower case, and pairs of words that stand up to
//    two words apart (orthogonal sparse bigrams: C. Siefkes, F. Assis, S. Chhabra, W. Yerazunis, "Combining Winnow and
//    Orthogonal Sparse Bigrams for Incremental Spam Filtering", 2004). "Buy" and "now" say little, "buy _ now" more.
//  - Hosts that links lead to, and the domains above them.
//  - Names and types of parts, their charsets; how much is hidden, how many links and images there are, in steps.
//  - Of the header what the sender's program reveals: its name, the form of its Message-ID, the zone of its Date. Not
//    addresses, nor what mail systems add: an account that was taken over writes under the addresses it always had.
//
// Of a text with more than `most` tokens those with the smallest hashes are taken, a sample of all of it: no padding
// before a text moves it out of sight, and a token that is looked at in one message is looked at in the next. The hash
// has no key: who wants to speak like honest mail writes its words, and needs no collisions.
#pragma once

#include "contentfilter/mime/content.hpp"

#include <cstdint>
#include <vector>

namespace postsluice::contentfilter::bayes {

struct token {
    std::uint64_t hash = 0;
    std::uint32_t first = 0, last = 0; ///< places of its words in the message; equal where it is one word
    bool operator==(const token&) const = default;
};

/// Distinct, in ascending order of their hashes; `most` of the texts, and a few hundred of everything else. `parts` may
/// be null. Throws std::runtime_error where the spool cannot be read.
[[nodiscard]] std::vector<token> tokens_of(const message& of, const mime::tree* parts, const mime::content& content,
                                           std::size_t most);
[[nodiscard]] std::vector<std::uint64_t> hashes_of(const std::vector<token>& tokens);

} // namespace postsluice::contentfilter::bayes
