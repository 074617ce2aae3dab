// SPDX-License-Identifier: Apache-2.0
#include "admin/command.hpp"
#include "admin/manual/manual.hpp"

#include <algorithm>

namespace postsluice::admin::manual {
namespace {

std::string name_of(const command& c) {
    return std::string{c.noun} + (c.verb.empty() ? "" : " " + std::string{c.verb});
}

/// "Ar ACCOUNT", "Fl -for Ar TIME", without the brackets of what may be left out.
std::string written(const argument& a) {
    if (a.name.starts_with("-"))
        return "Fl " + std::string{a.name.substr(1)} + (a.value == "FLAG" ? "" : " Ar " + std::string{a.value});
    return "Ar " + std::string{a.name} + (a.value == "MANY" ? " ..." : "");
}

bool may_be_left_out(const argument& a) {
    return !a.required || a.name.starts_with("-");
}

} // namespace

std::string overview() {
    std::string out = ".Bl -tag -width Ds\n";
    std::string_view noun;
    for (const auto& c : all_commands()) {
        if (c.noun != noun) out += ".It Xr postsluice-" + std::string{c.noun} + " 8\n";
        if (!c.verb.empty()) out += (c.noun == noun ? ".br\n" : "") + std::string{".Cm "} + std::string{c.verb} + "\n";
        out += text(c.help) + "\n";
        noun = c.noun;
    }
    return out + ".El\n";
}

std::string synopsis(std::string_view noun) {
    std::string out;
    for (const auto& c : all_commands()) {
        if (c.noun != noun) continue;
        out += ".Nm postsluice\n.Cm " + name_of(c) + "\n";
        for (const auto& a : c.takes)
            out += (may_be_left_out(a) ? ".Op " : ".") + written(a) + "\n";
    }
    return out;
}

std::string command_list(std::string_view noun) {
    std::string out;
    for (const auto& c : all_commands()) {
        if (c.noun != noun) continue;
        out += ".It Cm " + name_of(c) + "\n" + text(c.help) + ".\n";
        if (!c.short_form.empty()) out += ".Ql postsluice " + std::string{c.short_form} + "\nis the same.\n";
        if (c.takes.empty()) continue;
        out += ".Bl -tag -width Ds -compact\n";
        for (const auto& a : c.takes)
            out += ".It " + written(a) + "\n" + text(a.help) + "\n";
        out += ".El\n";
    }
    return out.empty() ? out : ".Bl -tag -width Ds\n" + out + ".El\n";
}

} // namespace postsluice::admin::manual
