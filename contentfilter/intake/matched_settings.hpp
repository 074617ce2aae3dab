// SPDX-License-Identifier: Apache-2.0
// [[settings]]: what holds for one message instead of what its account's profile says. Pure.
//
// Of the entries whose conditions hold, one applies: that of the highest priority, as in Rspamd. It may loosen and
// tighten, for it is known by facts that a sender cannot choose: his account, its login's domain, the client's address,
// how he is known, and recipients (the mail goes to them and to nobody else, where all of them are listed).
//
// A header field and an envelope sender are what any sender may write. Entries with such a condition, and with a
// recipient condition that holds for some recipients only, do not take part in that choice, where a sender could put
// another entry out of force: all of them apply, after it, each only as far as it makes the message's lot stricter
// (lower thresholds, higher scores, graver verdicts, checks that run). The exception is an entry that also names whose
// mail is meant (account, login_domain or network): what its header condition loosens is a part of what the operator
// could loosen for that account altogether, so that is for him to say.
#pragma once

#include "contentfilter/intake/message.hpp"

namespace postsluice::contentfilter {

/// Puts in force what matches: `of.sender.profile`, `of.matched` and `of.at_least`. Once, when the sender is known.
void match_settings(message& of);

} // namespace postsluice::contentfilter
