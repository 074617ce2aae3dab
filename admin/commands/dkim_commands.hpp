// SPDX-License-Identifier: Apache-2.0
// The commands of `postsluice dkim` that are more than a question to the filter, and what they share.
#pragma once

#include "admin/command.hpp"
#include "admin/context.hpp"
#include "admin/key_files.hpp"

namespace postsluice::admin {

int dkim_keygen(context& ctx, const arguments& given);
int dkim_rotate(context& ctx, const arguments& given);

/// Whether the argument is a domain, in lower case; `wildcard`: "*.DOMAIN" also is.
[[nodiscard]] bool is_domain_argument(std::string_view domain, bool wildcard);
/// Where and how keys are made, from the configuration, DOMAIN and --owner. Absent: it was told, and `exit` says how.
[[nodiscard]] std::optional<key_order> key_order_of(context& ctx, const arguments& given, int& exit);
/// "rsa202611": the kind and the month.
[[nodiscard]] std::string usual_selector(const context& ctx, auth::algorithm kind);
/// Both forms of what the DNS is to publish, of an object with "name", "value" and "zone".
void print_dkim_record(context& ctx, const nlohmann::json& record);

} // namespace postsluice::admin
