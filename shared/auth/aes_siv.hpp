// SPDX-License-Identifier: Apache-2.0
// AES-SIV (RFC 5297) with one string of associated data: encryption that is deterministic and authenticated. Equal
// plaintexts under one key give equal ciphertexts, and nothing else can be told from them but the length. Any thread.
#pragma once

#include "shared/core/result.hpp"

#include <string>
#include <string_view>

namespace postsluice::auth {

inline constexpr std::size_t aes_siv_key = 32; ///< octets, for AES-128-SIV
inline constexpr std::size_t aes_siv_tag = 16; ///< by so many a ciphertext is longer than its plaintext

/// Tag, then ciphertext. Throws std::runtime_error where OpenSSL cannot.
[[nodiscard]] std::string aes_siv_seal(std::string_view key, std::string_view associated, std::string_view plaintext);
/// errc::denied: not made with this key and data, or changed since.
[[nodiscard]] result<std::string> aes_siv_open(std::string_view key, std::string_view associated,
                                               std::string_view sealed);

} // namespace postsluice::auth
