// SPDX-License-Identifier: Apache-2.0
// What a line of on_lock becomes: "exec:/usr/local/bin/disable-login {account}" and a transition -> arguments and
// environment of a program. Pure. The line is divided at blanks first; then {account}, {event}, {state}, {cause},
// {reference}, {until} and {actor} are replaced within its words: what they stand for is never divided again and never
// becomes a word more. docs/locks.md lists them and the environment.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/state/account_store.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postsluice::policyd {

/// The commands of the profile that a subject of locks has (its own for an account, "default" for other scopes) that
/// this event is for, in their order. A command that does not name {event} or {state} is for locks only: it could not
/// tell that an account was unlocked.
[[nodiscard]] std::vector<std::string> hook_commands(const config::settings& settings, std::string_view subject,
                                                     const lock_event& event);
/// Does that profile's on_lock say "notify"?
[[nodiscard]] bool wants_notice(const config::settings& settings, std::string_view subject);

/// errc::malformed where a subject cannot be an argument: control characters, or a '-' where an argument begins with
/// it. Of the other values control characters become '?', and such a '-' becomes '_'.
[[nodiscard]] result<std::vector<std::string>> hook_arguments(std::string_view command, const state::hook_call& what);
/// "NAME=value" each.
[[nodiscard]] std::vector<std::string> hook_environment(const state::hook_call& what);

} // namespace postsluice::policyd
