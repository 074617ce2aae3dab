// SPDX-License-Identifier: Apache-2.0
// Why something was decided: a closed enum, generated from reason.def, with one documented sentence each.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string_view>

namespace postsluice {

enum class reason : std::uint8_t {
#define POSTSLUICE_REASON(name, text) name,
#include "shared/core/reason.def"
#undef POSTSLUICE_REASON
};

/// The name as it stands in logs and JSON: "from-forbidden".
[[nodiscard]] std::string_view to_string(reason r) noexcept;
/// The documented sentence.
[[nodiscard]] std::string_view sentence(reason r) noexcept;
[[nodiscard]] std::optional<reason> parse_reason(std::string_view name) noexcept;
[[nodiscard]] std::span<const reason> all_reasons() noexcept;
std::ostream& operator<<(std::ostream& out, reason r);

} // namespace postsluice
