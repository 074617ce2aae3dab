// SPDX-License-Identifier: Apache-2.0
// What mail of either class taught: how many messages, in how many of them each token was, and which messages they
// were; in the `filter` environment, written by contentfilter alone. A token is a 64-bit hash: what was said in a
// message cannot be read here. Any thread; each verb is one transaction.
//
// What it believes: mail changes, and what was learned long ago says less. Every count is halved each `half_life`, the
// counts of messages and those of tokens alike, so that shares stay what they are while nothing is learned, and old
// lessons give way to new ones. This is done when a count is read: a count bears the day on which it was last written.
//
// What it bears: at most `bounds.tokens` tokens. Over that the weakest go, but not the weakest of all, which would have
// to be looked for: a hand goes round through the tokens, whose order is as good as random, and of each four times as
// many as must go, those of the least weight do. A message is its set of tokens: the same text with other line ends or
// other traces is no other message. It is remembered, so that it counts once and can be taken back, until
// `bounds.messages` later ones came. Where the map is full nothing is learned: errc::disk_full.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"
#include "shared/state/store.hpp"

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::state {

enum class mail_class : std::uint8_t { ham, spam };

/// How often something was in mail of each class, or how many such messages there were; faded.
struct class_counts {
    double ham = 0, spam = 0;
    [[nodiscard]] double& of(mail_class c) noexcept { return c == mail_class::spam ? spam : ham; }
    [[nodiscard]] double sum() const noexcept { return ham + spam; }
};

/// A message's tokens, distinct and in ascending order.
using token_set = std::vector<std::uint64_t>;

class token_statistics {
public:
    token_statistics(store& where, std::string hash_secret, const clock& time);

    struct bounds {
        std::size_t tokens = 1'000'000;
        std::size_t messages = 100'000;
        seconds half_life{0}; ///< 0: nothing fades
    };
    struct totals {
        class_counts messages;        ///< that were learned
        std::uint64_t tokens = 0;     ///< kept
        std::uint64_t remembered = 0; ///< messages
    };
    [[nodiscard]] result<totals> total(seconds half_life);

    struct answer {
        class_counts messages;
        std::vector<class_counts> tokens; ///< of those that were asked about, in their order
    };
    /// In ascending order they are found fastest.
    [[nodiscard]] result<answer> ask(std::span<const std::uint64_t> tokens, seconds half_life);

    enum class outcome : std::uint8_t {
        learned,
        moved,     ///< it had been learned as the other class
        known,     ///< it had been learned as this class
        forgotten, ///< what it taught is taken back
        unknown,   ///< to be forgotten, and not remembered
        empty,     ///< no tokens
    };
    /// All or nothing; one outcome a message, in their order.
    [[nodiscard]] result<std::vector<outcome>> learn(mail_class as, std::span<const token_set> messages,
                                                     const bounds& within);
    [[nodiscard]] result<std::vector<outcome>> forget(std::span<const token_set> messages, const bounds& within);

private:
    store& store_;
    std::string secret_;
    const clock& clock_;
};

[[nodiscard]] std::string_view to_string(token_statistics::outcome o) noexcept;
std::ostream& operator<<(std::ostream& out, token_statistics::outcome o);

} // namespace postsluice::state
