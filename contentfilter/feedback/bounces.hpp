// SPDX-License-Identifier: Apache-2.0
// Delivery feedback: Postfix's notices of bounces come in by contentfilter.listen_bounces (docs/delivery-feedback.md).
// A recipient that failed for good as one that does not exist is an invalid recipient of the account that sent the
// message; policyd counts it, as those that it refuses itself. The notice is taken (250) once policyd has counted, or
// where there is nothing to count; it waits in Postfix's queue (451) where policyd or the state cannot be asked. So
// nothing waits here, and nothing is lost by a stop. Who sent the message is what we know of its queue ID, and nothing
// that the notice says: a bounce can be counted only against the account whose mail bounced. Any thread.
#pragma once

#include "contentfilter/counters.hpp"
#include "contentfilter/feedback/bounce_report.hpp"
#include "shared/smtp/reply.hpp"
#include "shared/state/handovers.hpp"

#include <boost/asio/awaitable.hpp>

namespace postsluice::contentfilter::feedback {

class bounces {
public:
    bounces(state::handovers& known, counters& counts)
        : known_{known}
        , counts_{counts} {}

    /// What to say to the notice.
    boost::asio::awaitable<smtp::reply> take(message_ptr notice);

private:
    state::handovers& known_;
    counters& counts_;
};

} // namespace postsluice::contentfilter::feedback
