// SPDX-License-Identifier: Apache-2.0
// How Postfix asks policyd: main.cf and master.cf, as postconf tells them.
#include "admin/doctor/doctor.hpp"

#include <algorithm>
#include <charconv>

namespace postsluice::admin::doctor {
namespace {

constexpr long timeout_most = 30; // seconds; Postfix tries twice

/// What to write for the hook: as it stands elsewhere in the configuration, or as the examples have it.
std::string hook_text(const evidence& at, const postfix_service& service) {
    for (const char* list :
         {"smtpd_recipient_restrictions", "smtpd_data_restrictions", "smtpd_end_of_data_restrictions"})
        if (const auto hook = hook_in(at, service, list)) return hook->text;
    std::string where = "unix:postsluice/policyd";
    for (const auto& one : at.settings->policyd.listen) {
        const auto below = "unix:" + at.postfix->parameter("queue_directory") + '/';
        where = one.starts_with(below) ? "unix:" + one.substr(below.size()) : one;
    }
    return "check_policy_service { " + where +
           ", timeout=10s, { default_action = 451 4.3.5 Policy service unavailable, try again later } }";
}

/// "postconf -P 'submission/inet/NAME=VALUE' && postfix reload"
std::string set_command(const evidence& at, const postfix_service& service, const std::string& name,
                        const std::string& value) {
    return at.postfix->postconf() + " -P '" + service.label() + '/' + name + '=' + value + "' && " +
           at.postfix->reload();
}

std::string with_hook_first(const evidence& at, const postfix_service& service, const std::string& list,
                            const std::string& hook) {
    std::string out = hook;
    for (const auto& one : read_restrictions(at.postfix->parameter(service, list)))
        if (one.text != hook) out += ", " + one.text;
    return out;
}

void not_asked(const evidence& at, findings& to) {
    for (const auto* one : submission_services(at)) {
        const std::string list = "smtpd_recipient_restrictions";
        const bool elsewhere =
            hook_in(at, *one, "smtpd_relay_restrictions") || hook_in(at, *one, "smtpd_sender_restrictions") ||
            hook_in(at, *one, "smtpd_client_restrictions") || hook_in(at, *one, "smtpd_helo_restrictions");
        if (hook_in(at, *one, list) || elsewhere) continue;
        to.push_back({{},
                      "The service " + one->label() + " lets users log in, but asks policyd nothing.",
                      "Whoever submits there is neither limited nor locked.",
                      set_command(at, *one, list, with_hook_first(at, *one, list, hook_text(at, *one)))});
    }
}

bool permits(const std::string& word) {
    return word == "permit" || word == "permit_mynetworks" || word == "permit_sasl_authenticated" ||
           word == "permit_tls_clientcerts" || word == "permit_tls_all_clientcerts" ||
           word == "permit_inet_interfaces" || word == "permit_auth_destination";
}

void permit_before_hook(const evidence& at, findings& to) {
    for (const auto* one : submission_services(at)) {
        for (const char* list : {"smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_data_restrictions",
                                 "smtpd_end_of_data_restrictions"}) {
            const auto hook = hook_in(at, *one, list);
            if (!hook) continue;
            for (const auto& before : read_restrictions(at.postfix->parameter(*one, list))) {
                if (before.text == hook->text) break;
                if (!permits(before.word)) continue;
                to.push_back(
                    {{},
                     before.word + " stands before check_policy_service in " + list + " of " + one->label() + ".",
                     "Postfix stops at the first permit: those clients pass without being asked about.",
                     set_command(at, *one, list, with_hook_first(at, *one, list, hook->text))});
                break;
            }
        }
    }
}

void stages(const evidence& at, findings& to) {
    for (const auto* one : submission_services(at)) {
        const auto& s = at.settings->policyd;
        if (!hook_in(at, *one, "smtpd_recipient_restrictions")) continue; // then that is what there is to mend
        if (!hook_in(at, *one, "smtpd_data_restrictions"))
            to.push_back({{},
                          "The service " + one->label() + " does not ask policyd at DATA.",
                          "Messages get no ticket: the filter does not know who sent them.",
                          set_command(at, *one, "smtpd_data_restrictions", hook_text(at, *one))});
        if (s.accounting == config::accounting_mode::end_of_message &&
            !hook_in(at, *one, "smtpd_end_of_data_restrictions"))
            to.push_back({{},
                          "The service " + one->label() + " does not ask policyd at END-OF-MESSAGE.",
                          "policyd.accounting is \"end-of-message\": what is counted becomes final only when a lease "
                          "ends, and limits in bytes count nothing.",
                          set_command(at, *one, "smtpd_end_of_data_restrictions", hook_text(at, *one)) +
                              "; or policyd.accounting = \"data\""});
    }
}

/// Calls visit(service, list, hook) for every hook of ours.
template <class Visit>
void each_hook(const evidence& at, Visit visit) {
    for (const auto* one : submission_services(at))
        for (const char* list :
             {"smtpd_recipient_restrictions", "smtpd_data_restrictions", "smtpd_end_of_data_restrictions"})
            if (const auto hook = hook_in(at, *one, list)) visit(*one, list, *hook);
}

std::string option_or(const evidence& at, const postfix_service& service, const restriction& hook,
                      const std::string& option, const std::string& parameter) {
    const auto own = hook.options.find(option);
    return own == hook.options.end() ? at.postfix->parameter(service, parameter) : own->second;
}

std::string good_hook(const restriction& hook) {
    return "check_policy_service { " + hook.argument +
           ", timeout=10s, { default_action = 451 4.3.5 Policy service unavailable, try again later } }";
}

std::string replaced(const evidence& at, const postfix_service& service, const std::string& list,
                     const restriction& old) {
    std::string out;
    for (const auto& one : read_restrictions(at.postfix->parameter(service, list)))
        out += (out.empty() ? "" : ", ") + (one.text == old.text ? good_hook(old) : one.text);
    return set_command(at, service, list, out);
}

void timeout(const evidence& at, findings& to) {
    each_hook(at, [&](const postfix_service& one, const std::string& list, const restriction& hook) {
        const auto text = option_or(at, one, hook, "timeout", "smtpd_policy_service_timeout");
        const auto time = read_postfix_time(text);
        if (!time || *time <= timeout_most) return;
        to.push_back({{},
                      "check_policy_service in " + list + " of " + one.label() + " waits " + text + " for policyd.",
                      "When policyd hangs, each recipient holds a client and an smtpd process for twice that long.",
                      replaced(at, one, list, hook)});
    });
}

void default_action(const evidence& at, findings& to) {
    each_hook(at, [&](const postfix_service& one, const std::string& list, const restriction& hook) {
        const auto action = option_or(at, one, hook, "default_action", "smtpd_policy_service_default_action");
        if (action.starts_with('4') || action.starts_with("DEFER") || action.starts_with("defer")) return;
        const bool refuses = action.starts_with('5') || action.starts_with("REJECT") || action.starts_with("reject");
        to.push_back({{},
                      "default_action in " + list + " of " + one.label() + " is \"" + action + "\".",
                      refuses ? "While policyd is down mail is refused for good; 4xx lets the client come back."
                              : "While policyd is down everybody passes unlimited, locked accounts too.",
                      replaced(at, one, list, hook)});
    });
}

void wrong_socket(const evidence& at, findings& to) {
    each_hook(at, [&](const postfix_service& one, const std::string& list, const restriction& hook) {
        const auto reached = reached_by(*at.postfix, one, hook.argument);
        const auto& listen = at.settings->policyd.listen;
        if (std::ranges::find(listen, reached) != listen.end() || !reached.starts_with("unix:")) return;
        std::string here;
        for (const auto& each : listen)
            here += (here.empty() ? "" : ", ") + each;
        to.push_back({{},
                      list + " of " + one.label() + " asks " + reached + (one.chrooted ? " (it is chrooted)" : "") +
                          ", but policyd.listen is " + here + ".",
                      "Postfix reaches nobody, and applies default_action to every recipient.",
                      "set listen = [\"" + reached + "\"] in [policyd] of " + at.config_file.string() +
                          ", then restart postsluice-policyd"});
    });
}

void short_queue_ids(const evidence& at, findings& to) {
    if (!at.postfix || submission_services(at).empty() || at.postfix->parameter("enable_long_queue_ids") != "no")
        return;
    to.push_back({{},
                  "enable_long_queue_ids = no: Postfix uses queue IDs again, within seconds.",
                  "A ticket names the queue ID it was issued for; a name that is used again may vouch for another "
                  "message, and references in logs become ambiguous.",
                  at.postfix->postconf() + " -e enable_long_queue_ids=yes && " + at.postfix->reload()});
}

void postfix_version(const evidence& at, findings& to) {
    if (!at.postfix) return;
    const auto& version = at.postfix->parameter("mail_version");
    int major = 0;
    const auto [rest, error] = std::from_chars(version.data(), version.data() + version.size(), major);
    if (error != std::errc{} || major >= 3) return;
    to.push_back({{},
                  "Postfix is version " + version + ".",
                  "Before 3.0 check_policy_service takes no timeout and no default_action of its own.",
                  "upgrade Postfix to 3.5 or later"});
}

constexpr diagnosis table[] = {
    {"submission-without-hook", "Is policyd asked wherever users log in?", not_asked},
    {"permit-before-hook", "Is policyd asked before anything is permitted?", permit_before_hook},
    {"stages", "Is it asked at RCPT, DATA and END-OF-MESSAGE?", stages},
    {"policy-timeout", "Does Postfix give up on a policyd that hangs?", timeout},
    {"policy-default-action", "Is mail put off while policyd is down?", default_action},
    {"policy-socket", "Does Postfix ask where policyd listens?", wrong_socket},
    {"short-queue-ids", "Are queue IDs unique?", short_queue_ids},
    {"postfix-version", "Is Postfix new enough?", postfix_version},
};

} // namespace

std::span<const diagnosis> hook_diagnoses() {
    return table;
}

} // namespace postsluice::admin::doctor
