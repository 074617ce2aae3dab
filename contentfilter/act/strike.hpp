// SPDX-License-Identifier: Apache-2.0
// What a strike and an event are made of. The strike's digest says when two proofs are one: same subject, body and
// recipients. It leaves the rest of the header out (Date, Message-ID, Received), so that an honest user who sends a
// refused mail once more has one strike, while a campaign to many recipients has one for each message. Wrong where
// somebody sends to the same people twice on purpose, which harms nobody.
#pragma once

#include "contentfilter/intake/message.hpp"
#include "contentfilter/verdict.hpp"
#include "shared/core/strike.hpp"
#include "shared/state/event_log.hpp"

namespace postsluice::contentfilter::act {

/// SHA-256, hex. Reads the body once. Fails where the spool cannot be read.
[[nodiscard]] result<std::string> proof_digest(const message& what);
/// "SYMBOL(3.5) evidence", printable, as it stands in events, quarantine and log.
[[nodiscard]] std::vector<std::string> describe_findings(const std::vector<finding>& findings);
[[nodiscard]] state::verdict_event make_event(const message& what, const verdict& v, verdict_kind done, reason why,
                                              std::string reference, instant now);

} // namespace postsluice::contentfilter::act
