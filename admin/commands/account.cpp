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

void print_locks(context& ctx, const json& account) {
    table events{{"TIME", "WHAT", "BY", "CAUSE", "REF"}};
    for (const auto& e : part_of(account, "events"))
        events.row({say_time(time_of(e, "at"), ctx.now()), text_of(e, "kind"), text_of(e, "actor"), text_of(e, "cause"),
                    text_of(e, "reference")});
    ctx.out << "\nLocks and unlocks\n";
    events.print(ctx.out, "It was never locked.", 2);

    table strikes{{"TIME", "KIND", ">WEIGHT", "REF", "BY"}};
    for (const auto& s : part_of(account, "strikes"))
        strikes.row({say_time(time_of(s, "at"), ctx.now()), text_of(s, "kind"),
                     std::to_string(number_of(s, "weight", 1)), text_of(s, "reference"), text_of(s, "note")});
    ctx.out << "\nStrikes\n";
    strikes.print(ctx.out, "No strikes are remembered.", 2);
}

json change(std::string_view verb, const arguments& given) {
    json request = {{"verb", verb}, {"account", given["ACCOUNT"]}};
    for (const auto* option : {"why", "for", "kind"})
        if (const auto value = given.get(std::string{"--"} + option)) request[option] = *value;
    return request;
}

int lock(context& ctx, const arguments& given) {
    const auto r = ctx.ask(daemon::policyd, change("account lock", given));
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    const auto account = printable(text_of(r.body, "account", given["ACCOUNT"]));
    const auto until = time_of(part_of(r.body, "lock"), "until");
    if (!until)
        ctx.out << account << " is locked until somebody unlocks it (postsluice unlock " << account << ").\n";
    else
        ctx.out << account << " is locked until " << say_time(until, ctx.now()) << ".\n";
    return exit_done;
}

int history(context& ctx, const arguments& given) {
    json request = {{"verb", "account history"}, {"account", given["ACCOUNT"]}};
    request["most"] = std::stoi(given.get("--most").value_or("50"));
    const auto r = ctx.ask(daemon::policyd, request);
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    ctx.out << printable(text_of(r.body, "account", given["ACCOUNT"])) << " is "
            << (flag_of(r.body, "locked") ? say_lock(part_of(r.body, "lock"), ctx.now()) : "open") << ".\n";
    print_locks(ctx, r.body);
    return exit_done;
}

int strike(context& ctx, const arguments& given) {
    json request = change("account strike", given);
    if (const auto weight = given.get("--weight")) request["weight"] = std::stoi(*weight);
    const auto r = ctx.ask(daemon::policyd, request);
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    const json& lock = part_of(r.body, "lock");
    ctx.out << "A strike for " << text_of(part_of(r.body, "strike"), "kind") << " is held against "
            << printable(text_of(r.body, "account", given["ACCOUNT"])) << "; it is "
            << (flag_of(lock, "locked") ? say_lock(lock, ctx.now()) : "open") << ".\n";
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
    const argument subject{"ACCOUNT", "a login, the name of an [[account]], or domain:, customer:, client:, network:, "
                                      "sender:, sender-domain: and which"};
    const argument why{"--why", "words for the history and the notice", false};
    const argument until{"--for", "how long, as in \"2 hours\"; without it, until somebody unlocks it", false, "TIME"};
    const argument kind{"--kind",
                        "spam, phish, virus, limit, invalid-recipients, stolen-password, complaint or manual (default)",
                        false};
    const argument most{"--most", "how many", false, "NUMBER"};
    const argument weight{"--weight", "as how many it counts", false, "NUMBER"};
    return {
        {"account", "list", "accounts that sent lately or are locked", {most}, "", list},
        {"account", "show", "one account: profile, limits, refusals, locks, strikes", {account}, "", show_account},
        {"account", "history", "its locks, unlocks and strikes: who, when, why", {subject, most}, "", history},
        {"account",
         "strike",
         "hold something against it, as its profile's lock counts",
         {subject, kind, why, weight},
         "",
         strike},
        {"account", "lock", "lock it until somebody unlocks it", {subject, until, why}, "lock", lock},
        {"account", "unlock", "open it, and begin a clean slate", {subject, why}, "unlock", unlock},
        {"account", "reset", "forget its use, strikes and unlocks, and open it", {subject}, "", reset},
    };
}

} // namespace postsluice::admin
