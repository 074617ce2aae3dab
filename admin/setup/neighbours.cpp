// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/neighbours.hpp"

#include "admin/doctor/postfix.hpp"
#include "admin/setup/main_cf.hpp"
#include "admin/setup/master_cf.hpp"

#include <algorithm>

namespace postsluice::admin::setup {
namespace {

constexpr std::string_view lists[] = {"smtpd_client_restrictions",     "smtpd_helo_restrictions",
                                      "smtpd_sender_restrictions",     "smtpd_relay_restrictions",
                                      "smtpd_recipient_restrictions",  "smtpd_data_restrictions",
                                      "smtpd_end_of_data_restrictions"};

void tell(std::vector<std::string>& to, const std::string& where, const std::string& name, const std::string& value) {
    if (value.empty()) return;
    if (name == "smtpd_milters" || name == "non_smtpd_milters") {
        to.push_back(where + ": " + name + " = " + value +
                     " stays: these milters see mail before Postsluice's filter.");
        if (value.find("opendkim") != std::string::npos || value.find(":8891") != std::string::npos)
            to.push_back(where + ": one of these milters looks like OpenDKIM: what it signed is not signed again; let "
                                 "one of the two sign.");
    }
    if (std::ranges::find(lists, name) == std::end(lists)) return;
    for (const auto& one : doctor::read_restrictions(value))
        if (one.word == "check_policy_service" && one.argument.find("postsluice") == std::string::npos)
            to.push_back(where + ": the policy service " + one.argument + " of " + name + " stays where it is" +
                         (where == "main.cf" ? "." : ", behind ours."));
}

} // namespace

std::vector<std::string> neighbours(const file_set& files) {
    std::vector<std::string> out;
    const logical_lines main{files.at("main.cf")}, master{files.at("master.cf")};
    for (const auto& one : main.pieces) {
        const auto name = parameter_name(one);
        if (!name.empty()) tell(out, "main.cf", name, parameter_value(one));
    }
    if (const auto filter = value_of(main, "content_filter"); filter && !filter->empty() && !is_ours(*filter))
        out.push_back("main.cf: content_filter = " + *filter + " stays for mail from other servers.");
    const auto relay =
        value_of(main, "smtpd_relay_restrictions").value_or("permit_mynetworks"); // Postfix's own begins so
    const bool login = value_of(main, "smtpd_sasl_auth_enable").value_or("no") == "yes";
    for (const auto& one : master.pieces) {
        const auto s = service::of(one);
        if (!s || is_ours(s->get(column::name))) continue;
        for (const auto& o : s->options())
            tell(out, s->label(), o.name, o.value);
        const auto type = s->get(column::type);
        if (s->program() != "smtpd" || (type != "inet" && type != "pass") || is_submission(one)) continue;
        if (s->find("smtpd_relay_restrictions").value_or(relay).find("permit_mynetworks") != std::string::npos)
            out.push_back(s->label() +
                          " relays for mynetworks and stays as it is: programs on those hosts can send there "
                          "past limits and filter. `postsluice doctor` says how to close that.");
        if (s->find("smtpd_sasl_auth_enable").value_or(login ? "yes" : "no") == "yes")
            out.push_back(s->label() + " lets users log in, too; it stays as it is, since mail from other servers may "
                                       "come there. Let users submit on port 587 or 465 only.");
    }
    return out;
}

} // namespace postsluice::admin::setup
