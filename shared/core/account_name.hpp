// SPDX-License-Identifier: Apache-2.0
// Names that an account cannot have, because they mean something else already: the keys of the other scopes
// (account/scopes.hpp) and of senders that no [[account]] names (account/identify.hpp). The configuration refuses them
// for an [[account]] and a [[customer]]; a login that reads like one becomes "login:NAME".
#pragma once

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace postsluice {

inline constexpr std::string_view login_prefix = "login:", uid_prefix = "uid:";
inline constexpr std::array reserved_name_prefixes = {login_prefix,
                                                      uid_prefix,
                                                      std::string_view{"cert:"},
                                                      std::string_view{"account:"},
                                                      std::string_view{"domain:"},
                                                      std::string_view{"customer:"},
                                                      std::string_view{"client:"},
                                                      std::string_view{"network:"},
                                                      std::string_view{"sender:"},
                                                      std::string_view{"sender-domain:"},
                                                      std::string_view{"server:"}};
/// What a ticket says of a client that is no account.
inline constexpr std::string_view no_account = "-";

/// In any case: "Domain:x" too.
[[nodiscard]] inline bool is_reserved_name(std::string_view name) noexcept {
    return name == no_account || std::any_of(reserved_name_prefixes.begin(), reserved_name_prefixes.end(),
                                             [name](std::string_view prefix) { return istarts_with(name, prefix); });
}

} // namespace postsluice
