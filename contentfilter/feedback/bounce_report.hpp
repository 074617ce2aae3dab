// SPDX-License-Identifier: Apache-2.0
// What Postfix's notice of a bounce says (postconf(5), notify_classes = bounce): a multipart/report whose
// message/delivery-status (RFC 3464) names the queue ID of what bounced and, of each recipient, the status (RFC 3463).
// Nothing else of the notice is looked at. Only Postfix's own notices count: what came to it from anywhere has a
// Received field of smtpd's ("from ...") or of pickup's ("from userid") at the top, where no sender can write.
#pragma once

#include "contentfilter/intake/message.hpp"

namespace postsluice::contentfilter::feedback {

struct bounce_report {
    std::string queue_id;             ///< of the message that bounced
    std::vector<std::string> invalid; ///< recipients, as they were written, that failed with one of the statuses
    std::size_t failed = 0;           ///< recipients that failed, with whatever status
};

/// `statuses`: as in contentfilter.bounce_statuses. At most contentfilter.max_recipients are read. errc::denied: not
/// Postfix's own; errc::malformed: no such notice; errc::too_large: beyond what is looked at of a message.
[[nodiscard]] result<bounce_report> read_bounce_report(const message& notice, const std::vector<std::string>& statuses);

/// The same of the delivery status alone.
[[nodiscard]] result<bounce_report>
read_delivery_status(std::string_view text, const std::vector<std::string>& statuses, std::size_t most_recipients);

} // namespace postsluice::contentfilter::feedback
