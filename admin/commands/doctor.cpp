// SPDX-License-Identifier: Apache-2.0
// What is wrong with the installation. Exit code 0: nothing was found; 1: something was.
#include "admin/doctor/doctor.hpp"
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/table.hpp"
#include "shared/core/text.hpp"

#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

void print_json(context& ctx, const doctor::evidence& at, const doctor::findings& found) {
    json list = json::array();
    for (const auto& one : found)
        list.push_back({{"diagnosis", one.diagnosis}, {"what", one.what}, {"why", one.why}, {"mend", one.mend}});
    ctx.print_json({{"ok", found.empty()}, {"findings", std::move(list)}, {"unseen", at.unseen}});
}

int examine(context& ctx, const arguments& given) {
    const auto at = doctor::gather(ctx, given.get("--postfix-config").value_or(""));
    const auto found = doctor::diagnose(at);
    const int exit = found.empty() ? exit_done : exit_refused;
    if (ctx.json()) return print_json(ctx, at, found), exit;
    for (const auto& one : found) {
        print_wrapped(ctx.out, printable(one.what, 1000), one.diagnosis + ": ", "  ");
        print_wrapped(ctx.out, printable(one.why, 1000), "  ", "  ");
        // As it is to be typed: on one line.
        ctx.out << "  mend: " << printable(one.mend, 2000) << "\n\n";
    }
    for (const auto& one : at.unseen)
        print_wrapped(ctx.out, printable(one, 1000), "not seen: ", "  ");
    ctx.out << (found.empty() ? "Nothing is wrong that can be seen from here.\n"
                              : say_count(static_cast<std::int64_t>(found.size()), "finding") + ".\n");
    return exit;
}

} // namespace

std::vector<command> doctor_commands() {
    return {{"doctor",
             "",
             "what is wrong with this installation, why it matters, and what mends it",
             {{"--postfix-config", "directory of main.cf, where it is not Postfix's own", false, "DIR"}},
             "",
             examine}};
}

} // namespace postsluice::admin
