// SPDX-License-Identifier: Apache-2.0
// Tables that several commands print.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstddef>

namespace postsluice::admin {

class context;

/// An array of USE objects: each limit, its use, and when one more fits.
void print_use(context& ctx, const nlohmann::json& uses, std::size_t indent);

/// A message's EVENT of the content filter: what happened to it, why, and what was found.
void print_event(context& ctx, const nlohmann::json& event);
/// "Findings" with one a line; nothing where there are none.
void print_findings(context& ctx, const nlohmann::json& findings);

/// The limits that an operator set for the account of `answer`: which, until when, by whom and why; nothing where there
/// are none.
void print_overrides(context& ctx, const nlohmann::json& answer);

} // namespace postsluice::admin
