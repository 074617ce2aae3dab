// SPDX-License-Identifier: Apache-2.0
#include "shared/core/sliding_window.hpp"

#include <algorithm>

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

void sliding_window::encode(std::span<std::uint8_t, encoded_size> out) const noexcept {
    std::size_t at = 0;
    for (int shift = 0; shift < 64; shift += 8) {
        out[at++] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(newest_) >> shift);
    }
    for (const std::uint64_t count : counts_) {
        for (int shift = 0; shift < 48; shift += 8)
            out[at++] = static_cast<std::uint8_t>(count >> shift);
    }
}

sliding_window sliding_window::decode(std::span<const std::uint8_t, encoded_size> in) noexcept {
    sliding_window w;
    std::size_t at = 0;
    std::uint64_t newest = 0;
    for (int shift = 0; shift < 64; shift += 8)
        newest |= std::uint64_t{in[at++]} << shift;
    // Any 206 octets make a window; a damaged slot number must not overflow later.
    w.newest_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(newest), 0, max_slot);
    for (auto& count : w.counts_) {
        for (int shift = 0; shift < 48; shift += 8)
            count |= std::uint64_t{in[at++]} << shift;
    }
    return w;
}

} // namespace postsluice
