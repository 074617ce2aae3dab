// SPDX-License-Identifier: Apache-2.0
// Does the envelope sender exist here? Where the profile has `sender_maps`, the address must be in one of them, looked
// up as in virtual(5): user@domain, user where the domain is the server's own, @domain; with and without its extension.
// So a typing error in a mail program's settings is told at once (550 5.7.1), and bounces have somewhere to go.
#include "policyd/rules/rule.hpp"
#include "shared/account/sender_permission.hpp"

namespace postsluice::policyd::rules {

namespace {

rule_answer answer_for(const mail_address& sender, const result<bool>& known) {
    if (!known) {
        return known.error();
    }
    if (*known) {
        return decision{};
    }
    std::string key = sender.key();
    std::string text = "there is no address " + key + " here to send as";
    return refuse(refusal_code::reject_policy, reason::sender_unknown, std::move(key), std::move(text));
}

} // namespace

bool sender_known_waits(const rule_context& context) noexcept {
    return maps::any_remote(context.profile.sender_maps);
}

rule_answer sender_known(const rule_context& context) {
    if (context.profile.sender_maps.empty()) {
        return decision{};
    }
    const auto sender = mail_address::from_internal(context.what.sender);
    return answer_for(sender,
                      account::is_known(context.profile.sender_maps, context.settings, context.helpers.maps, sender));
}

boost::asio::awaitable<rule_answer> sender_known_waiting(const rule_context& context) {
    const auto sender = mail_address::from_internal(context.what.sender);
    const auto known =
        co_await account::is_known_waiting(context.profile.sender_maps, context.settings, context.helpers.maps, sender);
    co_return answer_for(sender, known);
}

} // namespace postsluice::policyd::rules
