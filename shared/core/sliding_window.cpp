// SPDX-License-Identifier: Apache-2.0
#include "shared/core/sliding_window.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace postsluice {
namespace {

constexpr std::int64_t ring = static_cast<std::int64_t>(sliding_window::slots);
constexpr std::int64_t per_period = ring - 1;
// Far beyond any real slot number (one-second periods until the year 10000), and far from overflow.
constexpr std::int64_t max_slot = std::int64_t{1} << 53;

std::int64_t period_ms(seconds period) noexcept {
    return std::max<std::int64_t>(milliseconds{period}.count(), 1000);
}

std::size_t index_of(std::int64_t slot) noexcept {
    return static_cast<std::size_t>(slot % ring);
}

// The first millisecond that lies in `slot`.
instant start_of(std::int64_t slot, seconds period) noexcept {
    const std::int64_t length = period_ms(period);
    return instant{milliseconds{(slot * length + per_period - 1) / per_period}};
}

std::uint64_t saturate(std::uint64_t count) noexcept {
    return std::min(count, sliding_window::max_count);
}

constexpr std::size_t count_octets = 6;
constexpr std::uint64_t all_slots = (std::uint64_t{1} << sliding_window::slots) - 1;

std::uint64_t little_endian(std::uint64_t word) noexcept {
    return std::endian::native == std::endian::little ? word : __builtin_bswap64(word);
}

std::uint8_t* write(std::uint8_t* out, std::uint64_t word, std::size_t octets) noexcept {
    const auto ordered = little_endian(word);
    std::memcpy(out, &ordered, octets);
    return out + octets;
}

std::uint64_t read(const std::uint8_t* in, std::size_t octets) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, in, octets);
    return little_endian(word);
}

std::uint64_t bit(std::size_t index) noexcept {
    return std::uint64_t{1} << index;
}

/// Calls `visit` with the index of each bit that is set.
template <class Visit>
void each_bit(std::uint64_t bits, Visit&& visit) {
    for (; bits != 0; bits &= bits - 1)
        visit(static_cast<std::size_t>(std::countr_zero(bits)));
}

} // namespace

std::uint64_t sliding_window::count(std::size_t index) const noexcept {
    return (held_ & bit(index)) != 0 ? counts_[index] : 0;
}

void sliding_window::set_count(std::size_t index, std::uint64_t count) noexcept {
    counts_[index] = count;
    held_ = count != 0 ? held_ | bit(index) : held_ & ~bit(index);
}

std::uint64_t sliding_window::sum() const noexcept {
    std::uint64_t out = 0;
    each_bit(held_, [&](std::size_t i) { out += counts_[i]; });
    return out;
}

std::int64_t sliding_window::slot_of(instant t, seconds period) noexcept {
    constexpr std::int64_t latest = std::int64_t{1} << 52; // the product below must not overflow
    const std::int64_t ms = std::clamp<std::int64_t>(t.time_since_epoch().count(), 0, latest);
    return ms * per_period / period_ms(period);
}

bool sliding_window::from_future(instant now, seconds period) const noexcept {
    return newest_ > slot_of(now, period) + per_period;
}

void sliding_window::roll(std::int64_t slot) noexcept {
    if (newest_ > slot + per_period) { // from a clock that was wrong: the whole ring moves back to now
        const sliding_window before = *this;
        held_ = 0;
        for (std::int64_t age = 0; age < ring && age <= slot; ++age)
            set_count(index_of(slot - age), before.count(index_of(newest_ - age)));
        newest_ = slot;
        return;
    }
    if (slot <= newest_) return;
    if (slot - newest_ >= ring) {
        held_ = 0;
    } else {
        for (std::int64_t s = newest_ + 1; s <= slot; ++s)
            held_ &= ~bit(index_of(s));
    }
    newest_ = slot;
}

std::uint64_t sliding_window::used(instant now, seconds period) const noexcept {
    const std::int64_t slot = slot_of(now, period);
    if (slot <= newest_) return sum(); // nearly always: nothing has expired since the last charge
    // What lies at or before now's slot: the youngest `visible` slots of the ring.
    const std::int64_t visible = std::max<std::int64_t>(ring - (slot - newest_), 0);
    std::uint64_t out = 0;
    for (std::int64_t age = 0; age < visible && age <= newest_; ++age)
        out += count(index_of(newest_ - age));
    return out;
}

std::int64_t sliding_window::charge(instant now, seconds period, std::uint64_t cost) noexcept {
    roll(slot_of(now, period));
    const auto slot = newest_;
    const auto index = index_of(slot);
    set_count(index, saturate(count(index) + saturate(cost)));
    return slot;
}

void sliding_window::refund(std::int64_t slot, std::uint64_t cost) noexcept {
    if (slot < 0 || slot > newest_ || newest_ - slot >= ring) return;
    const auto index = index_of(slot);
    const auto there = count(index);
    set_count(index, there - std::min(there, cost));
}

std::optional<instant> sliding_window::fits_at(instant now, seconds period, std::uint64_t limit,
                                               std::uint64_t cost) const noexcept {
    if (cost > limit) return std::nullopt;
    sliding_window rolled = *this;
    rolled.roll(slot_of(now, period));
    std::uint64_t sum = rolled.used(now, period);
    if (sum <= limit - cost) return now;
    // Slot k has left the window when slot k + 33 begins.
    const auto newest = rolled.newest_;
    for (std::int64_t slot = newest - per_period; slot <= newest; ++slot) {
        if (slot < 0) continue;
        sum -= rolled.count(index_of(slot));
        if (sum <= limit - cost) return std::max(now, start_of(slot + ring, period));
    }
    return std::max(now, start_of(newest + ring, period));
}

std::size_t sliding_window::encoded_size() const noexcept {
    return 16 + count_octets * static_cast<std::size_t>(std::popcount(held_));
}

std::uint8_t* sliding_window::encode(std::uint8_t* out) const noexcept {
    out = write(out, static_cast<std::uint64_t>(newest_), 8);
    out = write(out, held_, 8);
    each_bit(held_, [&](std::size_t i) { out = write(out, counts_[i], count_octets); });
    return out;
}

// A damaged slot number must not overflow.
std::size_t sliding_window::decode(std::span<const std::uint8_t> in, sliding_window& out) noexcept {
    if (in.size() < 16) return 0;
    const auto held = read(in.data() + 8, 8);
    if ((held & ~all_slots) != 0) return 0;
    if (in.size() < 16 + count_octets * static_cast<std::size_t>(std::popcount(held))) return 0;
    out.newest_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(read(in.data(), 8)), 0, max_slot);
    out.held_ = 0;
    const auto* at = in.data() + 16;
    each_bit(held, [&](std::size_t i) {
        out.set_count(i, read(at, count_octets));
        at += count_octets;
    });
    return static_cast<std::size_t>(at - in.data());
}

bool sliding_window::operator==(const sliding_window& other) const noexcept {
    bool same = newest_ == other.newest_ && held_ == other.held_;
    each_bit(held_, [&](std::size_t i) { same = same && counts_[i] == other.counts_[i]; });
    return same;
}

} // namespace postsluice
