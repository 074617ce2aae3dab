// SPDX-License-Identifier: Apache-2.0
// What an SPF check says.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace postsluice::auth {

/// RFC 7208 section 2.6, in the order of the helper's protocol.
enum class spf_result : std::uint8_t { none, neutral, pass, fail, softfail, temperror, permerror };
[[nodiscard]] std::string_view to_string(spf_result what) noexcept;
std::ostream& operator<<(std::ostream& out, spf_result what);

} // namespace postsluice::auth
