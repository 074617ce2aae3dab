// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/intake/identity.hpp"

#include "contentfilter/intake/local_mail.hpp"
#include "shared/core/text.hpp"

namespace postsluice::contentfilter {

namespace {

/// What no Postfix of ours writes more often, and a sender might: unsealing costs.
constexpr std::size_t most_tickets = 20;

/// Does pipe(8) know the sender as the account of the ticket? It keeps login and client with the message, whatever
/// queue ID that has by now.
bool is_senders(const account::ticket& ticket, const smtp::envelope& envelope, const identity_facts& facts) {
    const auto login = envelope.xforward.find("LOGIN");
    const auto client = envelope.xforward.find("ADDR");
    if (login == envelope.xforward.end() || client == envelope.xforward.end()) return false;
    account::client_facts known{};
    known.sasl_username = login->second;
    known.client_address = client->second;
    const auto who = account::identify(facts.settings, known);
    return who && who->account == ticket.account && iequals(client->second, ticket.client);
}

bool belongs(const account::ticket& ticket, const smtp::envelope& envelope, const identity_facts& facts) {
    if (ticket.account.empty()) return false;
    if (facts.in == way::before_queue) return ticket.queue_id == "-";
    const auto queue_id = queue_id_of(envelope);
    if (queue_id != "-" && ticket.queue_id == queue_id) return true;
    return facts.in == way::pipe && is_senders(ticket, envelope, facts);
}

struct found_ticket {
    account::ticket opened;
    std::string sealed;
};

std::optional<found_ticket> find_ticket(const header_block& header, const smtp::envelope& envelope,
                                        const identity_facts& facts) {
    const bool before = facts.in == way::before_queue;
    const auto* end = before ? header.find("Received") : nullptr;
    if (before ? end == nullptr : queue_id_of(envelope) == "-") return std::nullopt;
    std::size_t looked_at = 0;
    for (const auto* field : header.all(account::ticket_header)) {
        if (before && field > end) break; // both lie in header.fields: above is before
        if (++looked_at > most_tickets) break;
        auto sealed = field->unfolded();
        auto opened = facts.tickets.unseal(sealed);
        if (opened && belongs(*opened, envelope, facts)) return found_ticket{std::move(*opened), std::move(sealed)};
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

bool came_over_the_network(const smtp::envelope& envelope) {
    const auto known = [&](const char* name) {
        const auto at = envelope.xforward.find(name);
        return at != envelope.xforward.end() && !at->second.empty();
    };
    return known("ADDR") || known("NAME");
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
    if (auto ticket = find_ticket(header, envelope, facts)) {
        auto out = sender_of(facts.settings, ticket->opened.account, ticket->opened.login);
        out.by = sender_identity::proof::ticket;
        out.ticket = std::move(ticket->opened);
        out.sealed = std::move(ticket->sealed);
        return out;
    }
    const auto local = pickup_of(header, envelope, facts);
    if (local && local->uid != facts.mail_owner) {
        account::client_facts client{};
        client.local_uid = local->uid;
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
