// SPDX-License-Identifier: Apache-2.0
// The option table printed: defaults, the commented sample, and rows for programs.
#include "shared/config/load.hpp"
#include "shared/config/options.hpp"

namespace postsluice::config {
namespace {

std::string_view section_of(std::string_view key) {
    const auto dot = key.find('.');
    return dot == std::string_view::npos ? std::string_view{} : key.substr(0, dot);
}
std::string_view name_in_section(std::string_view key) { return key.substr(key.find('.') + 1); }

// `line` writes one option; sections get their heading when they begin.
template <class Line>
std::string by_section(Line line) {
    std::string out;
    std::string_view section;
    const settings defaults;
    for (const auto& row : setting_options()) {
        if (section_of(row.key) != section) {
            section = section_of(row.key);
            out += "\n[" + std::string{section} + "]\n";
        }
        out += line(row, defaults);
    }
    return out;
}

template <class Subject>
void describe(std::vector<option_info>& out, const std::string& prefix, const std::vector<option<Subject>>& rows, const Subject& defaults) {
    for (const auto& row : rows) out.push_back({prefix + std::string{row.key}, row.print(defaults), row.range, std::string{row.help}});
}

} // namespace

std::string print_defaults() {
    std::string out = by_section([](const option<settings>& row, const settings& defaults) {
        return std::string{name_in_section(row.key)} + " = " + row.print(defaults) + "\n";
    });
    out += "\n[profile.default]\n";
    const profile p = default_profile();
    for (const auto& row : profile_options()) out += std::string{row.key} + " = " + row.print(p) + "\n";
    return out;
}

std::string print_sample() {
    std::string out = "# Postsluice: /etc/postsluice/postsluice.toml. Every option with its default; remove the # to change it.\n"
                      "# Files in conf.d/ beside this one are read too, in the order of their names.\n";
    const auto line = [](const auto& row, const auto& defaults) {
        return "# " + std::string{row.help} + "\n#   " + row.range + "\n#" + std::string{name_in_section(row.key)} + " = " + row.print(defaults) + "\n";
    };
    out += by_section(line);
    out += "\n# A profile: what an account may do. Without `inherits` it has no limits but its own.\n[profile.default]\n";
    const profile p = default_profile();
    for (const auto& row : profile_options()) out += line(row, p);
    out += "# The profile whose values this one begins with.\n#inherits = \"default\"\n";
    out += "\n# Accounts that are not simply a login: first match wins.\n#[[account]]\n";
    const account_entry account;
    for (const auto& row : account_options()) out += line(row, account);
    out += "\n# Who gets which profile: first match wins, then \"default\".\n#[[assign]]\n";
    const assign_entry assign;
    for (const auto& row : assign_options()) out += line(row, assign);
    return out;
}

std::vector<option_info> describe_options() {
    std::vector<option_info> out;
    describe(out, "", setting_options(), settings{});
    describe(out, "profile.NAME.", profile_options(), default_profile());
    out.push_back({"profile.NAME.inherits", "", "the name of a profile", "The profile whose values this one begins with."});
    describe(out, "account.", account_options(), account_entry{});
    describe(out, "assign.", assign_options(), assign_entry{});
    return out;
}

} // namespace postsluice::config
