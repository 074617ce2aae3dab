// SPDX-License-Identifier: Apache-2.0
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/render.hpp"
#include "admin/table.hpp"
#include "shared/core/text.hpp"

#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

std::string say_policy(const json& lock) {
    const std::string after = join(part_of(lock, "after"));
    if (after.empty()) return "never locks by itself";
    return "after " + after + ", for " + say_duration(seconds{number_of(lock, "for")}) + ", " +
           say_count(number_of(lock, "automatic_unlocks"), "automatic unlock");
}

void print_profiles(context& ctx, const json& answer) {
    table t{{"PROFILE", "LIMITS", "FROM", "LOCK"}};
    for (const auto& p : part_of(answer, "profiles")) {
        std::string limits;
        for (const auto& l : part_of(p, "limits"))
            limits += (limits.empty() ? "" : ", ") + text_of(l, "limit");
        t.row({text_of(p, "profile"), limits.empty() ? "none" : limits, text_of(part_of(p, "from"), "rule"),
               say_policy(part_of(p, "lock"))});
    }
    t.print(ctx.out, "There are no profiles.");
    table assigns{{"LOGIN", "ACCOUNT", "PROFILE"}};
    for (const auto& a : part_of(answer, "assigns"))
        assigns.row({join(part_of(a, "login")), join(part_of(a, "account")), text_of(a, "profile")});
    ctx.out << "\nAssigned (the first that matches wins, then \"default\")\n";
    assigns.print(ctx.out, "Every account has the profile \"default\".", 2);
}

void print_account(context& ctx, const json& answer) {
    ctx.out << printable(text_of(answer, "account")) << ": profile " << text_of(answer, "profile") << " (by "
            << text_of(answer, "chosen_by", "default") << ")\n";
    print_use(ctx, part_of(answer, "use"), 0);
    print_overrides(ctx, answer);
}

json change(std::string_view verb, const arguments& given) {
    json request = {{"verb", verb}, {"account", given["ACCOUNT"]}};
    for (const auto& [option, key] : {std::pair{"LIMIT", "limit"}, {"--for", "for"}, {"--why", "why"}})
        if (const auto value = given.get(option)) request[key] = *value;
    return request;
}

int set(context& ctx, const arguments& given) {
    const auto r = ctx.ask(daemon::policyd, change("limit set", given));
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    ctx.out << printable(text_of(r.body, "account", given["ACCOUNT"])) << " has limits of its own.\n";
    print_overrides(ctx, r.body);
    return exit_done;
}

int clear(context& ctx, const arguments& given) {
    const auto r = ctx.ask(daemon::policyd, change("limit clear", given));
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    const auto cleared = number_of(r.body, "cleared");
    ctx.out << (cleared == 0 ? std::string{"No such limit was set for "} : say_count(cleared, "limit") + " cleared of ")
            << printable(text_of(r.body, "account", given["ACCOUNT"])) << ".\n";
    return cleared == 0 ? exit_not_found : exit_done;
}

int list(context& ctx, const arguments& given) {
    json request = {{"verb", "limit list"}};
    const auto account = given.get("ACCOUNT");
    if (account) request["account"] = *account;
    const auto r = ctx.ask(daemon::policyd, request);
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    if (account)
        print_account(ctx, r.body);
    else
        print_profiles(ctx, r.body);
    return exit_done;
}

} // namespace

std::vector<command> limit_commands() {
    return {{"limit",
             "list",
             "the limits of each profile, or of one account with their use",
             {{"ACCOUNT", "a login, or the name of an [[account]]", false}},
             "",
             list},
            {"limit",
             "set",
             "a limit for one account, in place of its profile's",
             {{"ACCOUNT", "a login, or the name of an [[account]]"},
              {"LIMIT", "as in \"2000 recipients per day\""},
              {"--for", "how long, as in \"3 days\"; without it, until it is cleared", false, "TIME"},
              {"--why", "words for those who look later", false}},
             "",
             set},
            {"limit",
             "clear",
             "the profile's limits hold again for one account",
             {{"ACCOUNT", "a login, or the name of an [[account]]"},
              {"LIMIT", "which one, as in \"recipients per day\"; without it, all", false}},
             "",
             clear}};
}

} // namespace postsluice::admin
