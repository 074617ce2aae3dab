// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/intake/identity.hpp"

#include "contentfilter/intake/received.hpp"
#include "shared/core/text.hpp"

namespace postsluice::contentfilter {

namespace {

/// What no Postfix of ours writes more often, and a sender might: unsealing costs.
constexpr std::size_t most_tickets = 20;

bool came_over_the_network(const smtp::envelope& envelope) {
    const auto known = [&](const char* name) {
        const auto at = envelope.xforward.find(name);
        return at != envelope.xforward.end() && !at->second.empty();
    };
    return known("ADDR") || known("NAME");
}

std::optional<account::ticket> find_ticket(const header_block& header, const std::string& queue_id,
                                           account::ticket_ring& ring) {
    if (queue_id == "-") return std::nullopt;
    std::size_t looked_at = 0;
    for (const auto* field : header.all(account::ticket_header)) {
        if (++looked_at > most_tickets) break;
        auto opened = ring.unseal(field->unfolded());
        if (opened && opened->queue_id == queue_id && !opened->account.empty()) return std::move(*opened);
    }
    return std::nullopt;
}

} // namespace

std::string queue_id_of(const smtp::envelope& envelope) {
    const auto at = envelope.xforward.find("IDENT");
    return at == envelope.xforward.end() || at->second.empty() ? "-" : at->second;
}

std::string_view to_string(sender_identity::proof by) noexcept {
    switch (by) {
    case sender_identity::proof::ticket:
        return "ticket";
    case sender_identity::proof::uid:
        return "uid";
    case sender_identity::proof::none:
        return "none";
    }
    return "none";
}

sender_identity sender_of(const config::settings& settings, const std::string& account,
                          std::optional<std::string_view> login) {
    sender_identity out;
    out.account = account.empty() ? "-" : account;
    if (out.account == "-") {
        out.who.account = out.account;
        out.profile = settings.profiles.at("default");
        return out;
    }
    out.who = account::identity_of(settings, out.account, login);
    out.profile = account::select_profile(settings, out.who);
    return out;
}

sender_identity identify_sender(const header_block& header, const smtp::envelope& envelope,
                                const identity_facts& facts) {
    if (auto ticket = find_ticket(header, queue_id_of(envelope), facts.tickets)) {
        auto out = sender_of(facts.settings, ticket->account, ticket->login);
        out.by = sender_identity::proof::ticket;
        out.ticket = std::move(ticket);
        return out;
    }
    const auto uid = facts.local_peer && !came_over_the_network(envelope) ? pickup_uid(header) : std::nullopt;
    if (uid && uid != facts.mail_owner) {
        account::client_facts client{};
        client.local_uid = *uid;
        if (const auto who = account::identify(facts.settings, client)) {
            sender_identity out;
            out.account = who->account;
            out.by = sender_identity::proof::uid;
            out.who = *who;
            out.profile = account::select_profile(facts.settings, *who);
            return out;
        }
    }
    return sender_of(facts.settings, "-");
}

} // namespace postsluice::contentfilter
