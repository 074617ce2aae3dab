// SPDX-License-Identifier: Apache-2.0
// A received message: envelope, spool, raw header fields, who sent it. Built by the session, read-only for checks and
// acts. The header fields are the raw ones in order (folding kept, no final CRLF); the MIME tree (mime/tree) is built
// from the spool on demand.
#pragma once

#include "contentfilter/intake/spool.hpp"
#include "contentfilter/intake/way.hpp"
#include "shared/account/identify.hpp"
#include "shared/account/ticket.hpp"
#include "shared/config/settings.hpp"
#include "shared/smtp/envelope.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::contentfilter {

struct header_field {
    std::string raw;                              ///< "Subject: =?utf-8?..." with folds, without final CRLF
    [[nodiscard]] std::string_view name() const;  ///< as written, without trailing blanks
    [[nodiscard]] std::string_view value() const; ///< after the colon, as written
    [[nodiscard]] std::string unfolded() const;   ///< value, folds to one blank, trimmed
};

struct header_block {
    std::vector<header_field> fields;
    std::uint64_t body_offset = 0; ///< in the spool, after the empty line (or size() where there is no body)
    bool truncated = false;        ///< more or longer fields than allowed: the rest counts as body
    [[nodiscard]] const header_field* find(std::string_view name) const; ///< first of that name
    [[nodiscard]] std::vector<const header_field*> all(std::string_view name) const;
};
/// Parses the header of `from`; at most max_header octets and max_header_count fields. A line that is neither a field
/// nor a continuation ends the header and is the first line of the body, as in Postfix (cleanup_message.c); a line ends
/// with LF, with or without CR before it. Fails only where the spool cannot be read.
[[nodiscard]] result<header_block> parse_header(const spool& from, const config::filter_settings& bounds);
/// The same for a text that is all there is (an embedded message's header, a part's header); body_offset counts within
/// it.
[[nodiscard]] header_block parse_header_text(std::string_view text, std::size_t max_octets, std::size_t max_fields);
/// Is this a line that begins a header field: printable ASCII, optional blanks, a colon (RFC 5322 sections 2.2, 4.5)?
/// A name over 997 octets is none: whoever sends it on breaks the line in it.
[[nodiscard]] bool is_field_line(std::string_view line) noexcept;

struct sender_identity {
    std::string account; ///< "-" where unknown
    enum class proof { ticket, uid, none } by = proof::none;
    std::optional<account::ticket> ticket;
    std::string sealed; ///< the ticket as it came
    account::identity who;
    std::shared_ptr<const config::profile> profile;
};

/// [[settings]] that a message matched (matched_settings.hpp).
struct matched_settings {
    std::string name;
    bool only_stricter = false; ///< what of them would loosen does not hold
};

class message_notes;
/// In message.cpp: its contents are for those who include message_notes.hpp.
[[nodiscard]] std::shared_ptr<message_notes> new_notes();

struct message {
    config::settings_ptr settings;
    way in = way::after_queue;
    smtp::envelope envelope;
    std::shared_ptr<const spool> content;
    header_block header;
    sender_identity sender;
    std::vector<matched_settings> matched;                  ///< they are in force in sender.profile, and in
    std::map<std::string, config::symbol_setting> at_least; ///< what single symbols come to, whatever the profile says
    std::shared_ptr<message_notes> notes = new_notes();     ///< what checks leave for the pipeline
    std::string digest;                                     ///< SHA-256 of the content, hex
    std::string queue_id; ///< XFORWARD IDENT, or pickup's (local_mail.hpp), or "-"; before the queue always "-"
    std::size_t boundary_lines = 0; ///< lines that may be boundaries: at least as many as parts. A diff has as many:
                                    ///< the tree counts parts itself
};
using message_ptr = std::shared_ptr<const message>;

} // namespace postsluice::contentfilter
