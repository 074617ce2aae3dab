// SPDX-License-Identifier: Apache-2.0
// What MIME header fields mean (RFC 2045, 2047, 2183, 2231; RFC 5322 addresses), read by GMime 3 in its liberal mode.
// This folder is the only one that knows GMime. All functions are pure and may be called from many threads; GMime is
// initialised by the first call. What GMime handles in more than linear time or by recursion is bounded before it sees
// it: errc::too_large.
#pragma once

#include "contentfilter/intake/message.hpp"
#include "shared/core/result.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::contentfilter::mime {

enum class transfer_encoding : std::uint8_t { identity, base64, quoted_printable, uuencode };

/// What the header of one part says about its content.
struct content_fields {
    std::string type;        ///< "text/plain", lower case; the default type where there is none or it cannot be read
    std::string charset;     ///< as declared, may be empty
    std::string boundary;    ///< of a multipart, may be empty
    std::string disposition; ///< "attachment", lower case, may be empty
    std::vector<std::string> names; ///< every file name that any reader might see, UTF-8, distinct
    transfer_encoding encoding = transfer_encoding::identity;
};
[[nodiscard]] result<content_fields> read_content_fields(std::span<const header_field> header,
                                                         std::string_view default_type);

/// Encoded words decoded (RFC 2047), raw 8-bit made UTF-8; folds to one blank.
[[nodiscard]] std::string decode_text(std::string_view raw);

/// A Date field (RFC 5322 section 3.3 and 4.3); nullopt where it is none.
[[nodiscard]] std::optional<std::chrono::system_clock::time_point> parse_date(std::string_view value);

struct mailbox {
    std::string display; ///< decoded
    std::string address; ///< "local@domain" as written, quotes kept
    bool operator==(const mailbox&) const = default;
};
/// All mailboxes of an address list, members of groups among them. errc::malformed where the value is not empty and
/// holds no mailbox.
[[nodiscard]] result<std::vector<mailbox>> parse_mailboxes(std::string_view value);

} // namespace postsluice::contentfilter::mime
