// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/refuse.hpp"

#include "shared/account/sender_permission.hpp"

#include <algorithm>

namespace postsluice::contentfilter::act {

namespace {
std::string with_reference(std::string text, std::string_view reference) {
    if (!reference.empty()) text.append(" ref ").append(reference);
    return text;
}
} // namespace

smtp::reply refused(const config::settings& settings, std::string_view reference) {
    std::string text = "This message was refused because of its content";
    if (!settings.contact.empty()) text += "; see " + settings.contact;
    return smtp::make_reply(550, "5.7.1", with_reference(std::move(text), reference));
}

smtp::reply quarantined(std::string_view reference) {
    return smtp::make_reply(250, "2.0.0", with_reference("Ok: quarantined,", reference));
}
smtp::reply discarded(std::string_view reference) {
    return smtp::make_reply(250, "2.0.0", with_reference("Ok: discarded,", reference));
}
smtp::reply delivered_before() {
    return smtp::make_reply(250, "2.0.0", "Ok: delivered before");
}
smtp::reply later(std::string_view reference) {
    return smtp::make_reply(451, "4.3.0",
                            with_reference("Content filter: temporary trouble, try again later", reference));
}
smtp::reply no_room() {
    return smtp::make_reply(452, "4.3.1", "Content filter: no room for the message now, try again later");
}
smtp::reply too_large() {
    return smtp::make_reply(552, "5.3.4", "Message too large");
}
smtp::reply looping(std::string_view reference) {
    return smtp::make_reply(554, "5.4.6",
                            with_reference("Mail loop: the message passed this filter too often", reference));
}

boost::asio::awaitable<bool> must_not_bounce(message_ptr what, const verdict& v, maps::map_set* maps) {
    const auto& sender = what->sender;
    if (v.why == reason::virus || v.strikes == strike_kind::virus) co_return true;
    const auto& address = what->envelope.sender.address;
    if (address.is_null() || sender.account == "-" || sender.by == sender_identity::proof::none) co_return true;
    const account::sender_question ask{*what->settings, *sender.profile, sender.who, maps};
    const auto allowed = co_await account::sender_permission_waiting(ask, address);
    co_return !allowed || !*allowed;
}

void drop_recipients(smtp::envelope& from, const std::vector<bool>& before) {
    if (std::find(before.begin(), before.end(), true) == before.end()) return;
    std::vector<smtp::path_argument> rest;
    for (std::size_t i = 0; i < from.recipients.size(); ++i)
        if (!before[i]) rest.push_back(std::move(from.recipients[i]));
    from.recipients = std::move(rest);
}

void insert_replies(std::vector<smtp::reply>& into, const std::vector<bool>& before) {
    if (into.empty()) return;
    std::vector<smtp::reply> all;
    std::size_t next = 0;
    for (const bool delivered : before) {
        if (delivered)
            all.push_back(delivered_before());
        else if (next < into.size())
            all.push_back(std::move(into[next++]));
    }
    into = std::move(all);
}

std::vector<smtp::reply> for_all(const smtp::reply& r, smtp::protocol speaks, std::size_t recipients) {
    return std::vector<smtp::reply>(speaks == smtp::protocol::lmtp ? recipients : 1, r);
}

} // namespace postsluice::contentfilter::act
