// SPDX-License-Identifier: Apache-2.0
#include "admin/commands/account_show.hpp"
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/table.hpp"
#include "shared/core/text.hpp"

#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

void print_accounts(context& ctx, const json& accounts) {
    table t{{"ACCOUNT", "PROFILE", "LOCKED", "LAST SEEN", "USE"}};
    for (const auto& a : accounts)
        t.row({text_of(a, "account"), text_of(a, "profile"), flag_of(a, "locked") ? "locked" : "-",
               say_time(time_of(a, "last_seen"), ctx.now()), say_uses(part_of(a, "use"))});
    t.print(ctx.out, "No account has sent anything that is still counted.");
}

int list(context& ctx, const arguments& given) {
    const auto r =
        ctx.ask(daemon::policyd, {{"verb", "account list"}, {"most", std::stoi(given.get("--most").value_or("1000"))}});
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    print_accounts(ctx, part_of(r.body, "accounts"));
    return exit_done;
}

json change(std::string_view verb, const arguments& given) {
    json request = {{"verb", verb}, {"account", given["ACCOUNT"]}};
    if (const auto why = given.get("--why")) request["why"] = *why;
    return request;
}

int lock(context& ctx, const arguments& given) {
    const auto r = ctx.ask(daemon::policyd, change("account lock", given));
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    const auto account = printable(text_of(r.body, "account", given["ACCOUNT"]));
    ctx.out << account << " is locked until somebody unlocks it (postsluice unlock " << account << ").\n";
    return exit_done;
}

int unlock(context& ctx, const arguments& given) {
    const auto r = ctx.ask(daemon::policyd, change("account unlock", given));
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    ctx.out << printable(text_of(r.body, "account", given["ACCOUNT"]))
            << (flag_of(r.body, "was_locked") ? " is open again.\n"
                                              : " was not locked; its strikes and unlocks count anew.\n");
    return exit_done;
}

int reset(context& ctx, const arguments& given) {
    const auto r = ctx.ask(daemon::policyd, change("account reset", given));
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    ctx.out << printable(text_of(r.body, "account", given["ACCOUNT"]))
            << " is open; its use, strikes and unlocks are forgotten.\n";
    return exit_done;
}

} // namespace

std::vector<command> account_commands() {
    const argument account{"ACCOUNT", "a login, or the name of an [[account]]"};
    const argument why{"--why", "words for the history and the notice", false};
    return {
        {"account",
         "list",
         "accounts that sent lately or are locked",
         {{"--most", "how many", false, "NUMBER"}},
         "",
         list},
        {"account", "show", "one account: profile, limits, refusals, locks, strikes", {account}, "", show_account},
        {"account", "lock", "lock it until somebody unlocks it", {account, why}, "lock", lock},
        {"account", "unlock", "open it, and begin a clean slate", {account, why}, "unlock", unlock},
        {"account", "reset", "forget its use, strikes and unlocks, and open it", {account}, "", reset},
    };
}

} // namespace postsluice::admin
