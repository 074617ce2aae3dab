// SPDX-License-Identifier: Apache-2.0
#include "policyd/lock_hook_command.hpp"

#include "shared/account/locks.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>

namespace postsluice::policyd {

namespace {

constexpr std::string_view exec = "exec:";
constexpr std::size_t longest_value = 1000; // octets

struct value {
    std::string_view name; ///< of the placeholder
    std::string_view variable;
    std::string text;
};

bool locks(const lock_event& event) noexcept {
    return event.kind == lock_event_kind::locked || event.kind == lock_event_kind::made_permanent ||
           event.kind == lock_event_kind::locked_by_person;
}

std::array<value, 7> values_of(const state::hook_call& what) {
    const lock_event& event = what.event;
    const auto clean = [](std::string_view text) { return printable(text, longest_value); };
    return {value{"{account}", "POSTSLUICE_ACCOUNT", clean(what.account)},
            value{"{event}", "POSTSLUICE_EVENT", std::string{to_string(event.kind)}},
            value{"{state}", "POSTSLUICE_STATE", locks(event) ? "locked" : "open"},
            value{"{cause}", "POSTSLUICE_CAUSE", clean(event.cause)},
            value{"{reference}", "POSTSLUICE_REFERENCE", clean(event.reference)},
            value{"{until}", "POSTSLUICE_UNTIL", times_out(event.after) ? to_iso8601(event.after.until) : ""},
            value{"{actor}", "POSTSLUICE_ACTOR", clean(event.actor)}};
}

bool names(std::string_view command, std::string_view placeholder) noexcept {
    return command.find(placeholder) != std::string_view::npos;
}

std::shared_ptr<const config::profile> profile_of(const config::settings& settings, std::string_view subject) {
    if (account::scope_of(subject) != limit_scope::account) {
        return settings.profiles.at("default");
    }
    return account::select_profile(settings, account::identity_of(settings, subject));
}

std::string replaced(std::string_view word, const std::array<value, 7>& values) {
    std::string out;
    while (!word.empty()) {
        const auto at = std::ranges::find_if(values, [word](const value& v) { return word.starts_with(v.name); });
        if (at == values.end()) {
            out += word.front();
            word.remove_prefix(1);
        } else {
            out += at->text;
            word.remove_prefix(at->name.size());
        }
    }
    return out;
}

} // namespace

std::vector<std::string> hook_commands(const config::settings& settings, std::string_view subject,
                                       const lock_event& event) {
    std::vector<std::string> out;
    for (const auto& line : profile_of(settings, subject)->on_lock) {
        const bool told = locks(event) || names(line, "{event}") || names(line, "{state}");
        if (line.starts_with(exec) && told) {
            out.push_back(line.substr(exec.size()));
        }
    }
    return out;
}

bool wants_notice(const config::settings& settings, std::string_view subject) {
    const auto profile = profile_of(settings, subject);
    return std::ranges::find(profile->on_lock, "notify") != profile->on_lock.end();
}

result<std::vector<std::string>> hook_arguments(std::string_view command, const state::hook_call& what) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; };
    if (std::ranges::any_of(what.account, is_control) || printable(what.account, longest_value) != what.account) {
        return failure{errc::malformed, "the account's name cannot be an argument: it is not plain text"};
    }
    const auto values = values_of(what);
    std::vector<std::string> out;
    for (const auto word : split(command, ' ')) {
        if (word.empty()) {
            continue;
        }
        std::string text = replaced(word, values);
        if (text.starts_with('-') && !word.starts_with('-')) { // it would be taken for an option
            if (word.starts_with("{account}")) {
                return failure{errc::malformed, "the account's name cannot be an argument: it begins with '-'"};
            }
            text.front() = '_';
        }
        out.push_back(std::move(text));
    }
    if (out.empty()) {
        return failure{errc::malformed, "no program is named"};
    }
    return out;
}

std::vector<std::string> hook_environment(const state::hook_call& what) {
    std::vector<std::string> out{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
    for (const auto& v : values_of(what)) {
        out.push_back(std::string{v.variable} + '=' + v.text);
    }
    out.push_back("POSTSLUICE_SCOPE=" + std::string{to_string(account::scope_of(what.account))});
    out.push_back("POSTSLUICE_SUBJECT=" + printable(account::subject_of(what.account), longest_value));
    out.push_back("POSTSLUICE_TIME=" + to_iso8601(what.event.at));
    out.push_back("POSTSLUICE_ATTEMPT=" + std::to_string(what.begun));
    return out;
}

} // namespace postsluice::policyd
