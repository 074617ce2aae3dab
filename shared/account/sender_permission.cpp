// SPDX-License-Identifier: Apache-2.0
#include "shared/account/sender_permission.hpp"

#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::account {

namespace asio = boost::asio;
using config::from_rule;
using maps::search;

namespace {

/// What is known without asking: an answer, or the questions.
struct plan {
    std::optional<result<bool>> known;
    std::vector<maps::question> questions;
};

failure without_maps() {
    return {errc::unsupported, "no maps are read here"};
}

plan plan_permission(const sender_question& ask, const mail_address& address) {
    const bool allowed = may_use(ask.profile, ask.who, address);
    if (allowed || ask.profile.from.what != from_rule::kind::map) return {allowed, {}};
    if (ask.maps == nullptr) return {without_maps(), {}};
    return {std::nullopt, maps::questions_about(address, ask.profile.from.entries, search::owner,
                                                maps::address_rules_of(ask.settings))};
}

result<bool> owned(const maps::answer& got, const sender_question& ask) {
    if (!got) return got.error();
    return *got && is_owner(**got, ask.settings, ask.who);
}

plan plan_block(const std::vector<std::string>& entries, const config::settings& settings, const maps::map_set* with,
                const mail_address& address) {
    const auto rules = maps::address_rules_of(settings);
    const auto bare = maps::without_extension(address, rules.delimiter);
    for (const auto& entry : entries)
        if (!maps::names_map(entry) && (is_listed(entry, address) || is_listed(entry, bare))) return {true, {}};
    if (!maps::any_map(entries)) return {false, {}};
    if (with == nullptr) return {without_maps(), {}};
    // smtpd_null_access_lookup_key
    const auto asked = address.is_null() ? mail_address{"<>", {}} : address;
    auto questions = maps::questions_about(asked, entries, search::access, rules);
    if (address.is_null()) std::erase_if(questions, [](const auto& q) { return q.key != "<>"; });
    return {std::nullopt, std::move(questions)};
}

result<bool> blocks(const maps::answer& got) {
    if (!got) return got.error();
    if (!*got) return false;
    const auto value = trim(**got);
    const auto word = value.substr(0, value.find_first_of(" \t"));
    return !iequals(word, "OK") && !iequals(word, "DUNNO");
}

plan plan_known(const std::vector<std::string>& in, const config::settings& settings, const maps::map_set* with,
                const mail_address& address) {
    if (in.empty() || address.is_null()) return {true, {}};
    if (with == nullptr) return {without_maps(), {}};
    return {std::nullopt, maps::questions_about(address, in, search::owner, maps::address_rules_of(settings))};
}

result<bool> found(const maps::answer& got) {
    if (!got) return got.error();
    return got->has_value();
}

} // namespace

bool is_owner(std::string_view owners, const config::settings& settings, const identity& who) {
    constexpr std::string_view separators = ", \t\r\n";
    while (!owners.empty()) {
        const auto end = std::min(owners.find_first_of(separators), owners.size());
        const auto one = owners.substr(0, end);
        owners.remove_prefix(std::min(end + 1, owners.size()));
        if (one.empty()) continue;
        if (who.login.empty()) {
            if (iequals(one, who.account)) return true;
        } else if (iequals(one, who.login) ||
                   (one.find('@') == std::string_view::npos && !settings.default_domain.empty() &&
                    iequals(std::string{one} + "@" + settings.default_domain, who.login))) {
            return true;
        }
    }
    return false;
}

bool permission_waits(const config::profile& profile) noexcept {
    return profile.from.what == from_rule::kind::map && maps::any_remote(profile.from.entries);
}

result<bool> sender_permission(const sender_question& ask, const mail_address& address) {
    const auto plan = plan_permission(ask, address);
    return plan.known ? *plan.known : owned(maps::ask(*ask.maps, plan.questions), ask);
}

asio::awaitable<result<bool>> sender_permission_waiting(sender_question ask, mail_address address) {
    auto plan = plan_permission(ask, address);
    if (plan.known) co_return std::move(*plan.known);
    const auto how = maps::remote_options_of(ask.settings);
    const auto got = co_await maps::ask_waiting(*ask.maps, std::move(plan.questions), how);
    co_return owned(got, ask);
}

result<bool> is_blocked(const std::vector<std::string>& entries, const config::settings& settings, maps::map_set* with,
                        const mail_address& address) {
    const auto plan = plan_block(entries, settings, with, address);
    return plan.known ? *plan.known : blocks(maps::ask(*with, plan.questions));
}

asio::awaitable<result<bool>> is_blocked_waiting(std::vector<std::string> entries, const config::settings& settings,
                                                 maps::map_set* with, mail_address address) {
    auto plan = plan_block(entries, settings, with, address);
    if (plan.known) co_return std::move(*plan.known);
    const auto how = maps::remote_options_of(settings);
    const auto got = co_await maps::ask_waiting(*with, std::move(plan.questions), how);
    co_return blocks(got);
}

result<bool> is_known(const std::vector<std::string>& in, const config::settings& settings, maps::map_set* with,
                      const mail_address& address) {
    const auto plan = plan_known(in, settings, with, address);
    return plan.known ? *plan.known : found(maps::ask(*with, plan.questions));
}

asio::awaitable<result<bool>> is_known_waiting(std::vector<std::string> in, const config::settings& settings,
                                               maps::map_set* with, mail_address address) {
    auto plan = plan_known(in, settings, with, address);
    if (plan.known) co_return std::move(*plan.known);
    const auto how = maps::remote_options_of(settings);
    const auto got = co_await maps::ask_waiting(*with, std::move(plan.questions), how);
    co_return found(got);
}

} // namespace postsluice::account
