// SPDX-License-Identifier: Apache-2.0
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/render.hpp"
#include "admin/table.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

std::string size_of(const json& entry) {
    return say_size(static_cast<std::uint64_t>(std::max<std::int64_t>(number_of(entry, "size"), 0)));
}

/// As people type it: lower case, O for 0. What is no reference goes as it is, and is not found.
std::string id_of(const arguments& given) {
    const std::string id = normalise_reference(given["ID"]);
    return id.empty() ? given["ID"] : id;
}

int list(context& ctx, const arguments& given) {
    json request = {{"verb", "quarantine list"}, {"most", std::stoi(given.get("--most").value_or("100"))}};
    const auto account = given.get("--account");
    if (account) request["account"] = *account;
    const auto r = ctx.ask(daemon::contentfilter, request);
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    const json& entries = part_of(r.body, "entries");
    table t{{"ID", "TIME", "ACCOUNT", "TO", "REASON", ">SIZE", "SUBJECT"}};
    for (const auto& e : entries)
        t.row({text_of(e, "id"), say_time(time_of(e, "at"), ctx.now()), text_of(e, "account"),
               join(part_of(e, "recipients"), ", ", 2),
               text_of(e, "reason") + (flag_of(e, "releasing") ? " (being released)" : ""), size_of(e),
               text_of(e, "subject")});
    t.print(ctx.out, account ? "Nothing of " + printable(*account) + " is in quarantine." : "The quarantine is empty.");
    const auto total = number_of(r.body, "total");
    if (!account && total > static_cast<std::int64_t>(entries.size()))
        ctx.out << "These are the newest of " << total << "; --most shows more.\n";
    return exit_done;
}

int show(context& ctx, const arguments& given) {
    const auto r = ctx.ask(daemon::contentfilter, {{"verb", "quarantine show"}, {"id", id_of(given)}});
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    const json& e = part_of(r.body, "entry");
    fact_list facts;
    facts.add("ID", text_of(e, "id"));
    facts.add("Why", text_of(e, "sentence") + " (" + text_of(e, "reason") + ")");
    facts.add("Time", say_time(time_of(e, "at"), ctx.now()));
    facts.add("Account", text_of(e, "account"));
    facts.add("Sender", text_of(e, "sender"));
    facts.add("Recipients", join(part_of(e, "recipients")));
    facts.add("Subject", text_of(e, "subject"));
    facts.add("Size", size_of(e));
    facts.add("Queue ID", text_of(e, "queue_id"));
    facts.add("SHA-256", text_of(e, "digest"));
    facts.add("File", text_of(r.body, "file"));
    facts.add("State", flag_of(e, "releasing") ? "a release is under way" : "");
    facts.print(ctx.out);
    print_findings(ctx, part_of(e, "findings"));
    ctx.out << "\nHeader\n";
    const std::string header = text_of(r.body, "header");
    for (const auto line : split(header, '\n'))
        if (!trim(line).empty()) ctx.out << "  " << printable(line, 1000) << '\n';
    return exit_done;
}

int release(context& ctx, const arguments& given) {
    // The next hop may take its time for each recipient.
    const auto r = ctx.ask(daemon::contentfilter, {{"verb", "quarantine release"}, {"id", id_of(given)}},
                           std::chrono::seconds{60});
    if (!r.ok()) return ctx.fail(r);
    const bool complete = flag_of(r.body, "complete");
    if (ctx.json()) return ctx.print_json(r.body), complete ? exit_done : exit_refused;
    ctx.out << "Released " << printable(text_of(r.body, "id", given["ID"])) << ", signed and handed on for "
            << printable(join(part_of(r.body, "delivered"))) << ".\n";
    table remaining{{"STILL IN QUARANTINE FOR", "BECAUSE"}};
    for (const auto& rest : part_of(r.body, "remaining"))
        remaining.row({text_of(rest, "recipient"), text_of(rest, "reply")});
    if (!complete) remaining.print(ctx.out, "Some recipients are still in quarantine.");
    return complete ? exit_done : exit_refused;
}

int remove(context& ctx, const arguments& given) {
    const auto r = ctx.ask(daemon::contentfilter, {{"verb", "quarantine delete"}, {"id", id_of(given)}});
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    ctx.out << "Deleted " << printable(text_of(r.body, "id", given["ID"])) << ".\n";
    return exit_done;
}

} // namespace

std::vector<command> quarantine_commands() {
    const argument id{"ID", "the reference of the message"};
    return {
        {"quarantine",
         "list",
         "what is in quarantine, newest first",
         {{"--account", "of this account only", false, "ACCOUNT"}, {"--most", "how many", false, "NUMBER"}},
         "",
         list},
        {"quarantine", "show", "one message: why, and its header", {id}, "", show},
        {"quarantine", "release", "sign it and send it on, without scanning it again", {id}, "release", release},
        {"quarantine", "delete", "remove it for good", {id}, "", remove},
    };
}

} // namespace postsluice::admin
