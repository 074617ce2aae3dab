// SPDX-License-Identifier: Apache-2.0
#include "shared/core/min_hash.hpp"

#include <algorithm>

namespace postsluice {

namespace {

constexpr std::size_t bins = std::tuple_size_v<min_hash>;
constexpr std::size_t rows = bins / std::tuple_size_v<min_hash_bands>;

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014).
constexpr std::uint64_t mixed(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111eb;
    return x ^ (x >> 31U);
}

} // namespace

void min_hash_maker::add(std::uint64_t member) noexcept {
    const auto hash = mixed(member);
    auto& least = least_[hash % bins];
    least = std::min(least, hash / bins);
}

std::optional<min_hash> min_hash_maker::take() const noexcept {
    const auto empty = [](std::uint64_t value) { return value == none; };
    if (std::all_of(least_.begin(), least_.end(), empty)) return std::nullopt;
    min_hash out{};
    for (std::size_t bin = 0; bin < bins; ++bin) {
        auto from = bin;
        for (std::uint64_t attempt = 1; empty(least_[from]); ++attempt)
            from = mixed(bin << 32U | attempt) % bins;
        out[bin] = static_cast<std::uint32_t>(mixed(least_[from]));
    }
    return out;
}

double likeness(const min_hash& a, const min_hash& b) noexcept {
    std::size_t equal = 0;
    for (std::size_t i = 0; i < bins; ++i)
        equal += a[i] == b[i] ? 1U : 0U;
    return static_cast<double>(equal) / static_cast<double>(bins);
}

min_hash_bands bands_of(const min_hash& sketch) noexcept {
    min_hash_bands out{};
    for (std::size_t band = 0; band < out.size(); ++band) {
        std::uint64_t sum = band;
        for (std::size_t row = 0; row < rows; ++row)
            sum = mixed(sum ^ sketch[band * rows + row]);
        out[band] = sum;
    }
    return out;
}

} // namespace postsluice
