// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/header_acts.hpp"

#include "shared/core/text.hpp"

#include <algorithm>

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

bool is_ours(std::string_view by, const message& what) {
    if (what.queue_id != "-") return queue_id_in(by) == what.queue_id;
    return what.in == way::before_queue && istarts_with(by, "by " + what.settings->hostname + " (");
}

} // namespace

void hide_client(edits& to, const message& what) {
    if (!what.sender.profile || what.sender.account == "-") return;
    const auto how = what.sender.profile->hide_client;
    if (how == config::client_trace::keep) return;
    const auto& fields = what.header.fields;
    const auto top =
        std::find_if(fields.begin(), fields.end(), [](const header_field& f) { return iequals(f.name(), "Received"); });
    if (top == fields.end()) return;
    const auto clause = own_clause_of(top->raw);
    if (!clause || !is_ours(clause->by, what)) return;
    const auto index = static_cast<std::size_t>(top - fields.begin());
    if (how == config::client_trace::remove)
        to.remove.insert(index);
    else
        to.replace[index] = "Received: " + std::string{clause->by} + ";\r\n\t" + std::string{trim(clause->date)};
}

} // namespace postsluice::contentfilter::act
