// SPDX-License-Identifier: Apache-2.0
// A mail address in one internal form (RFC 5321 section 4.1.2): the local part unquoted, the domain in lower case.
// Postfix sends policy requests unquoted (`q r@x`) and SMTP quoted (`<"q r"@x>`); both become the same value here, so
// both are the same key. The local part keeps its case in `local`; key() folds it, since no account differs by case
// alone.
#pragma once

#include "shared/core/result.hpp"

#include <string>
#include <string_view>

namespace postsluice {

struct mail_address {
    std::string local;  ///< unquoted
    std::string domain; ///< lower case; empty for the null sender and for unqualified names

    /// Unquoted form, as in policy requests; splits at the last '@'. An empty text is the null sender.
    [[nodiscard]] static mail_address from_internal(std::string_view text);
    /// RFC 5321 form, with or without angle brackets, quoted local part allowed. errc::malformed on broken quoting.
    [[nodiscard]] static result<mail_address> from_smtp(std::string_view text);

    [[nodiscard]] bool is_null() const noexcept { return local.empty() && domain.empty(); }
    /// Lower case, unquoted: "q r@x". Empty for the null sender.
    [[nodiscard]] std::string key() const;
    /// Quoted as RFC 5321 needs it, without angle brackets.
    [[nodiscard]] std::string to_smtp() const;
    bool operator==(const mail_address&) const = default;
};

/// from_internal(internal).key(), written into `out`, whose memory is used again.
void assign_key(std::string& out, std::string_view internal);

} // namespace postsluice
