// SPDX-License-Identifier: Apache-2.0
// New private keys for DKIM (RFC 6376 section 3.3, RFC 8463). Any thread; RSA takes a moment.
#pragma once

#include "shared/auth/dkim.hpp"

namespace postsluice::auth {

/// PEM (PKCS#8). `bits` is RSA's.
[[nodiscard]] result<std::string> generate_key(algorithm kind, unsigned bits = 2048);

} // namespace postsluice::auth
