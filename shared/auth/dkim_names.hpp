// SPDX-License-Identifier: Apache-2.0
// What may name a key: its domain and its selector, which become a DNS name and, in a key directory, a path. Pure.
#pragma once

#include <string_view>

namespace postsluice::auth {

/// Letters, digits, hyphens and underscores between dots (RFC 6376 section 3.1 for selectors, RFC 1035 for domains). So
/// it holds no slash, and is neither "." nor "..".
[[nodiscard]] bool is_dns_name(std::string_view name);

} // namespace postsluice::auth
