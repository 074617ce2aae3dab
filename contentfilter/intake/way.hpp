// SPDX-License-Identifier: Apache-2.0
// How a message came in. It decides what is believed about its sender, how long we have for it, and what a refusal is:
// after the queue a bounce of Postfix's, before it a 5xx in the client's own session. Each listener has one way.
#pragma once

#include <cstdint>

namespace postsluice::contentfilter {

enum class way : std::uint8_t {
    after_queue,  ///< `listen`: lmtp(8) or smtp(8) as a content_filter
    before_queue, ///< `listen_before_queue`: smtpd(8) with smtpd_proxy_filter; there is no queue ID yet
    pipe,         ///< `listen_pipe`: postsluice-pipe, with pipe(8)'s macros as XFORWARD attributes
    bounces,      ///< `listen_bounces`: lmtp(8) with notices of bounces; no mail that goes on
};

} // namespace postsluice::contentfilter
