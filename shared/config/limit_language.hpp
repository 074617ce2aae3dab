// SPDX-License-Identifier: Apache-2.0
// The limit language, whose grammar stands in core/limit.hpp, and the trigger language "N kind [in DURATION]". "per"
// and "in" are alike, a month is 30 days, a KB 1024 bytes. Errors (errc::malformed) say what is wrong and suggest the
// nearest word. Combinations without a meaning ("3 client addresses per day per client address") are refused with a
// sentence.
#pragma once

#include "shared/core/limit.hpp"
#include "shared/core/lock_machine.hpp"
#include "shared/core/result.hpp"

namespace postsluice::config {

/// More different things than this are not told apart exactly; a limit on a distinct count is not larger.
inline constexpr std::uint64_t max_distinct = 10'000;

[[nodiscard]] result<limit> parse_limit(std::string_view text);
[[nodiscard]] result<lock_trigger> parse_trigger(std::string_view text);

} // namespace postsluice::config
