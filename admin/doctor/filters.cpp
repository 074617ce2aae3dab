// SPDX-License-Identifier: Apache-2.0
// How mail gets into the filter and back: content_filter, the transport, the re-entry.
#include "admin/doctor/doctor.hpp"

#include <algorithm>
#include <array>

namespace postsluice::admin::doctor {
namespace {

constexpr const char* usual = "postsluice:unix:postsluice/filter";

const postfix_service* service_named(const postfix_facts& postfix, std::string_view name) {
    for (const auto& one : postfix.services)
        if (one.name == name && one.type == "unix") return &one;
    return nullptr;
}

std::string without(std::string text, std::string_view characters) {
    std::erase_if(text, [&](char c) { return characters.find(c) != std::string_view::npos; });
    return text;
}

/// Where "postsluice:unix:postsluice/filter" leads: "unix:/var/spool/postfix/postsluice/filter", "127.0.0.1:10025".
std::string leads_to(const evidence& at, const std::string& content_filter) {
    const auto colon = content_filter.find(':');
    if (colon == std::string::npos) return {};
    auto hop = content_filter.substr(colon + 1);
    const auto* transport = service_named(*at.postfix, content_filter.substr(0, colon));
    if (transport != nullptr && hop.starts_with("unix:")) return reached_by(*at.postfix, *transport, hop);
    if (hop.starts_with("inet:")) hop.erase(0, 5);
    return without(hop, "[]");
}

bool is_ours(const evidence& at, const std::string& content_filter) {
    const auto* transport = service_named(*at.postfix, content_filter.substr(0, content_filter.find(':')));
    if (transport != nullptr && transport->program == "pipe") return !at.settings->contentfilter.listen_pipe.empty();
    const auto there = leads_to(at, content_filter);
    return !there.empty() && std::ranges::any_of(at.settings->contentfilter.listen, [&](const std::string& one) {
        auto where = one.substr(one.find(':') + 1); // after "lmtp:" or "smtp:"
        if (where.starts_with("inet:")) where.erase(0, 5);
        return without(where, "[]") == there;
    });
}

std::string set_filter(const evidence& at, const postfix_service& service) {
    return at.postfix->postconf() + " -P '" + service.label() + "/content_filter=" + usual + "' && " +
           at.postfix->reload();
}

bool filters(const evidence& at, const postfix_service& service) {
    // a filter before the queue
    const auto& proxy = at.postfix->parameter(service, "smtpd_proxy_filter");
    return !at.postfix->parameter(service, "content_filter").empty() || !proxy.empty();
}

void not_filtered(const evidence& at, findings& to) {
    for (const auto* one : submission_services(at)) {
        if (filters(at, *one)) continue;
        to.push_back({{},
                      "The service " + one->label() + " has no content_filter.",
                      "What is submitted there leaves neither scanned nor signed.",
                      set_filter(at, *one)});
    }
}

/// Does it relay for mynetworks, without a login or a question to policyd? The relay list decides; where it is empty,
/// the recipient list (postconf(5), smtpd_relay_restrictions). What refuses all foreign domains before the permit ends
/// it.
bool relays_for_networks(const evidence& at, const postfix_service& service) {
    if (at.postfix->parameter(service, "mynetworks").empty()) return false;
    auto list = read_restrictions(at.postfix->parameter(service, "smtpd_relay_restrictions"));
    if (list.empty()) list = read_restrictions(at.postfix->parameter(service, "smtpd_recipient_restrictions"));
    for (const auto& one : list) {
        if (one.word == "permit_mynetworks") return true;
        if (one.word == "reject" || one.word == "defer" || one.word == "reject_unauth_destination" ||
            one.word == "defer_unauth_destination")
            return false;
    }
    return false;
}

void relay_past_filter(const evidence& at, findings& to) {
    if (!at.postfix || !at.settings) return;
    const auto submission = submission_services(at);
    for (const auto& one : at.postfix->services) {
        const bool other = one.program != "smtpd" || (one.type != "inet" && one.type != "pass") ||
                           &one == reentry_service(at) ||
                           &one == service_behind(at, at.settings->contentfilter.hold_hop) ||
                           std::ranges::find(submission, &one) != submission.end();
        if (other || filters(at, one) || !relays_for_networks(at, one)) continue;
        to.push_back({{},
                      "The service " + one.label() + " relays for mynetworks (" +
                          at.postfix->parameter(one, "mynetworks") + "), with neither policyd nor the filter.",
                      "Every program on those hosts can send there past limits, scans and signatures.",
                      at.postfix->postconf() + " -P '" + one.label() +
                          "/smtpd_relay_restrictions=permit_sasl_authenticated,reject_unauth_destination' && " +
                          at.postfix->reload() +
                          "; where programs have to relay there, put policyd and the filter into it (the guide for a "
                          "smart host)"});
    }
}

void local_mail(const evidence& at, findings& to) {
    if (!at.postfix || !at.settings) return;
    for (const auto& one : at.postfix->services) {
        if (one.program != "pickup" || filters(at, one)) continue;
        to.push_back(
            {{},
             "The service " + one.label() + " has no content_filter.",
             "Local mail (sendmail, cron, PHP) and mail that `postsuper -r` requeues leave neither scanned nor "
             "signed.",
             set_filter(at, one)});
    }
}

void wrong_filter(const evidence& at, findings& to) {
    if (!at.postfix || !at.settings) return;
    std::vector<std::string> told;
    for (const auto& one : at.postfix->services) {
        const auto& value = at.postfix->parameter(one, "content_filter");
        if (value.find("postsluice") == std::string::npos || is_ours(at, value) ||
            std::ranges::find(told, value) != told.end())
            continue;
        told.push_back(value);
        const auto there = leads_to(at, value);
        to.push_back({{},
                      "content_filter = " + value + " of " + one.label() + " leads to " +
                          (there.empty() ? "no transport of master.cf" : there) +
                          ", where the filter does not listen (contentfilter.listen).",
                      "Mail waits in the queue.",
                      set_filter(at, one)});
    }
}

void reentry_missing(const evidence& at, findings& to) {
    if (!at.postfix || !at.settings || reentry_service(at) != nullptr) return;
    const bool used = std::ranges::any_of(at.postfix->services, [&](const auto& one) {
        return is_ours(at, at.postfix->parameter(one, "content_filter"));
    });
    if (!used) return;
    to.push_back(
        {{},
         "contentfilter.next_hop = " + at.settings->contentfilter.next_hop + ", but master.cf has no smtpd there.",
         "What was filtered cannot go on, and waits in the queue.",
         "take the service postsluice-reentry over from postfix-examples/after-queue/master.cf"});
}

void reentry_by_tcp(const evidence& at, findings& to) {
    const auto* back = reentry_service(at);
    if (back == nullptr || back->type != "inet") return;
    to.push_back(
        {{},
         "The way back from the filter, " + back->label() + ", is reached by TCP.",
         "Every local user and program can send there, past the limits and the filter.",
         "make it a unix service: `postsluice-reentry unix n - y - 40 smtpd`, and set contentfilter.next_hop = "
         "\"unix:" +
             at.postfix->parameter("queue_directory") + "/public/postsluice-reentry\""});
}

void reentry_loops(const evidence& at, findings& to) {
    const auto* back = reentry_service(at);
    if (back == nullptr || at.postfix->parameter(*back, "content_filter").empty()) return;
    to.push_back({{},
                  "The way back from the filter, " + back->label() +
                      ", has content_filter = " + at.postfix->parameter(*back, "content_filter") + ".",
                  "Mail goes round in a circle until the filter's max_loops refuses it.",
                  at.postfix->postconf() + " -P '" + back->label() + "/content_filter=' && " + at.postfix->reload()});
}

/// Does any restriction list of it put mail on hold?
bool holds(const evidence& at, const postfix_service& service) {
    return std::ranges::any_of(std::array{"smtpd_client_restrictions", "smtpd_helo_restrictions",
                                          "smtpd_sender_restrictions", "smtpd_relay_restrictions",
                                          "smtpd_recipient_restrictions", "smtpd_data_restrictions",
                                          "smtpd_end_of_data_restrictions"},
                               [&](const char* list) {
                                   return at.postfix->parameter(service, list).find("static:HOLD") != std::string::npos;
                               });
}

void hold_queue(const evidence& at, findings& to) {
    if (!at.postfix || !at.settings) return;
    const bool wanted = std::ranges::any_of(
        at.settings->profiles, [](const auto& one) { return one.second->hold == config::hold_place::queue; });
    if (!wanted) return;
    const auto& hop = at.settings->contentfilter.hold_hop;
    const auto* const there = service_behind(at, hop);
    const std::string mend = "take the service postsluice-hold over from postfix-examples/after-queue/master.cf";
    if (there == nullptr)
        to.push_back({{},
                      "A profile has hold = \"queue\" and contentfilter.hold_hop = " + hop +
                          ", but master.cf has no smtpd there.",
                      "Mail that is to be held waits in the queue before the filter.",
                      mend});
    else if (!holds(at, *there))
        to.push_back({{},
                      "The service " + there->label() + ", for held mail, has no static:HOLD in its restrictions.",
                      "What the filter holds for review is delivered at once.",
                      mend});
}

constexpr diagnosis table[] = {
    {"submission-without-filter", "Does what users submit go through the filter?", not_filtered},
    {"relay-past-filter", "Does what hosts of this network relay go through the filter?", relay_past_filter},
    {"local-mail-without-filter", "Does local mail go through the filter?", local_mail},
    {"filter-socket", "Does content_filter lead to the filter?", wrong_filter},
    {"reentry-missing", "Can filtered mail go on?", reentry_missing},
    {"reentry-by-tcp", "Can nobody but the filter use the way back?", reentry_by_tcp},
    {"reentry-loops", "Does filtered mail leave the filter?", reentry_loops},
    {"hold-queue", "Does held mail stay on hold?", hold_queue},
};

} // namespace

std::span<const diagnosis> filter_diagnoses() {
    return table;
}

} // namespace postsluice::admin::doctor
