// SPDX-License-Identifier: Apache-2.0
// Why a message leaves without a signature of ours: a closed list, in unsigned.def. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace postsluice::contentfilter::act {

enum class unsigned_reason : std::uint8_t {
    none, ///< it is signed
#define POSTSLUICE_UNSIGNED(name, sentence) name,
#include "contentfilter/act/unsigned.def"
#undef POSTSLUICE_UNSIGNED
};
/// "signed", or the reason's name with dashes.
[[nodiscard]] std::string_view to_string(unsigned_reason r) noexcept;
[[nodiscard]] std::string_view sentence(unsigned_reason r) noexcept;            ///< empty for none
[[nodiscard]] std::span<const unsigned_reason> all_unsigned_reasons() noexcept; ///< but none

} // namespace postsluice::contentfilter::act
