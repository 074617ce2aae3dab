// SPDX-License-Identifier: Apache-2.0
#include "admin/manual/manual.hpp"
#include "shared/config/options.hpp"

namespace postsluice::admin::manual {
namespace {

/// One item a row: what it is for, what it may be, what it is where nobody says anything.
template <class Section>
void add(std::string& to, std::string_view title, std::string_view help, const Section& defaults,
         const config::options<Section>& rows) {
    to += ".Ss " + macro_text(title) + "\n" + text(help) + "\n.Bl -tag -width Ds\n";
    for (const auto& row : rows) {
        const auto value = row.print(defaults);
        to += ".It Va " + row.key + "\n" + text(row.help) + "\nValues: " + text(row.range) + ".\n";
        to += ".Dl " + macro_text(row.key + " = " + value) + "\n";
        if (!row.example.empty()) to += "For example:\n.Dl " + macro_text(row.key + " = " + row.example) + "\n";
    }
    to += ".El\n";
}

} // namespace

std::string option_list() {
    const config::settings defaults;
    std::string out;
    add(out, "At the top of the file", "Before the first section.", defaults, config::top_options());
    config::for_each_section(defaults, [&out](const std::string& name, std::string_view help, const auto& section,
                                              const auto& rows) { add(out, "[" + name + "]", help, section, rows); });
    add(out, "[profile.NAME]",
        "What accounts with this profile may do; a profile takes from the one that it inherits what it does not name.",
        config::built_in_profile(), config::profile_options());
    add(out, "[[account]]", "The first that matches; every SASL login is an account by default.",
        config::account_entry{}, config::account_options());
    add(out, "[[customer]]", "Named sets of domains whose accounts share limits per customer.",
        config::customer_entry{}, config::customer_options());
    add(out, "[[assign]]", "Who has which profile: the first that matches, then the profile default.",
        config::assign_entry{}, config::assign_options());
    add(out, "[[settings]]",
        "What holds for some messages instead of what their profile says: the one of the highest priority that "
        "matches. "
        "What a sender can write only makes it stricter, unless account, login_domain or network say whose mail is "
        "meant.",
        config::settings_entry{}, config::settings_options());
    return out;
}

} // namespace postsluice::admin::manual
