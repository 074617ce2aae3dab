// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/intake/local_mail.hpp"

namespace postsluice::contentfilter {

std::optional<pickup_trace> pickup_of(const header_block& header, const smtp::envelope& envelope,
                                      const identity_facts& facts) {
    if (!facts.local_peer || facts.in == way::before_queue || came_over_the_network(envelope)) return std::nullopt;
    return find_pickup(header, facts.mail_owner);
}

void name_local_mail(message& what, const identity_facts& facts) {
    if (what.queue_id != "-") return;
    const auto local = pickup_of(what.header, what.envelope, facts);
    if (!local) return;
    what.queue_id = local->queue_id;
    what.envelope.xforward["IDENT"] = local->queue_id;
}

} // namespace postsluice::contentfilter
