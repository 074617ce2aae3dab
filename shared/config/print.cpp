// SPDX-License-Identifier: Apache-2.0
// What is printed from the option rows: the defaults, the commented sample, and the list that `config defaults --json`
// and the manual's lint take.
#include "shared/config/print.hpp"
#include "shared/config/options.hpp"

namespace postsluice::config {
namespace {

constexpr std::size_t width = 110;

/// "# ..." lines of at most `width` octets.
std::string comment(std::string_view text) {
    std::string out, line = "#";
    while (!text.empty()) {
        const auto blank = text.find(' ');
        const auto word = text.substr(0, blank);
        text.remove_prefix(blank == std::string_view::npos ? text.size() : blank + 1);
        if (line.size() + 1 + word.size() > width) {
            out += line + "\n";
            line = "#";
        }
        line.append(" ").append(word);
    }
    return out + line + "\n";
}

template <class Section>
std::string values(const Section& section, const options<Section>& rows) {
    std::string out;
    for (const auto& row : rows)
        out += row.key + " = " + row.print(section) + "\n";
    return out;
}

template <class Section>
std::string sample(const Section& section, const options<Section>& rows) {
    std::string out;
    for (const auto& row : rows) {
        const auto value = row.print(section);
        const bool bare = value == "\"\"" || value == "[]" || value == "{}" || value == "\"0 B\"";
        out += comment(row.help + " (" + row.range + ")") + "#" + row.key + " = " +
               (bare && !row.example.empty() ? row.example : value) + "\n";
    }
    return out + "\n";
}

template <class Section>
void describe(std::vector<option_info>& into, const std::string& prefix, const Section& section,
              const options<Section>& rows) {
    for (const auto& row : rows)
        into.push_back({prefix + row.key, row.print(section), row.range, row.help});
}

profile_entry as_entry(const profile& p) {
    profile_entry out;
    static_cast<profile&>(out) = p;
    return out;
}

} // namespace

std::string print_settings(const settings& s) {
    std::string out = values(s, top_options());
    for_each_section(s, [&out](const std::string& name, std::string_view, const auto& section, const auto& rows) {
        out += "\n[" + name + "]\n" + values(section, rows);
    });
    for (const auto& [name, known] : s.profiles)
        out += "\n[profile." + quote(name) + "]\n" + values(as_entry(*known), profile_options());
    for (const auto& entry : s.accounts)
        out += "\n[[account]]\n" + values(entry, account_options());
    for (const auto& entry : s.customers)
        out += "\n[[customer]]\n" + values(entry, customer_options());
    for (const auto& entry : s.assigns)
        out += "\n[[assign]]\n" + values(entry, assign_options());
    for (const auto& entry : s.per_message)
        out += "\n[[settings]]\n" + values(entry, settings_options());
    return out;
}

std::string print_defaults() {
    settings s;
    s.profiles["default"] = std::make_shared<profile>(built_in_profile());
    return print_settings(s);
}

std::string print_sample() {
    const settings s;
    std::string out = comment("Postsluice: /etc/postsluice/postsluice.toml; files in conf.d/*.toml beside it are read "
                              "as well, in name order. Every "
                              "option is here with its default, or an example of it where it is empty. `postsluice "
                              "config check` reports every error.") +
                      "\n" + sample(s, top_options());
    for_each_section(s, [&out](const std::string& name, std::string_view help, const auto& section, const auto& rows) {
        out += comment(help) + "[" + name + "]\n\n" + sample(section, rows);
    });
    out += comment("What every account may do unless [[assign]] says otherwise. A profile takes from the one that it "
                   "inherits what it does not name.") +
           "[profile.default]\n\n" + sample(built_in_profile(), profile_options());
    out += comment("Accounts: the first that matches; every SASL login is an account by default.") +
           "#[[account]]\n\n" + sample(account_entry{}, account_options());
    out += comment("Customers: named sets of domains whose accounts share limits \"per customer\".") +
           "#[[customer]]\n\n" + sample(customer_entry{}, customer_options());
    out += comment("Who has which profile: the first that matches, then \"default\".") + "#[[assign]]\n\n" +
           sample(assign_entry{}, assign_options());
    out +=
        comment("What holds for some messages instead of what their profile says: the one of the highest priority that "
                "matches. What a sender can write (header, sender) only makes it stricter, unless account, "
                "login_domain or network say whose mail is meant.") +
        "#[[settings]]\n\n" + sample(settings_entry{}, settings_options());
    out.pop_back(); // one line end is enough
    return out;
}

std::vector<option_info> describe_options() {
    const settings s;
    std::vector<option_info> out;
    describe(out, "", s, top_options());
    for_each_section(s, [&out](const std::string& name, std::string_view, const auto& section, const auto& rows) {
        describe(out, name + ".", section, rows);
    });
    describe(out, "profile.NAME.", built_in_profile(), profile_options());
    describe(out, "account.", account_entry{}, account_options());
    describe(out, "customer.", customer_entry{}, customer_options());
    describe(out, "assign.", assign_entry{}, assign_options());
    describe(out, "settings.", settings_entry{}, settings_options());
    return out;
}

} // namespace postsluice::config
