// SPDX-License-Identifier: Apache-2.0
// What receivers will make of a domain's SPF record when this server sends its mail.
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/table.hpp"

#include <algorithm>

namespace postsluice::admin {
namespace {

using nlohmann::json;

int check(context& ctx, const arguments& given) {
    json request = {{"verb", "spf check"}, {"domain", given["DOMAIN"]}};
    if (const auto ip = given.get("--ip")) request["ip"] = *ip;
    if (const auto sender = given.get("--sender")) request["sender"] = *sender;
    const auto r = ctx.ask(daemon::policyd, request);
    if (!r.ok()) return ctx.fail(r);
    const json& results = part_of(r.body, "results");
    const bool pass = std::ranges::all_of(results, [](const json& one) { return text_of(one, "result") == "pass"; });
    if (ctx.json()) return ctx.print_json(r.body), pass ? exit_done : exit_refused;
    table t{{"ADDRESS", "RESULT", "WHY"}};
    for (const auto& one : results)
        t.row({text_of(one, "address"), text_of(one, "result"), text_of(one, "explanation")});
    t.print(ctx.out, "There is no address to ask about.");
    return pass ? exit_done : exit_refused;
}

} // namespace

std::vector<command> spf_commands() {
    return {{"spf",
             "check",
             "does the SPF record of a domain permit this server; exit 1 where it does not",
             {{"DOMAIN", "the domain of the envelope sender"},
              {"--ip", "ask about this address instead of outbound_addresses", false, "ADDRESS"},
              {"--sender", "the whole envelope sender, where the record has macros", false, "ADDRESS"}},
             "",
             check}};
}

} // namespace postsluice::admin
