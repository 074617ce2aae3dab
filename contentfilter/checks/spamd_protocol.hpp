// SPDX-License-Identifier: Apache-2.0
// The protocol of SpamAssassin's spamd (spamd/PROTOCOL), version 1.5: the head of a REPORT request, and its response.
// The report is a text for people, whose table (points, rule, description) has been the same since version 2.6; where a
// site has another report template, the sum alone is taken over. Pure.
#pragma once

#include "contentfilter/checks/foreign_symbols.hpp"
#include "shared/core/result.hpp"

namespace postsluice::contentfilter::spamd {

inline constexpr std::size_t max_response = 1U << 20U;

/// `user`: empty: none is named.
[[nodiscard]] std::string request_head(std::uint64_t size, const std::string& user);
/// The whole response, up to the end of the stream. errc::protocol with what spamd said.
[[nodiscard]] result<foreign_answer> parse_response(std::string_view text, std::size_t max_symbols);

} // namespace postsluice::contentfilter::spamd
