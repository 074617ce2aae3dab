// SPDX-License-Identifier: Apache-2.0
// Counting over a sliding period in constant space.
//
// The period P is cut into 32 slots of P/32; a ring of 33 slots holds counts. At time t the window is the slot of t and
// the 32 slots before it. Everything an exact log would count in (t-P, t] lies in these 33 slots, so the window never
// admits what an exact log would refuse. The oldest slot may hold events up to P/32 older than the period: so it may
// refuse up to 1/32 of a period longer. Refunds go to the slot they were charged in; a slot that has left the ring
// needs none. Time never runs backwards here: a time before the newest slot counts as the newest slot, and a newest
// slot more than one period in the future (a clock that was wrong) is pulled back to now: its counts are kept, none are
// minted. Counts saturate at 48 bits.
//
// Encoded are only the slots that hold something, and which these are: 16 octets and 6 for each, little-endian. Most
// accounts fill few of a window's slots, and a record that is small is read, written and kept at less cost.
#pragma once

#include "shared/core/clock.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace postsluice {

class sliding_window {
public:
    static constexpr std::size_t slots = 33;
    static constexpr std::uint64_t max_count = (std::uint64_t{1} << 48) - 1;
    static constexpr std::size_t longest_encoding = 16 + slots * 6;

    /// Slot number of a time; store it with a charge to be able to refund it.
    [[nodiscard]] static std::int64_t slot_of(instant t, seconds period) noexcept;

    /// Units used at `now`.
    [[nodiscard]] std::uint64_t used(instant now, seconds period) const noexcept;
    /// Adds `cost` at `now`; returns the slot it went to.
    std::int64_t charge(instant now, seconds period, std::uint64_t cost) noexcept;
    /// Takes back what was charged in `slot`; nothing where the slot is gone.
    void refund(std::int64_t slot, std::uint64_t cost) noexcept;
    /// The first time, not before `now`, at which `cost` fits under `limit`; nullopt where cost > limit.
    [[nodiscard]] std::optional<instant> fits_at(instant now, seconds period, std::uint64_t limit,
                                                 std::uint64_t cost) const noexcept;

    /// Is its newest slot more than one period after `now`? The next charge pulls it back.
    [[nodiscard]] bool from_future(instant now, seconds period) const noexcept;

    [[nodiscard]] std::size_t encoded_size() const noexcept;
    /// Writes encoded_size() octets; returns where they end.
    std::uint8_t* encode(std::uint8_t* out) const noexcept;
    /// How many octets of `in` were read; 0 where they are not a window, and `out` is unchanged then.
    [[nodiscard]] static std::size_t decode(std::span<const std::uint8_t> in, sliding_window& out) noexcept;
    bool operator==(const sliding_window& other) const noexcept;

private:
    [[nodiscard]] std::uint64_t count(std::size_t index) const noexcept; // of the slot % slots
    void set_count(std::size_t index, std::uint64_t count) noexcept;
    [[nodiscard]] std::uint64_t sum() const noexcept;
    void roll(std::int64_t slot) noexcept;

    std::int64_t newest_ = 0;
    std::uint64_t held_ = 0; // a bit for each slot % slots whose count is not 0; the others' counts mean nothing
    std::array<std::uint64_t, slots> counts_{};
};

} // namespace postsluice
