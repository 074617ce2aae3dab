// SPDX-License-Identifier: Apache-2.0
// Names of the Internet, by the public suffix list (the system's, or the one that is built into libpsl). Pure; any
// thread; the list is read once.
#pragma once

#include <string_view>

namespace postsluice::auth {

/// Could somebody have registered it: does it end in a top-level domain of the list's ICANN part, and is it more than a
/// suffix under which domains are registered? Lower case, A-labels.
[[nodiscard]] bool is_registrable(std::string_view host);

} // namespace postsluice::auth
