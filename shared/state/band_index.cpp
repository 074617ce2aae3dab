// SPDX-License-Identifier: Apache-2.0
#include "shared/state/band_index.hpp"

#include <algorithm>
#include <utility>

namespace postsluice::state {

namespace {
constexpr std::size_t fewest_slots = 64;
}

// The slots share the range of the bands among them: any number of slots will do.
std::size_t band_index::home_of(std::uint32_t band) const noexcept {
    return static_cast<std::size_t>(std::uint64_t{band} * slots_.size() >> 32U);
}

std::size_t band_index::slot_of(std::uint32_t band) const noexcept {
    auto at = home_of(band);
    while (slots_[at].where != nowhere && slots_[at].band != band)
        at = next(at);
    return at;
}

band_index::place band_index::find(std::uint32_t band) const noexcept {
    return slots_.empty() ? nowhere : slots_[slot_of(band)].where;
}

band_index::place band_index::lead(std::uint32_t band, place where) {
    if (slots_.empty() && where == nowhere) return nowhere;
    if (slots_.empty()) grow();
    auto at = slot_of(band);
    const auto before = slots_[at].where;
    if (where == nowhere) {
        if (before != nowhere) close_gap(at);
        return before;
    }
    if (before == nowhere) {
        if ((taken_ + 1) * 4 > slots_.size() * 3) {
            grow();
            at = slot_of(band);
        }
        ++taken_;
    }
    slots_[at] = {band, where};
    return before;
}

void band_index::clear() noexcept {
    slots_.clear();
    slots_.shrink_to_fit();
    taken_ = 0;
}

void band_index::grow() {
    const auto before = std::exchange(slots_, std::vector<slot>(std::max(fewest_slots, slots_.size() * 3 / 2)));
    for (const auto& one : before)
        if (one.where != nowhere) slots_[slot_of(one.band)] = one;
}

// Those behind that would not be found any more move up (D. Knuth, The Art of Computer Programming 6.4, algorithm R).
void band_index::close_gap(std::size_t gap) noexcept {
    for (auto at = next(gap); slots_[at].where != nowhere; at = next(at)) {
        const auto home = home_of(slots_[at].band);
        const bool reached = gap <= at ? gap < home && home <= at : gap < home || home <= at;
        if (reached) continue; // from its home on nothing is empty
        slots_[gap] = slots_[at];
        gap = at;
    }
    slots_[gap] = {};
    --taken_;
}

} // namespace postsluice::state
