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

} // namespace

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
        std::array<std::uint64_t, slots> moved{};
        for (std::int64_t age = 0; age < ring && age <= slot; ++age) {
            moved[index_of(slot - age)] = counts_[index_of(newest_ - age)];
        }
        counts_ = moved;
        newest_ = slot;
        return;
    }
    if (slot <= newest_) return;
    if (slot - newest_ >= ring) {
        counts_.fill(0);
    } else {
        for (std::int64_t s = newest_ + 1; s <= slot; ++s)
            counts_[index_of(s)] = 0;
    }
    newest_ = slot;
}

std::uint64_t sliding_window::used(instant now, seconds period) const noexcept {
    const std::int64_t slot = slot_of(now, period);
    // What lies at or before now's slot: the youngest `visible` slots of the ring.
    const std::int64_t visible = slot > newest_ ? std::max<std::int64_t>(ring - (slot - newest_), 0) : ring;
    std::uint64_t sum = 0;
    if (visible == ring) { // nearly always: nothing has expired since the last charge
        for (const std::uint64_t count : counts_)
            sum += count;
        return sum;
    }
    for (std::int64_t age = 0; age < visible && age <= newest_; ++age)
        sum += counts_[index_of(newest_ - age)];
    return sum;
}

std::int64_t sliding_window::charge(instant now, seconds period, std::uint64_t cost) noexcept {
    roll(slot_of(now, period));
    auto& count = counts_[index_of(newest_)];
    count = saturate(count + saturate(cost));
    return newest_;
}

void sliding_window::refund(std::int64_t slot, std::uint64_t cost) noexcept {
    if (slot < 0 || slot > newest_ || newest_ - slot >= ring) return;
    auto& count = counts_[index_of(slot)];
    count -= std::min(count, cost);
}

std::optional<instant> sliding_window::fits_at(instant now, seconds period, std::uint64_t limit,
                                               std::uint64_t cost) const noexcept {
    if (cost > limit) return std::nullopt;
    sliding_window rolled = *this;
    rolled.roll(slot_of(now, period));
    std::uint64_t sum = rolled.used(now, period);
    if (sum <= limit - cost) return now;
    // Slot k has left the window when slot k + 33 begins.
    for (std::int64_t slot = rolled.newest_ - per_period; slot <= rolled.newest_; ++slot) {
        if (slot < 0) continue;
        sum -= rolled.counts_[index_of(slot)];
        if (sum <= limit - cost) return std::max(now, start_of(slot + ring, period));
    }
    return std::max(now, start_of(rolled.newest_ + ring, period));
}

namespace {

constexpr std::size_t count_octets = 6;
constexpr bool little = std::endian::native == std::endian::little;

std::uint64_t in_order(std::uint64_t word) noexcept {
    return little ? word : __builtin_bswap64(word);
}

} // namespace

// Eight octets at a time where six are meant: the next count overwrites the two too many, and the last one goes alone.
void sliding_window::encode(std::span<std::uint8_t, encoded_size> out) const noexcept {
    std::uint8_t* at = out.data();
    std::uint64_t word = in_order(static_cast<std::uint64_t>(newest_));
    std::memcpy(at, &word, sizeof word);
    at += sizeof word;
    for (std::size_t i = 0; i < slots; ++i, at += count_octets) {
        word = in_order(counts_[i]);
        std::memcpy(at, &word, i + 1 < slots ? sizeof word : count_octets);
    }
}

sliding_window sliding_window::decode(std::span<const std::uint8_t, encoded_size> in) noexcept {
    sliding_window w;
    const std::uint8_t* at = in.data();
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    at += sizeof word;
    // Any 206 octets make a window; a damaged slot number must not overflow later.
    w.newest_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(in_order(word)), 0, max_slot);
    for (std::size_t i = 0; i < slots; ++i, at += count_octets) {
        word = 0;
        std::memcpy(&word, at, i + 1 < slots ? sizeof word : count_octets);
        w.counts_[i] = in_order(word) & max_count;
    }
    return w;
}

} // namespace postsluice
