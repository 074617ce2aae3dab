// SPDX-License-Identifier: Apache-2.0
// The objects of the control protocol's answers (the table is in control_verbs.hpp), made from ours. Pure. All text
// that came from a client passes printable(): a control answer is valid UTF-8 whatever a recipient's name was.
#pragma once

#include "policyd/pipeline.hpp"

#include <nlohmann/json.hpp>

namespace postsluice::policyd::control_json {

using nlohmann::json;

[[nodiscard]] json time_or_null(instant t);
[[nodiscard]] json use(const limit_use& of, instant now);
[[nodiscard]] json uses(const std::vector<limit_use>& all, instant now);
[[nodiscard]] json limit_object(const limit& of);
[[nodiscard]] json lock(std::string_view account, const lock_state& of, instant now);
[[nodiscard]] json event(const lock_event& of);
[[nodiscard]] json strike_object(const strike& of);
[[nodiscard]] json refusal(const state::refusal_event& of);
[[nodiscard]] json from_rule(const config::from_rule& of, std::string_view allowed);
[[nodiscard]] json profile(const config::profile& of);
[[nodiscard]] json totals(const account_total* of); ///< null: nothing is known
[[nodiscard]] json requests(const counters& of);
[[nodiscard]] json decisions(const counters& of);
[[nodiscard]] json observed(const counters& of);
[[nodiscard]] json hooks(const hook_table& of);
[[nodiscard]] std::string_view accounting_name(config::accounting_mode mode) noexcept;

} // namespace postsluice::policyd::control_json
