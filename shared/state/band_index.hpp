// SPDX-License-Identifier: Apache-2.0
// Which place a band leads to: a hash table in memory, for campaigns.hpp. Not for several threads at a time.
//
// Open addressing, eight octets a slot, at most three quarters of the slots taken. A band is known by 32 bits of its
// hash, from which also follows where it is looked for; two bands that agree in them share one entry, and whoever is
// sent to a wrong place sees it there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace postsluice::state {

class band_index {
public:
    using place = std::uint32_t;
    static constexpr place nowhere = ~place{0};

    [[nodiscard]] place find(std::uint32_t band) const noexcept;
    /// From now on `band` leads to `where`; `nowhere` takes it out. Returns where it led before. Throws std::bad_alloc,
    /// and is then as it was; never where it only changes or takes out what is there.
    place lead(std::uint32_t band, place where);
    [[nodiscard]] std::size_t size() const noexcept { return taken_; }
    void clear() noexcept;

private:
    struct slot {
        std::uint32_t band = 0;
        place where = nowhere;
    };
    [[nodiscard]] std::size_t home_of(std::uint32_t band) const noexcept;
    [[nodiscard]] std::size_t next(std::size_t at) const noexcept { return at + 1 == slots_.size() ? 0 : at + 1; }
    /// Its slot, or the empty one where it would go. There are slots.
    [[nodiscard]] std::size_t slot_of(std::uint32_t band) const noexcept;
    void grow();
    void close_gap(std::size_t gap) noexcept;

    std::vector<slot> slots_; ///< none, or at least one of them empty
    std::size_t taken_ = 0;
};

} // namespace postsluice::state
