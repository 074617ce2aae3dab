// SPDX-License-Identifier: Apache-2.0
// Random bytes from the kernel, and the references made of them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postsluice {

/// `size` bytes of getrandom(2). Throws std::runtime_error where the kernel refuses.
[[nodiscard]] std::string random_bytes(std::size_t size);

/// A reference: eight letters and digits that people can read out (Crockford's base 32, no I L O U), 40 random bits.
[[nodiscard]] std::string new_reference();
/// Upper case, with I and L read as 1 and O as 0; empty where the text cannot be a reference.
[[nodiscard]] std::string normalise_reference(std::string_view text);

} // namespace postsluice
