// SPDX-License-Identifier: Apache-2.0
// The limit language: "<N|unlimited> <unit> per [K] <minute|hour|day>" and the trigger language "N kind [in DURATION]".
// "per" and "in" are alike. Errors say what is wrong and suggest the nearest word.
#pragma once

#include "shared/core/limit.hpp"
#include "shared/core/lock_machine.hpp"
#include "shared/core/result.hpp"

namespace postsluice::config {

[[nodiscard]] result<limit> parse_limit(std::string_view text);
[[nodiscard]] result<lock_trigger> parse_trigger(std::string_view text);

} // namespace postsluice::config
