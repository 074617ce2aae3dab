// SPDX-License-Identifier: Apache-2.0
// What the configuration and the two daemons tell: whether they run, and what they have (and have not) seen.
#include "admin/command.hpp"
#include "admin/doctor/doctor.hpp"
#include "admin/human.hpp"
#include "config.h"

namespace postsluice::admin::doctor {
namespace {

constexpr std::int64_t enough = 20;    // requests or messages until their like ought to have been seen
constexpr std::int64_t skew_most = 60; // seconds between the daemons' clock and the wall's
constexpr double fill_most = 0.8;

void configuration(const evidence& at, findings& to) {
    if (at.config_errors.empty()) return;
    to.push_back(
        {{},
         at.config_errors.front().message() +
             (at.config_errors.size() > 1 ? " (and " + std::to_string(at.config_errors.size() - 1) + " more errors)"
                                          : ""),
         "The daemons go on with the configuration they have, and would not start with this one.",
         "postsluice --config " + at.config_file.string() + " config check"});
}

void down(const evidence& at, findings& to) {
    if (at.policyd_down)
        to.push_back({{},
                      "postsluice-policyd does not answer.",
                      "Postfix applies default_action to every recipient: submission is put off, or passes unlimited.",
                      "systemctl start postsluice-policyd"});
    if (at.filter_down)
        to.push_back({{},
                      "postsluice-contentfilter does not answer.",
                      "Mail waits in Postfix's queue: nothing is scanned, signed or sent.",
                      "systemctl start postsluice-contentfilter"});
}

void versions(const evidence& at, findings& to) {
    for (const auto& [status, name] :
         {std::pair{&at.policyd, "postsluice-policyd"}, std::pair{&at.filter, "postsluice-contentfilter"}}) {
        if (!*status || text_of(**status, "version") == PACKAGE_VERSION) continue;
        to.push_back({{},
                      std::string{name} + " is version " + text_of(**status, "version") + ", this program " +
                          PACKAGE_VERSION + ".",
                      "An upgrade takes effect when the daemon is restarted; until then two versions share the state.",
                      std::string{"systemctl restart "} + name});
    }
}

// The daemon's own time: when it started, by its clock, and how long it is up.
void clock_skew(const evidence& at, findings& to) {
    if (!at.policyd) return;
    const auto started = time_of(*at.policyd, "started");
    if (!started) return;
    const auto theirs = *started + seconds{number_of(*at.policyd, "uptime")};
    const auto off = std::chrono::duration_cast<seconds>(at.now - theirs).count();
    if (off >= -skew_most && off <= skew_most) return;
    to.push_back({{},
                  "The clock of the state and the wall clock are " + say_duration(seconds{off < 0 ? -off : off}) +
                      " apart: the wall clock was set after the daemons' first start.",
                  "Times in replies, locks and this program's output are wrong by as much; limits are not.",
                  "timedatectl status, then restart the machine (the state takes a new anchor at a boot)"});
}

void state_trouble(const evidence& at, findings& to) {
    for (const auto* status : {&at.policyd, &at.filter}) {
        if (!*status) continue;
        const auto& state = part_of(**status, "state");
        if (state.contains("healthy") && !flag_of(state, "healthy"))
            to.push_back({{},
                          text_of(**status, "program") + " cannot write its state.",
                          "on_error decides about all mail, locks and strikes are not recorded.",
                          "postsluice status, then look at disk space and permissions of state.directory"});
        for (const char* name : {"counters_fill", "filter_fill", "state_fill"}) {
            const auto fill = state.find(name);
            if (fill == state.end() || !fill->is_number() || fill->get<double>() < fill_most) continue;
            to.push_back({{},
                          text_of(**status, "program") + ": " + name + " is " +
                              std::to_string(static_cast<int>(fill->get<double>() * 100)) + " % of state.map_size.",
                          "When it is full nothing more is recorded, and on_error decides about all mail.",
                          "raise map_size in [state] of " + at.config_file.string() + ", then restart both daemons"});
        }
    }
}

void login_never_seen(const evidence& at, findings& to) {
    if (!at.policyd) return;
    const auto& requests = part_of(*at.policyd, "requests");
    if (!requests.contains("with_login") || number_of(requests, "rcpt") < enough ||
        number_of(requests, "with_login") > 0)
        return;
    const auto ours = number_of(requests, "rcpt") - number_of(part_of(*at.policyd, "decisions"), "not-ours");
    if (ours > 0) return; // networks and certificates are accounts, too
    to.push_back({{},
                  "None of " + std::to_string(number_of(requests, "rcpt")) +
                      " requests carried a SASL login, or came from a network of an [[account]].",
                  "Nobody is limited: mail of unknown clients passes.",
                  "ask policyd in the services where users log in (smtpd_sasl_auth_enable = yes); see docs/doctor.md"});
}

bool has_byte_limit(const config::settings& settings) {
    for (const auto& [name, profile] : settings.profiles)
        for (const auto& one : profile->limits)
            if (one.unit == limit_unit::bytes && one.count != limit::unlimited) return true;
    return false;
}

void end_of_message_never_seen(const evidence& at, findings& to) {
    if (!at.policyd || !at.settings) return;
    const bool bytes = has_byte_limit(*at.settings);
    if (at.settings->policyd.accounting != config::accounting_mode::end_of_message && !bytes) return;
    for (const auto& hook : part_of(*at.policyd, "hooks")) {
        if (number_of(hook, "data") < enough || number_of(hook, "end_of_message") > 0) continue;
        to.push_back({{},
                      "No request at END-OF-MESSAGE came from port " + text_of(hook, "server_port", "?") + ", after " +
                          std::to_string(number_of(hook, "data")) + " at DATA.",
                      bytes ? "Limits in bytes count nothing, and transactions that fail after DATA stay charged."
                            : "Transactions that fail after DATA stay charged until their lease ends.",
                      "add the check_policy_service of smtpd_recipient_restrictions to "
                      "smtpd_end_of_data_restrictions, or set policyd.accounting = \"data\""});
    }
}

void one_of_two(const evidence& at, findings& to) {
    if (!at.policyd || !at.filter) return;
    const auto tickets = number_of(part_of(*at.policyd, "tickets"), "issued");
    const auto& messages = part_of(*at.filter, "messages");
    if (tickets >= enough && number_of(messages, "total") == 0)
        to.push_back({{},
                      "policyd passed " + std::to_string(tickets) + " messages, but the filter has seen none.",
                      "Mail leaves neither scanned nor signed.",
                      "set content_filter for the submission services; see docs/doctor.md"});
    const auto total = number_of(messages, "total");
    if (total >= enough && number_of(part_of(*at.policyd, "requests"), "rcpt") == 0)
        to.push_back({{},
                      "The filter has seen " + std::to_string(total) + " messages, but policyd has been asked nothing.",
                      "Nobody is limited, and the filter does not know who sent what.",
                      "add check_policy_service to the submission services; see docs/doctor.md"});
}

constexpr diagnosis table[] = {
    {"configuration", "Can the configuration be used?", configuration},
    {"daemon-down", "Do both daemons answer?", down},
    {"versions", "Are the daemons of this program's version?", versions},
    {"clock", "Does the clock of the state agree with the wall clock?", clock_skew},
    {"state", "Can the state be written, and is there room?", state_trouble},
    {"login-never-seen", "Do requests carry logins?", login_never_seen},
    {"end-of-message-never-seen", "Is END-OF-MESSAGE asked where something depends on it?", end_of_message_never_seen},
    {"one-of-two", "Do both daemons see the mail?", one_of_two},
};

} // namespace

std::span<const diagnosis> daemon_diagnoses() {
    return table;
}

} // namespace postsluice::admin::doctor
