// SPDX-License-Identifier: Apache-2.0
// What is changed about a message, as data: fields put on top, left out, put in another's place, put at the end of the
// header, and another body. The message itself stays as it came; render.hpp applies the edits while it streams. Pure
// functions make them; a milter or ARC would yield the same. What Postfix would change after the filter is done here,
// before signing, or it would break the signature: missing Date, Message-ID and From added (RFC 6409 section 8), an
// unqualified From qualified, Bcc, Resent-Bcc, Return-Path and Content-Length left out (cleanup's
// message_drop_headers). Tickets never leave, forged ones neither.
#pragma once

#include "contentfilter/intake/message.hpp"
#include "contentfilter/verdict.hpp"
#include "shared/core/clock.hpp"

#include <map>
#include <set>

namespace postsluice::contentfilter::act {

struct edits {
    std::vector<std::string> prepend;           ///< whole fields without final CRLF, on top in this order
    std::set<std::size_t> remove;               ///< indexes into message::header.fields
    std::map<std::size_t, std::string> replace; ///< field at that index -> what stands there instead
    std::vector<std::string> append;            ///< after the last field
    std::shared_ptr<const spool> body;          ///< takes the body's place; null: the message's own
};

/// What every message gets: normalisation, the profile's remove_headers, and `received` (made by make_received()) on
/// top.
[[nodiscard]] edits normalise(const message& what, std::string received, instant now);
/// X-Postsluice-Score and the subject prefix, as the profile says.
void tag(edits& to, const message& what, const verdict& v);
/// `text` as it may stand in an unstructured field: as it is where ASCII, else one encoded word (RFC 2047).
[[nodiscard]] std::string encode_words(std::string_view text);

} // namespace postsluice::contentfilter::act
