// SPDX-License-Identifier: Apache-2.0
#include "shared/core/strike.hpp"

#include <array>
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

} // namespace postsluice
