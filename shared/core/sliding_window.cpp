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

constexpr std::size_t counts_at = 8, count_octets = 6;
constexpr bool little = std::endian::native == std::endian::little;

std::uint64_t in_order(std::uint64_t word) noexcept {
    return little ? word : __builtin_bswap64(word);
}

std::uint64_t load(const std::uint8_t* at) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return in_order(word);
}

} // namespace

// Any 206 octets make a window; a damaged slot number must not overflow.
std::int64_t sliding_window::newest() const noexcept {
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(load(octets_.data())), 0, max_slot);
}

void sliding_window::set_newest(std::int64_t slot) noexcept {
    const std::uint64_t word = in_order(static_cast<std::uint64_t>(slot));
    std::memcpy(octets_.data(), &word, sizeof word);
}

// Eight octets at a time where six are meant: the two before them, which are there also for the first, go.
std::uint64_t sliding_window::count(std::size_t index) const noexcept {
    return load(octets_.data() + counts_at + index * count_octets - 2) >> 16U;
}

void sliding_window::set_count(std::size_t index, std::uint64_t count) noexcept {
    const std::uint64_t word = in_order(little ? count : count << 16U);
    std::memcpy(octets_.data() + counts_at + index * count_octets, &word, count_octets);
}

std::int64_t sliding_window::slot_of(instant t, seconds period) noexcept {
    constexpr std::int64_t latest = std::int64_t{1} << 52; // the product below must not overflow
    const std::int64_t ms = std::clamp<std::int64_t>(t.time_since_epoch().count(), 0, latest);
    return ms * per_period / period_ms(period);
}

bool sliding_window::from_future(instant now, seconds period) const noexcept {
    return newest() > slot_of(now, period) + per_period;
}

void sliding_window::roll(std::int64_t slot) noexcept {
    const auto newest = this->newest();
    if (newest > slot + per_period) { // from a clock that was wrong: the whole ring moves back to now
        const sliding_window before = *this;
        octets_ = {};
        for (std::int64_t age = 0; age < ring && age <= slot; ++age)
            set_count(index_of(slot - age), before.count(index_of(newest - age)));
        set_newest(slot);
        return;
    }
    if (slot <= newest) return;
    if (slot - newest >= ring) {
        octets_ = {};
    } else {
        for (std::int64_t s = newest + 1; s <= slot; ++s)
            set_count(index_of(s), 0);
    }
    set_newest(slot);
}

std::uint64_t sliding_window::used(instant now, seconds period) const noexcept {
    const std::int64_t slot = slot_of(now, period), newest = this->newest();
    // What lies at or before now's slot: the youngest `visible` slots of the ring.
    const std::int64_t visible = slot > newest ? std::max<std::int64_t>(ring - (slot - newest), 0) : ring;
    std::uint64_t sum = 0;
    if (visible == ring) { // nearly always: nothing has expired since the last charge
        for (std::size_t i = 0; i < slots; ++i)
            sum += count(i);
        return sum;
    }
    for (std::int64_t age = 0; age < visible && age <= newest; ++age)
        sum += count(index_of(newest - age));
    return sum;
}

std::int64_t sliding_window::charge(instant now, seconds period, std::uint64_t cost) noexcept {
    roll(slot_of(now, period));
    const auto slot = newest();
    const auto index = index_of(slot);
    set_count(index, saturate(count(index) + saturate(cost)));
    return slot;
}

void sliding_window::refund(std::int64_t slot, std::uint64_t cost) noexcept {
    const auto newest = this->newest();
    if (slot < 0 || slot > newest || newest - slot >= ring) return;
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
    const auto newest = rolled.newest();
    for (std::int64_t slot = newest - per_period; slot <= newest; ++slot) {
        if (slot < 0) continue;
        sum -= rolled.count(index_of(slot));
        if (sum <= limit - cost) return std::max(now, start_of(slot + ring, period));
    }
    return std::max(now, start_of(newest + ring, period));
}

void sliding_window::encode(std::span<std::uint8_t, encoded_size> out) const noexcept {
    std::copy(octets_.begin(), octets_.end(), out.begin());
}

sliding_window sliding_window::decode(std::span<const std::uint8_t, encoded_size> in) noexcept {
    sliding_window w;
    std::copy(in.begin(), in.end(), w.octets_.begin());
    return w;
}

} // namespace postsluice
