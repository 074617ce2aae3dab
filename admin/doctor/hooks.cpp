// SPDX-License-Identifier: Apache-2.0
// How Postfix asks policyd: main.cf and master.cf, as postconf tells them.
#include "admin/doctor/doctor.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <charconv>

namespace postsluice::admin::doctor {
namespace {

constexpr long timeout_most = 30; // seconds; Postfix tries twice

constexpr const char* hook_lists[] = {"smtpd_recipient_restrictions", "smtpd_data_restrictions",
                                      "smtpd_end_of_data_restrictions"};

/// As the examples have it.
std::string good_hook(const std::string& endpoint) {
    return "check_policy_service { " + endpoint +
           ", timeout=10s, { default_action = 451 4.3.5 Policy service unavailable, try again later } }";
}

/// Where policyd listens, as Postfix is to be told: relative to queue_directory, where it lies there.
std::string our_endpoint(const evidence& at) {
    std::string where;
    for (const auto& one : at.settings->policyd.listen) {
        const auto below = "unix:" + at.postfix->parameter("queue_directory") + '/';
        if (one.starts_with(below)) return "unix:" + one.substr(below.size());
        if (where.empty()) where = one;
    }
    return where;
}

/// What to write for the hook: as it stands elsewhere in the service, or as the examples have it.
std::string hook_text(const evidence& at, const postfix_service& service) {
    for (const char* list : hook_lists)
        if (const auto hook = hook_in(at, service, list)) return hook->text;
    return good_hook(our_endpoint(at));
}

constexpr const char* hook_parameter = "postsluice_policy"; // of main.cf, as in the examples

/// Writes lists of restrictions in master.cf. postconf -P takes no blanks in a value, so what has some becomes a
/// parameter of main.cf, and `$name` stands in its place.
class list_writer {
public:
    explicit list_writer(const evidence& at)
        : postfix_{*at.postfix} {}
    /// `hook` stands in place of `old`; without `old` it comes first.
    void write(const postfix_service& service, const std::string& list, const std::string& hook,
               const std::string& old) {
        if (postfix_.parameter(hook_parameter) != hook) define(hook_parameter, hook);
        std::string value = old.empty() ? std::string{'$'} + hook_parameter : "";
        for (const auto& one : read_restrictions(postfix_.parameter(service, list)))
            value += (value.empty() ? "" : ",") + (one.text == old ? std::string{'$'} + hook_parameter : one.text);
        if (value.find(' ') != std::string::npos) {
            const auto name = "postsluice_" + list;
            define(name, value);
            value = '$' + name;
        }
        overrides_ += " '" + service.label() + '/' + list + '=' + value + '\'';
    }
    [[nodiscard]] std::string command() const {
        const auto definitions = definitions_.empty() ? "" : postfix_.postconf() + " -e" + definitions_ + " && ";
        return definitions + postfix_.postconf() + " -P" + overrides_ + " && " + postfix_.reload();
    }

private:
    void define(const std::string& name, const std::string& value) {
        const auto one = " '" + name + '=' + value + '\'';
        if (definitions_.find(one) == std::string::npos) definitions_ += one;
    }
    const postfix_facts& postfix_;
    std::string definitions_, overrides_;
};

std::string put_hook_first(const evidence& at, const postfix_service& service, const std::string& list,
                           const std::string& hook) {
    postfix_facts without = *at.postfix; // where it stands now it goes
    std::string rest;
    for (const auto& one : read_restrictions(without.parameter(service, list)))
        if (one.text != hook) rest += (rest.empty() ? "" : ", ") + one.text;
    evidence changed;
    changed.postfix = std::move(without);
    auto copy = service;
    copy.overrides[list] = rest;
    list_writer to{changed};
    to.write(copy, list, hook, "");
    return to.command();
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
                      put_hook_first(at, *one, list, hook_text(at, *one))});
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
                     put_hook_first(at, *one, list, hook->text)});
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
                          put_hook_first(at, *one, "smtpd_data_restrictions", hook_text(at, *one))});
        if (s.accounting == config::accounting_mode::end_of_message &&
            !hook_in(at, *one, "smtpd_end_of_data_restrictions"))
            to.push_back(
                {{},
                 "The service " + one->label() + " does not ask policyd at END-OF-MESSAGE.",
                 "policyd.accounting is \"end-of-message\" (\"data\" would do without): what is counted becomes "
                 "final only when a lease ends, and limits in bytes count nothing.",
                 put_hook_first(at, *one, "smtpd_end_of_data_restrictions", hook_text(at, *one))});
    }
}

/// A hook of ours, and all lists of the service in which it stands just so.
struct hook_use {
    const postfix_service* service;
    restriction hook;
    std::vector<std::string> lists;

    [[nodiscard]] std::string where() const {
        std::string out;
        for (const auto& one : lists)
            out += (out.empty() ? "" : ", ") + one;
        return out + " of " + service->label();
    }
};

std::vector<hook_use> all_hooks(const evidence& at) {
    std::vector<hook_use> out;
    for (const auto* one : submission_services(at)) {
        for (const char* list : hook_lists) {
            const auto hook = hook_in(at, *one, list);
            if (!hook) continue;
            const auto known = std::ranges::find_if(
                out, [&](const hook_use& use) { return use.service == one && use.hook.text == hook->text; });
            if (known != out.end())
                known->lists.emplace_back(list);
            else
                out.push_back({one, *hook, {list}});
        }
    }
    return out;
}

std::string option_or(const evidence& at, const postfix_service& service, const restriction& hook,
                      const std::string& option, const std::string& parameter) {
    const auto own = hook.options.find(option);
    return own == hook.options.end() ? at.postfix->parameter(service, parameter) : own->second;
}

/// The command that writes a good hook in the place of this one, in all its lists.
std::string replace_command(const evidence& at, const hook_use& use, const std::string& endpoint) {
    list_writer to{at};
    for (const auto& list : use.lists)
        to.write(*use.service, list, good_hook(endpoint), use.hook.text);
    return to.command();
}

void timeout(const evidence& at, findings& to) {
    for (const auto& use : all_hooks(at)) {
        const auto text = option_or(at, *use.service, use.hook, "timeout", "smtpd_policy_service_timeout");
        const auto time = read_postfix_time(text);
        if (!time || *time <= timeout_most) continue;
        to.push_back({{},
                      "check_policy_service waits " + text + " for policyd, in " + use.where() + ".",
                      "When policyd hangs, each recipient holds a client and an smtpd process for twice that long.",
                      replace_command(at, use, use.hook.argument)});
    }
}

void default_action(const evidence& at, findings& to) {
    for (const auto& use : all_hooks(at)) {
        const auto action =
            option_or(at, *use.service, use.hook, "default_action", "smtpd_policy_service_default_action");
        if (action.starts_with('4') || istarts_with(action, "defer")) continue;
        const bool refuses = action.starts_with('5') || istarts_with(action, "reject");
        to.push_back({{},
                      "default_action is \"" + action + "\", in " + use.where() + ".",
                      refuses ? "While policyd is down mail is refused for good; 4xx lets the client come back."
                              : "While policyd is down everybody passes unlimited, locked accounts too.",
                      replace_command(at, use, use.hook.argument)});
    }
}

void wrong_socket(const evidence& at, findings& to) {
    const auto& listen = at.settings ? at.settings->policyd.listen : std::vector<std::string>{};
    for (const auto& use : all_hooks(at)) {
        const auto reached = reached_by(*at.postfix, *use.service, use.hook.argument);
        if (std::ranges::find(listen, reached) != listen.end()) continue;
        std::string here;
        for (const auto& each : listen)
            here += (here.empty() ? "" : ", ") + each;
        to.push_back({{},
                      "check_policy_service asks " + reached + (use.service->chrooted ? " (smtpd is chrooted)" : "") +
                          ", but policyd.listen is " + here + "; in " + use.where() + ".",
                      "Postfix reaches nobody, and applies default_action to every recipient.",
                      replace_command(at, use, our_endpoint(at))});
    }
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
