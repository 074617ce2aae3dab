// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/header_acts.hpp"

#include "shared/core/text.hpp"

namespace postsluice::contentfilter::act {

void identify(edits& to, const message& what, const std::string& name, const std::string& pseudonym) {
    const auto& fields = what.header.fields;
    for (std::size_t i = 0; i < fields.size(); ++i)
        if (iequals(fields[i].name(), name)) to.remove.insert(i);
    if (!pseudonym.empty()) to.prepend.push_back(name + ": " + pseudonym);
}

namespace {

/// What smtpd(8) wrote of itself: "by HOST (Postfix) with ESMTPSA id QUEUEID", and ";" and the date behind it. It
/// stands on a line of its own behind "from ..." and comments; no text of a client reaches such a line, for none holds
/// a line end.
struct own_clause {
    std::string_view by, date;
};
std::optional<own_clause> own_clause_of(std::string_view raw) {
    constexpr std::string_view begin = "\n\tby ";
    const auto from = raw.rfind(begin);
    const auto date = raw.rfind(';');
    if (!istarts_with(raw, "Received: from ") || from == std::string_view::npos || date == std::string_view::npos ||
        date < from)
        return std::nullopt;
    const auto line = raw.substr(from + 2, raw.find_first_of("\r\n;", from + begin.size()) - from - 2);
    return own_clause{line, raw.substr(date + 1)};
}

/// The last word of "by HOST (Postfix) with ESMTPSA id QUEUEID"; empty where it has no such end.
std::string_view queue_id_in(std::string_view by) {
    constexpr std::string_view mark = " id ";
    const auto at = by.rfind(mark);
    return at == std::string_view::npos ? std::string_view{} : by.substr(at + mark.size());
}

/// Written by smtpd(8) for this message: it has its queue ID, or that of then where pipe(8) knows only the one of now.
bool names_message(std::string_view by, const message& what) {
    const auto id = queue_id_in(by);
    return id == what.queue_id ||
           (what.sender.ticket && what.sender.ticket->queue_id != "-" && id == what.sender.ticket->queue_id);
}

/// Written by pickup(8) when it gave the message this queue ID.
bool is_pickups(std::string_view raw, std::string_view queue_id) {
    return istarts_with(raw, "Received: by ") && raw.find(", from userid ") != std::string_view::npos &&
           raw.find("\tid " + std::string{queue_id} + ';') != std::string_view::npos;
}

bool names_host(std::string_view by, const message& what) {
    return istarts_with(by, "by " + what.settings->hostname + " (");
}

struct own_received {
    std::size_t index; ///< into the header's fields
    own_clause clause;
};
/// A message that was queued again (`postsuper -r`) has pickup's field above smtpd's: the first that has the queue ID
/// is taken. Nobody can know that one before it stands there, so no field of a client's has it. Before the queue there
/// is none, and only the topmost field is looked at.
std::optional<own_received> find_own(const message& what) {
    const auto& fields = what.header.fields;
    const bool queued = what.queue_id != "-";
    if (!queued && what.in != way::before_queue) return std::nullopt;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (!iequals(fields[i].name(), "Received")) continue;
        if (queued && !what.sender.ticket && is_pickups(fields[i].raw, what.queue_id))
            break; // a local user's: there is no client
        const auto clause = own_clause_of(fields[i].raw);
        if (clause && (queued ? names_message(clause->by, what) : names_host(clause->by, what)))
            return own_received{i, *clause};
        if (!queued) break;
    }
    return std::nullopt;
}

} // namespace

void hide_client(edits& to, const message& what) {
    if (!what.sender.profile || what.sender.account == "-") return;
    const auto how = what.sender.profile->hide_client;
    if (how == config::client_trace::keep) return;
    const auto own = find_own(what);
    if (!own) return;
    if (how == config::client_trace::remove)
        to.remove.insert(own->index);
    else
        to.replace[own->index] =
            "Received: " + std::string{own->clause.by} + ";\r\n\t" + std::string{trim(own->clause.date)};
}

} // namespace postsluice::contentfilter::act
