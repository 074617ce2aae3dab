// SPDX-License-Identifier: Apache-2.0
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/table.hpp"

#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

int whois(context& ctx, const arguments& given) {
    const auto r = ctx.ask(daemon::contentfilter, {{"verb", "whois"}, {"token", given["TOKEN"]}});
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    fact_list facts;
    facts.add("Account", text_of(r.body, "account"));
    facts.add("From", say_time(time_of(r.body, "from"), ctx.now()));
    const auto until = time_of(r.body, "until");
    facts.add("Until", until ? say_time(until, ctx.now()) : "now");
    facts.print(ctx.out);
    ctx.out << '\n';
    table t{{"TIME", "REF", "VERDICT", "REASON", "QUEUE ID", "MESSAGE-ID"}};
    for (const auto& e : part_of(r.body, "events"))
        t.row({say_time(time_of(e, "at"), ctx.now()), text_of(e, "reference"), text_of(e, "verdict"),
               text_of(e, "reason"), text_of(e, "queue_id"), text_of(e, "message_id")});
    t.print(ctx.out, "None of its messages was stopped or tagged.");
    return exit_done;
}

} // namespace

std::vector<command> whois_commands() {
    return {{"whois",
             "",
             "whose mail it is: the account behind a pseudonym",
             {{"TOKEN", "the value of the header field that contentfilter.identity_header names"}},
             "",
             whois}};
}

} // namespace postsluice::admin
