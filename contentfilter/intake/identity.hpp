// SPDX-License-Identifier: Apache-2.0
// Who sent a message. Decided by, in this order:
//  1. a ticket whose seal is valid and whose queue ID is the XFORWARD IDENT of this transaction, wherever it stands in
//  the header
//     (`postsuper -r` puts a Received above it). Of several the first such; a forged one, or a true one of another
//     message, is nothing. Before the queue there is no queue ID on either side: believed is what stands above the
//     first Received, which is smtpd's, and only a ticket that names no queue ID. By pipe a ticket of another queue ID
//     counts too (`postsuper -r` gave a new one) where the login and the client that pipe(8) knows are the ticket's
//     account's.
//  2. where no ticket decides: the Received field that pickup wrote when a local user handed the mail in, on a
//     connection from this machine, and where Postfix knows of no client that sent it over the network
//     (local_mail.hpp). The mail owner's uid is nobody's: `postsuper -r` put that field on top. Everything a sender
//     writes stands below.
//  3. nobody: account "-", profile "default". What then happens is the option no_ticket.
// Never does a header that a sender could write decide. Reads the ticket keys; otherwise pure.
#pragma once

#include "contentfilter/intake/message.hpp"

#include <sys/types.h>

namespace postsluice::contentfilter {

struct identity_facts {
    const config::settings& settings;
    account::ticket_ring& tickets;
    std::optional<uid_t> mail_owner; ///< uid of Postfix's mail_owner
    bool local_peer = true;          ///< the connection comes from this machine
    way in = way::after_queue;
};

[[nodiscard]] sender_identity identify_sender(const header_block& header, const smtp::envelope& envelope,
                                              const identity_facts& facts);
/// The sender of a message that was identified before (quarantine), or is asked about (`message test`). `login` as in
/// account::identity_of().
[[nodiscard]] sender_identity sender_of(const config::settings& settings, const std::string& account,
                                        std::optional<std::string_view> login = std::nullopt);

/// Does Postfix know of a client that sent it over the network?
[[nodiscard]] bool came_over_the_network(const smtp::envelope& envelope);

/// The queue ID that Postfix gave the message: XFORWARD IDENT; "-" where there is none.
[[nodiscard]] std::string queue_id_of(const smtp::envelope& envelope);
[[nodiscard]] std::string_view to_string(sender_identity::proof by) noexcept; ///< "ticket", "uid", "none"

} // namespace postsluice::contentfilter
