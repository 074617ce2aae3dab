// SPDX-License-Identifier: Apache-2.0
#include "admin/commands/account_show.hpp"

#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/render.hpp"
#include "admin/table.hpp"
#include "shared/core/text.hpp"

#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

std::string say_mode(const json& a) {
    if (flag_of(a, "observe")) return "observed only: nothing is refused";
    const auto rules = join(part_of(a, "observe_rules"));
    return rules.empty() ? "" : "observed only by: " + rules;
}

std::string say_totals(const json& totals, instant now) {
    if (totals.empty()) return "nothing since the daemon's start";
    std::string text = say_count(number_of(totals, "messages"), "message") + " and " +
                       say_count(number_of(totals, "recipients"), "recipient") + " accepted, " +
                       std::to_string(number_of(totals, "refused")) + " refused";
    if (const auto observed = number_of(totals, "observed"); observed > 0)
        text += ", " + std::to_string(observed) + " would have been refused";
    return text + ", since " + say_time(time_of(totals, "since"), now);
}

void print_facts(context& ctx, const json& a) {
    const json& from = part_of(a, "from");
    fact_list facts;
    facts.add("Account", text_of(a, "account"));
    facts.add("Entry", text_of(a, "entry"));
    if (text_of(a, "login") != text_of(a, "account")) facts.add("Login", text_of(a, "login"));
    facts.add("Profile", text_of(a, "profile") + " (by " + text_of(a, "chosen_by", "default") + ")");
    facts.add("From", text_of(from, "allowed", text_of(from, "rule")));
    facts.add("Mode", say_mode(a));
    facts.add("State", flag_of(a, "locked") ? say_lock(part_of(a, "lock"), ctx.now()) : "open");
    facts.add("So far", say_totals(part_of(a, "totals"), ctx.now()));
    facts.print_wrapped(ctx.out);
}

/// Two or three lines each: a table of these would be 150 columns wide.
void print_refusals(context& ctx, const json& refusals, bool observed, std::string_view when_none) {
    bool any = false;
    for (const auto& r : refusals) {
        if (flag_of(r, "observed") != observed) continue;
        any = true;
        const auto rule = text_of(r, "rule");
        ctx.out << "  " << printable(text_of(r, "reference")) << "  " << printable(text_of(r, "reason"))
                << (rule.empty() ? "" : " (rule " + printable(rule) + ")") << ", "
                << say_count(number_of(r, "count", 1), "time") << '\n';
        ctx.out << "            last " << say_time(time_of(r, "last"), ctx.now()) << '\n';
        print_wrapped(ctx.out, printable(text_of(r, "detail")), "            ", "            ");
    }
    if (!any) ctx.out << "  " << when_none << '\n';
}

void print_events(context& ctx, const json& events) {
    for (const auto& e : events) {
        ctx.out << "  " << say_time(time_of(e, "at"), ctx.now()) << ": " << printable(text_of(e, "kind")) << " by "
                << printable(text_of(e, "actor", "postsluice")) << '\n';
        auto cause = printable(text_of(e, "cause"));
        if (const auto reference = text_of(e, "reference"); !reference.empty())
            cause += (cause.empty() ? "ref " : ", ref ") + printable(reference);
        if (!cause.empty()) print_wrapped(ctx.out, cause, "    ", "    ");
    }
    if (events.empty()) ctx.out << "  It was never locked.\n";
}

void print_strikes(context& ctx, const json& all) {
    table strikes{{"TIME", "KIND", ">WEIGHT", "REF"}};
    for (const auto& s : all)
        strikes.row({say_time(time_of(s, "at"), ctx.now()), text_of(s, "kind"),
                     std::to_string(number_of(s, "weight", 1)), text_of(s, "reference")});
    strikes.print(ctx.out, "No strikes are remembered.", 2);
}

bool has_observed(const json& refusals) {
    for (const auto& r : refusals)
        if (flag_of(r, "observed")) return true;
    return false;
}

} // namespace

int show_account(context& ctx, const arguments& given) {
    const auto r = ctx.ask(daemon::policyd, {{"verb", "account show"}, {"account", given["ACCOUNT"]}});
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    const json& a = r.body;
    const json& refusals = part_of(a, "refusals");
    print_facts(ctx, a);
    ctx.out << "\nLimits\n";
    print_use(ctx, part_of(a, "use"), 2);
    for (const auto& one : part_of(a, "counted_elsewhere"))
        print_wrapped(ctx.out, printable(text_of(one, "limit")) + " (counted for each " + text_of(one, "under") + ")",
                      "  ", "    ");
    print_overrides(ctx, a);
    ctx.out << "\nRefusals\n";
    print_refusals(ctx, refusals, false, "Nothing was refused.");
    if (has_observed(refusals)) {
        ctx.out << "\nObserved: would have been refused\n";
        print_refusals(ctx, refusals, true, "");
    }
    ctx.out << "\nLocks and unlocks\n";
    print_events(ctx, part_of(a, "events"));
    ctx.out << "\nStrikes\n";
    print_strikes(ctx, part_of(a, "strikes"));
    return exit_done;
}

} // namespace postsluice::admin
