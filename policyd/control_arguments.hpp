// SPDX-License-Identifier: Apache-2.0
// The arguments of control verbs (the table is in control_verbs.hpp), read from requests. errc::malformed says which
// one is missing or wrong.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/control/control.hpp"
#include "shared/core/result.hpp"

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>

namespace postsluice::policyd {

using arguments = std::shared_ptr<const nlohmann::json>;
using answer = boost::asio::awaitable<result<nlohmann::json>>;

/// At most 1024 octets; empty where it is missing and not required.
[[nodiscard]] result<std::string> text_argument(const nlohmann::json& from, const char* key, bool required);
/// At most 10,000.
[[nodiscard]] std::size_t number_argument(const nlohmann::json& from, const char* key, std::size_t otherwise);
/// "account", as a person names it: any case, and without the domain where default_domain supplies it.
[[nodiscard]] result<std::string> account_argument(const config::settings& settings, const nlohmann::json& from,
                                                   bool required);
/// "account", as what can be locked: an account, or another scope ("domain:example.org").
[[nodiscard]] result<std::string> subject_argument(const config::settings& settings, const nlohmann::json& from);
/// "for": how long an operator locks or limits, ten years at most; zero where it is not given.
[[nodiscard]] result<seconds> duration_argument(const nlohmann::json& from);

} // namespace postsluice::policyd
