// SPDX-License-Identifier: Apache-2.0
// Postfix itself: does it run, is setup done with it, and does it leave messages as they were signed?
#include "admin/doctor/doctor.hpp"
#include "admin/setup/journal.hpp"
#include "shared/core/text.hpp"

namespace postsluice::admin::doctor {
namespace {

namespace fs = std::filesystem;

void down(const evidence& at, findings& to) {
    if (!at.postfix || is_running(*at.postfix).value_or(true)) return;
    auto start = at.postfix->reload();
    to.push_back({{},
                  "Postfix is not running.",
                  "No mail is taken, and none is sent.",
                  start.replace(start.rfind("reload"), 6, "start")});
}

void unfinished(const evidence& at, findings& to) {
    if (!at.postfix) return;
    const fs::path directory = at.postfix->parameter("config_directory");
    const auto written = setup::journal{directory}.load();
    if (!written || !*written || (*written)->at == setup::phase::applied) return;
    const bool draining = (*written)->at == setup::phase::draining;
    to.push_back({{},
                  draining
                      ? "postsluice setup was taken back, but for what queued mail needed."
                      : "postsluice setup stopped half-way (" + std::string{setup::to_string((*written)->at)} + ").",
                  draining ? "The transport into the filter and the way back are still in master.cf."
                           : "Some of Postfix's files are as before, some as setup wrote them.",
                  "postsluice setup --config-directory " + directory.string() + " --undo"});
}

std::string set_parameter(const evidence& at, const std::string& what) {
    return at.postfix->postconf() + " -e '" + what + "' && " + at.postfix->reload();
}

void bare_newline(const evidence& at, findings& to) {
    for (const auto* one : submission_services(at)) {
        if (at.postfix->parameter(*one, "smtpd_forbid_bare_newline") != "no") continue;
        to.push_back({{},
                      "smtpd_forbid_bare_newline = no, in " + one->label() + ".",
                      "A client can smuggle a second message inside of one (CVE-2023-51764), which nobody counts.",
                      set_parameter(at, "smtpd_forbid_bare_newline=normalize")});
        return;
    }
}

void changes_after_signing(const evidence& at, findings& to) {
    if (!at.postfix || !at.settings || !at.settings->dkim.sign || reentry_service(at) == nullptr) return;
    const std::string why = "What Postfix changes in a message that was signed breaks the signature.";
    const postfix_service* smtp = nullptr;
    for (const auto& one : at.postfix->services)
        if (one.name == "smtp" && one.type == "unix") smtp = &one;
    if (smtp == nullptr) return;
    for (const char* name : {"smtp_generic_maps", "smtp_header_checks", "smtp_mime_header_checks",
                             "smtp_nested_header_checks", "smtp_body_checks"})
        if (const auto& value = at.postfix->parameter(*smtp, name); !value.empty())
            to.push_back(
                {{}, std::string{name} + " = " + value + ".", why, set_parameter(at, std::string{name} + '=')});
    if (at.postfix->parameter(*smtp, "disable_mime_output_conversion") == "no")
        to.push_back({{},
                      "disable_mime_output_conversion = no: 8-bit text is converted for servers without 8BITMIME.",
                      why,
                      set_parameter(at, "disable_mime_output_conversion=yes")});
}

constexpr diagnosis table[] = {
    {"postfix-down", "Does Postfix run?", down},
    {"setup-unfinished", "Is setup done?", unfinished},
    {"bare-newline", "Does a line end with CRLF alone?", bare_newline},
    {"changes-after-signing", "Do messages leave as they were signed?", changes_after_signing},
};

} // namespace

std::span<const diagnosis> mail_server_diagnoses() {
    return table;
}

} // namespace postsluice::admin::doctor
