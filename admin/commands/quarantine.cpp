// SPDX-License-Identifier: Apache-2.0
#include "admin/commands/commands.hpp"
#include "admin/commands/quarantine_acts.hpp"
#include "admin/commands/quarantine_query.hpp"
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

/// "being released", "released in 3 h", or nothing.
std::string state_of(const json& entry, instant now) {
    if (flag_of(entry, "releasing")) return "being released";
    const auto at = time_of(entry, "release_at");
    if (at) return "leaves " + say_distance(*at, now);
    return flag_of(entry, "held") ? "held" : "";
}

void add_row(table& to, const json& e, instant now) {
    const auto state = state_of(e, now);
    to.row({text_of(e, "id"), say_time(time_of(e, "at"), now), text_of(e, "account"),
            join(part_of(e, "recipients"), ", ", 2), text_of(e, "reason") + (state.empty() ? "" : " (" + state + ")"),
            size_of(e), text_of(e, "subject")});
}

int list(context& ctx, const arguments& given) {
    auto request = quarantine_request(ctx, given);
    if (!request) return ctx.fail(exit_usage, request.error().detail, "usage");
    const auto most = static_cast<std::size_t>(std::stoul(given.get("--limit").value_or("100")));
    std::optional<json_stream> document;
    if (ctx.json()) document.emplace(ctx.out, "entries");
    const auto all = list_quarantine(ctx, std::move(*request), most, [&](const json& page) {
        table t{{"ID", "TIME", "ACCOUNT", "TO", "REASON", ">SIZE", "SUBJECT"}};
        for (const auto& entry : page)
            if (document)
                document->add(entry);
            else
                add_row(t, entry, ctx.now());
        if (!document) t.print(ctx.out, "");
    });
    if (document) {
        if (all.last.ok())
            document->end({{"total", all.total}, {"more", all.more}, {"ok", true}});
        else
            document->end({{"error", all.last.error}, {"code", all.last.code}, {"ok", false}});
    }
    if (!all.last.ok()) return document ? (ctx.note(all.last.error), all.last.exit) : ctx.fail(all.last);
    if (document) return exit_done;
    if (all.entries == 0)
        ctx.out << (has_filter(given) ? "Nothing in quarantine is like that.\n" : "The quarantine is empty.\n");
    if (all.more) ctx.out << "There are more; --limit shows them. The quarantine holds " << all.total << ".\n";
    return exit_done;
}

int show(context& ctx, const arguments& given) {
    std::string id = normalise_reference(given["ID"]); // as people type it
    if (id.empty()) id = given["ID"];
    const auto r = ctx.ask(daemon::contentfilter, {{"verb", "quarantine show"}, {"id", id}});
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
    facts.add("State", state_of(e, ctx.now()));
    facts.print(ctx.out);
    print_findings(ctx, part_of(e, "findings"));
    ctx.out << "\nHeader\n";
    const std::string header = text_of(r.body, "header");
    for (const auto line : split(header, '\n'))
        if (!trim(line).empty()) ctx.out << "  " << printable(line, 1000) << '\n';
    return exit_done;
}

} // namespace

std::vector<command> quarantine_commands() {
    const argument id{"ID", "the reference of the message"};
    const argument ids{"ID", "the references of messages", false, "MANY"};
    const argument yes{"--yes", "do not ask", false, "FLAG"};
    const auto with_filters = [](std::vector<argument> first) {
        for (auto& one : quarantine_filters())
            first.push_back(one);
        return first;
    };
    return {
        {"quarantine", "list", "what is in quarantine, newest first",
         with_filters({{"--limit", "how many", false, "NUMBER"}}), "", list},
        {"quarantine", "show", "one message: why, and its header", {id}, "", show},
        {"quarantine", "release", "sign it and send it on, without scanning it again",
         with_filters({ids,
                       {"--to", "only to this recipient of it; may be repeated", false, "ADDRESS..."},
                       {"--redirect", "to this address instead of its recipients", false, "ADDRESS"},
                       {"--keep", "keep it in quarantine as well", false, "FLAG"},
                       {"--force", "also what is kept for a virus", false, "FLAG"},
                       {"--ham", "teach the filter that it is honest mail", false, "FLAG"},
                       yes}),
         "release", release_quarantined},
        {"quarantine", "keep", "release it only by hand, not in its time", with_filters({ids, yes}), "",
         keep_quarantined},
        {"quarantine", "delete", "remove it for good",
         with_filters({ids, {"--spam", "teach the filter that it is spam", false, "FLAG"}, yes}), "",
         delete_quarantined},
    };
}

} // namespace postsluice::admin
