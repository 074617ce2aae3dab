// SPDX-License-Identifier: Apache-2.0
// Mail that a local user handed in by sendmail(1). Of it lmtp(8) and smtp(8) say neither a client nor a queue ID
// (IDENT); both stand in the Received field that pickup(8) wrote on top. That is believed on a connection from this
// machine, behind the queue, and where Postfix knows of no client: whatever a sender wrote then stands below a field of
// Postfix's. Pure.
#pragma once

#include "contentfilter/intake/identity.hpp"
#include "contentfilter/intake/received.hpp"

namespace postsluice::contentfilter {

/// find_pickup(), where the message may be a local user's at all.
[[nodiscard]] std::optional<pickup_trace> pickup_of(const header_block& header, const smtp::envelope& envelope,
                                                    const identity_facts& facts);

/// Gives local mail that came without a queue ID the one that it had the first time, so that its slices and tries are
/// one message. The next hop is told it as IDENT: with that it comes again where it is queued again behind us. To be
/// called once the sender is known: no ticket is believed by a queue ID that stands in a header.
void name_local_mail(message& what, const identity_facts& facts);

} // namespace postsluice::contentfilter
