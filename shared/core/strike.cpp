// SPDX-License-Identifier: Apache-2.0
#include "shared/core/strike.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <ostream>
#include <utility>

namespace postsluice {
namespace {

constexpr std::array names{
    std::pair{strike_kind::spam, std::string_view{"spam"}},
    std::pair{strike_kind::phish, std::string_view{"phish"}},
    std::pair{strike_kind::virus, std::string_view{"virus"}},
    std::pair{strike_kind::limit, std::string_view{"limit"}},
    std::pair{strike_kind::manual, std::string_view{"manual"}},
    std::pair{strike_kind::invalid_recipients, std::string_view{"invalid recipients"}},
    std::pair{strike_kind::stolen_password, std::string_view{"stolen password"}},
    std::pair{strike_kind::complaint, std::string_view{"complaint"}},
};

// By the elder's age: the coarser grain of the two. Grains nest, since each size divides the next: what was added up
// stays in one grain as it grows older.
bool in_one_grain(instant elder, instant younger, instant now) noexcept {
    const auto age = std::max<seconds::rep>(std::chrono::duration_cast<seconds>(now - elder).count() / 16, 1);
    const auto size = static_cast<seconds::rep>(std::bit_floor(static_cast<std::uint64_t>(age)));
    const auto grain = [size](instant t) { return std::chrono::floor<seconds>(t).time_since_epoch().count() / size; };
    return grain(elder) == grain(younger);
}

bool adds_up(const strike& s) noexcept {
    return s.digest.empty() && s.note.empty();
}

std::uint32_t saturating_sum(std::uint32_t a, std::uint32_t b) noexcept {
    const auto sum = std::uint64_t{a} + b;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, std::numeric_limits<std::uint32_t>::max()));
}

} // namespace

std::string_view to_string(strike_kind kind) noexcept {
    for (const auto& [value, name] : names) {
        if (value == kind) return name;
    }
    return "?";
}

std::optional<strike_kind> parse_strike_kind(std::string_view text) noexcept {
    for (const auto& [value, name] : names) {
        if (name == text) return value;
    }
    return std::nullopt;
}

std::ostream& operator<<(std::ostream& out, strike_kind kind) {
    return out << to_string(kind);
}

bool same_proof(const strike& a, const strike& b) noexcept {
    if (a.digest.empty() || a.kind != b.kind || a.digest != b.digest) return false;
    const auto apart = a.at < b.at ? b.at - a.at : a.at - b.at;
    return apart < same_proof_window;
}

void compact_strikes(std::vector<strike>& strikes, instant now, instant counted_from) {
    std::array<strike*, static_cast<std::size_t>(last_strike_kind) + 1>
        latest{}; // of each kind: the younger neighbour, going back in time
    for (auto at = strikes.rbegin(); at != strikes.rend(); ++at) {
        at->at = std::min(at->at, now);
        if (!adds_up(*at)) continue;
        strike*& younger = latest[static_cast<std::size_t>(at->kind)];
        const bool one_slate = younger != nullptr && (at->at <= counted_from) == (younger->at <= counted_from);
        if (one_slate && in_one_grain(at->at, younger->at, now)) {
            younger->weight = saturating_sum(younger->weight, at->weight);
            at->weight = 0;
        } else {
            younger = &*at;
        }
    }
    std::erase_if(strikes, [](const strike& s) { return s.weight == 0; });
}

} // namespace postsluice
