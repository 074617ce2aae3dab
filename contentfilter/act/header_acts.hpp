// SPDX-License-Identifier: Apache-2.0
// Edits that tell more, or less, about who sent a message. Made before it is signed. Pure.
#pragma once

#include "contentfilter/act/edits.hpp"

namespace postsluice::contentfilter::act {

/// `name: pseudonym` on top (nothing where that is empty), and no other field of that name: none that a sender wrote
/// himself, or kept from mail that he got.
void identify(edits& to, const message& what, const std::string& name, const std::string& pseudonym);

/// As the profile's hide_client says, of mail of an account: the one Received field that our own Postfix wrote when its
/// client handed the message in. Behind the queue that is the first one with the message's queue ID, before it the
/// topmost one, which must name our host. Every other Received field stays, so that loops are counted as before.
void hide_client(edits& to, const message& what);

} // namespace postsluice::contentfilter::act
