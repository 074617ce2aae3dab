// SPDX-License-Identifier: Apache-2.0
// A reference may belong to a refusal (policyd), to a message (contentfilter), or to a lock and the message that caused
// it (both): so both daemons are asked, and what either knows is shown.
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/render.hpp"
#include "admin/table.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"

#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

void print_refusal(context& ctx, const json& r) {
    ctx.out << printable(text_of(r, "sentence"))
            << (flag_of(r, "observed") ? " (Observe mode: nothing was refused.)" : "") << '\n';
    fact_list facts;
    facts.add("Account", text_of(r, "account"));
    facts.add("Reason", text_of(r, "reason") + (text_of(r, "subject").empty() ? "" : ": " + text_of(r, "subject")));
    facts.add("Rule", text_of(r, "rule"));
    facts.add("Reply", text_of(r, "detail"));
    facts.add("Refusals", std::to_string(number_of(r, "count", 1)));
    facts.add("First", say_time(time_of(r, "first"), ctx.now()));
    facts.add("Last", say_time(time_of(r, "last"), ctx.now()));
    facts.add("Client", text_of(r, "client"));
    facts.add("Sender", text_of(r, "sender"));
    facts.add("Recipient", text_of(r, "recipient"));
    facts.add("Queue ID", text_of(r, "queue_id"));
    facts.print(ctx.out, 2);
}

void print_lock(context& ctx, const json& lock) {
    if (!flag_of(lock, "locked")) return;
    const auto account = text_of(lock, "account");
    ctx.out << "The account " << printable(account) << " is " << printable(say_lock(lock, ctx.now())) << ".\n"
            << "  To open it: postsluice unlock " << printable(account) << '\n';
}

void print_message(context& ctx, const json& answer) {
    print_event(ctx, part_of(answer, "event"));
    const json& entry = part_of(answer, "quarantined");
    if (entry.empty()) return;
    ctx.out << "The message is in quarantine.\n"
            << "  To deliver it: postsluice release " << text_of(entry, "id")
            << (text_of(entry, "reason") == "virus" ? " --force" : "") << '\n';
}

int why(context& ctx, const arguments& given) {
    const std::string reference = normalise_reference(given["REF"]);
    if (reference.empty())
        return ctx.fail(exit_usage,
                        "\"" + given["REF"] + "\" is not a reference; it is eight letters and digits, as K7QM2P4X",
                        "malformed");
    const json request = {{"verb", "why"}, {"ref", reference}};
    const reply refused = ctx.ask(daemon::policyd, request);
    if (refused.exit == exit_config) return ctx.fail(refused);
    const reply judged = ctx.ask(daemon::contentfilter, request);

    if (!refused.ok() && !judged.ok()) {
        // Who is down might have known it; that comes before "not found".
        const reply& first = refused.exit == exit_not_found ? judged : refused;
        if (first.exit != exit_not_found) return ctx.fail(first);
        return ctx.fail(exit_not_found, "the reference " + reference + " is not known, or no longer", "not-found");
    }
    for (const auto* r : {&refused, &judged})
        if (!r->ok() && r->exit != exit_not_found) ctx.note(r->error);
    if (ctx.json()) {
        ctx.print_json({{"reference", reference},
                        {"policyd", refused.ok() ? refused.body : json{}},
                        {"contentfilter", judged.ok() ? judged.body : json{}}});
        return exit_done;
    }
    if (judged.ok()) print_message(ctx, judged.body);
    if (judged.ok() && refused.ok()) ctx.out << '\n';
    if (refused.ok()) {
        if (refused.body.contains("refusal")) print_refusal(ctx, part_of(refused.body, "refusal"));
        print_lock(ctx, part_of(refused.body, "lock"));
    }
    return exit_done;
}

} // namespace

std::vector<command> why_commands() {
    return {
        {"why", "", "explain the reference in a refusal", {{"REF", "as it stands in the reply: K7QM2P4X"}}, "", why}};
}

} // namespace postsluice::admin
