// SPDX-License-Identifier: Apache-2.0
// An SPF record by the grammar of RFC 7208 section 12, written anew so that libspf2 reads it as that RFC means it:
// errors anywhere are errors (section 4.6), `redirect` stands last and only where no `all` does (section 6.1), other
// modifiers are gone (nobody fetches explanations), prefixes of length 0, which libspf2 refuses, are said in another
// way where there is one. Pure; linear in the record.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postsluice::auth::spf_helper {

/// The record for a client of that family; nothing where it breaks the grammar, or cannot be said to libspf2.
[[nodiscard]] std::optional<std::string> rewritten(std::string_view record, bool client_is_v6);

} // namespace postsluice::auth::spf_helper
