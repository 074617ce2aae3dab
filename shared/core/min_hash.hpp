// SPDX-License-Identifier: Apache-2.0
// A sketch of a set: of two sketches, the share of values that are equal estimates how much the sets have in common
// (Jaccard: common members by all members). Pure.
//
// One pass (Li, Owen, Zhang 2012): each member's hash chooses one of 64 bins and is kept there if it is the least; bins
// that stay empty borrow from others (Shrivastava 2017), the same ones for every set. So a set of n members costs n
// steps, and not 64 n. The standard error of the estimate is at most sqrt(J (1 - J) / m), where m is the number of bins
// that hold a value of their own: some 28 for 38 members, 63 for 300. What that comes to in wrong matches is measured
// by tests/unit/core/min_hash_test.cpp and stated in docs/checks/fingerprint.md.
//
// For lookups 64 values are 16 bands of 4: two sets of likeness J share at least one band with a probability of
// 1 - (1 - J^4)^16: 99 % at 0.7, 64 % at 0.5, 2 % at 0.2. What shares a band is compared whole.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace postsluice {

using min_hash = std::array<std::uint32_t, 64>;

class min_hash_maker {
public:
    min_hash_maker() noexcept { least_.fill(none); }
    /// `member`: any hash of it; it need not be a good one.
    void add(std::uint64_t member) noexcept;
    /// Absent for the empty set.
    [[nodiscard]] std::optional<min_hash> take() const noexcept;

private:
    static constexpr std::uint64_t none = ~std::uint64_t{0};
    std::array<std::uint64_t, std::tuple_size_v<min_hash>> least_{};
};

/// 0..1.
[[nodiscard]] double likeness(const min_hash& a, const min_hash& b) noexcept;

using min_hash_bands = std::array<std::uint64_t, 16>;
[[nodiscard]] min_hash_bands bands_of(const min_hash& sketch) noexcept;

} // namespace postsluice
