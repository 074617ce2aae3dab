// SPDX-License-Identifier: Apache-2.0
// from_alignment (headers): does the header From say who really sends?
//   FROM_FORBIDDEN        a mailbox in From that the account may not use by its FROM rule, or a From that cannot be
//   read: reject NO_FROM               no From field, or one without a mailbox MULTIPLE_FROM         several From
//   fields, or several mailboxes without a Sender field (RFC 5322 section 3.6.2) DISPLAY_NAME_ADDRESS  the display name
//   holds another address than the real one
// A message of an unknown account ("-") is not checked: there is nothing to align with.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/mime/fields.hpp"
#include "shared/account/sender_permission.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

finding headers_finding(std::string symbol, double score, std::string evidence) {
    finding f;
    f.symbol = std::move(symbol);
    f.score = score;
    f.group = "headers";
    f.evidence = printable(evidence, 200);
    return f;
}

finding forbidden(std::string evidence) {
    auto f = headers_finding("FROM_FORBIDDEN", 8, std::move(evidence));
    f.action = config::forced_verdict::reject;
    f.why = reason::header_from_forbidden;
    return f;
}

mail_address address_of(const std::string& text) {
    auto parsed = mail_address::from_smtp(text);
    return parsed ? *parsed : mail_address::from_internal(text);
}

/// The first thing in `display` that looks like an address: atoms around an '@', with a dot in the domain.
std::string address_within(std::string_view display) {
    const auto part_of_address = [](char c) {
        return static_cast<unsigned char>(c) > 0x7f || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
               (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_' || c == '+' || c == '=';
    };
    for (auto at = display.find('@'); at != std::string_view::npos; at = display.find('@', at + 1)) {
        auto begin = at, end = at + 1;
        while (begin > 0 && part_of_address(display[begin - 1]))
            --begin;
        while (end < display.size() && part_of_address(display[end]))
            ++end;
        while (end > at + 1 && display[end - 1] == '.')
            --end;
        const auto found = display.substr(begin, end - begin);
        if (begin < at && found.find('.', at - begin) != std::string_view::npos) return to_lower(found);
    }
    return {};
}

bool has(const std::vector<finding>& found, std::string_view symbol) {
    return std::any_of(found.begin(), found.end(), [&](const auto& f) { return f.symbol == symbol; });
}

/// A map that cannot be asked is this check's temporary error.
boost::asio::awaitable<bool> may_use(check_context context, mail_address address) {
    if (address.is_null()) co_return false;
    const auto& sender = context.message->sender;
    auto* maps = context.resources ? context.resources->maps.get() : nullptr;
    const account::sender_question ask{*context.message->settings, *sender.profile, sender.who, maps};
    result<bool> allowed = false;
    if (account::permission_waits(*sender.profile))
        allowed = co_await account::sender_permission_waiting(ask, std::move(address));
    else
        allowed = account::sender_permission(ask, address);
    if (!allowed) throw std::runtime_error{allowed.error().message()};
    co_return *allowed;
}

} // namespace

boost::asio::awaitable<std::vector<finding>> from_alignment(check_context context) {
    std::vector<finding> found;
    const auto& message = *context.message;
    const auto& sender = message.sender;
    if (sender.account == "-" || sender.account.empty() || !sender.profile) co_return found;
    const bool ruled = sender.profile->header_from && sender.profile->from.what != config::from_rule::kind::any;

    const auto fields = message.header.all("From");
    std::size_t mailboxes = 0;
    for (const auto* field : fields) {
        const auto list = mime::parse_mailboxes(field->value());
        if (!list) {
            if (ruled) found.push_back(forbidden("cannot be read: " + field->unfolded()));
            ++mailboxes;
            continue;
        }
        mailboxes += list->size();
        for (const auto& box : *list) {
            const auto address = address_of(box.address);
            // One stranger is enough: a list of a thousand asks no map a thousand times.
            if (ruled && !has(found, "FROM_FORBIDDEN")) {
                const bool allowed = co_await may_use(context, address);
                if (!allowed) found.push_back(forbidden(box.address));
            }
            const auto shown = address_within(box.display);
            if (!shown.empty() && shown != address.key())
                found.push_back(headers_finding("DISPLAY_NAME_ADDRESS", 3, shown));
        }
    }
    if (mailboxes == 0)
        found.push_back(headers_finding("NO_FROM", 3, fields.empty() ? "no From field" : "From without an address"));
    if (fields.size() > 1)
        found.push_back(headers_finding("MULTIPLE_FROM", 4, std::to_string(fields.size()) + " From fields"));
    else if (mailboxes > 1 && !message.header.find("Sender"))
        found.push_back(headers_finding("MULTIPLE_FROM", 4, std::to_string(mailboxes) + " addresses and no Sender"));

    // One finding a symbol is enough: a list of a thousand strangers is no worse than one.
    std::vector<finding> distinct;
    for (auto& f : found)
        if (std::none_of(distinct.begin(), distinct.end(), [&](const auto& d) { return d.symbol == f.symbol; }))
            distinct.push_back(std::move(f));
    co_return distinct;
}

} // namespace postsluice::contentfilter::checks
