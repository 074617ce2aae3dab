// SPDX-License-Identifier: Apache-2.0
// What several control verbs answer of accounts (the table is in control_verbs.hpp): made of what the service has, with
// the objects of control_json.hpp.
#pragma once

#include "policyd/service.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace postsluice::policyd {

/// Those locked now; empty where the store cannot be read.
[[nodiscard]] std::vector<state::locked_account> locked_now(const service& s);
/// The lock of an account; null: it has none.
[[nodiscard]] result<nlohmann::json> lock_of(const service& s, const std::string& account);
/// Those seen last, at most `most`; with `locked_too` also those that are locked and were not seen.
[[nodiscard]] result<nlohmann::json> account_rows(const service& s, std::size_t most, bool locked_too);
/// The use of every limit that holds for the account, under its own key and those of its parents.
[[nodiscard]] result<nlohmann::json> uses_of(const service& s, const config::profile& profile,
                                             const account::identity& who);
/// Its limits under keys that only a request has: [{limit..., under: "client address"}].
[[nodiscard]] nlohmann::json counted_elsewhere(const service& s, const config::profile& profile,
                                               const account::identity& who);
[[nodiscard]] nlohmann::json overrides_json(const service& s, const std::string& account);

} // namespace postsluice::policyd
