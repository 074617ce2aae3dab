// SPDX-License-Identifier: Apache-2.0
// Received fields (RFC 5321 section 4.4): the one we add on every pass, how often it is there already (loops), the one
// that Postfix's pickup(8) writes above mail that a local user handed in by sendmail(1), and what says which queue ID a
// message had before `postsuper -r`. Pure.
#pragma once

#include "contentfilter/intake/message.hpp"
#include "shared/core/clock.hpp"
#include "shared/smtp/server.hpp"

#include <sys/types.h>

namespace postsluice::contentfilter {

/// Date and time as RFC 5322 section 3.3 writes them, in UTC: "Sat, 21 Nov 2026 10:15:30 +0000".
[[nodiscard]] std::string rfc5322_date(instant t);

/// "Received: from HELO\r\n\tby HOSTNAME (Postsluice) with LMTP id ID;\r\n\tDATE", without its final CRLF.
[[nodiscard]] std::string make_received(std::string_view helo, std::string_view hostname, smtp::protocol speaks,
                                        std::string_view id, instant now);
/// How many Received fields `hostname` has written by make_received().
[[nodiscard]] std::size_t count_passes(const header_block& header, std::string_view hostname);

struct pickup_trace {
    uid_t uid = 0;
    std::string queue_id;
};
/// What pickup wrote when it took the message from its user: "Received: by HOST (Postfix, from userid N)\r\n\tid
/// QUEUEID; DATE", exactly. It is the topmost Received field, or stands right below those of the mail owner: pickup
/// writes one of these each time when a message is queued again (`postsuper -r`). Where no user's stands there: the
/// topmost of the mail owner's. What a sender made up stands below a field that our Postfix wrote when it took the
/// message, so a field of any other form ends the search.
[[nodiscard]] std::optional<pickup_trace> find_pickup(const header_block& header, std::optional<uid_t> mail_owner);

/// The queue ID that a message had before Postfix queued it again: on top stand pickup's fields of the mail owner's
/// (`postsuper -r`, once or more often), below them the one that smtpd wrote when it took the message, above whatever a
/// sender wrote: "from ... by HOST (Postfix) with ESMTP id QUEUEID ...". Nothing where it is not so, where pickup took
/// the message in the first place, and where smtpd had no queue ID (smtpd_proxy_filter).
[[nodiscard]] std::optional<std::string> queue_id_before_requeue(const header_block& header, uid_t mail_owner);

} // namespace postsluice::contentfilter
