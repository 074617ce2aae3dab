// SPDX-License-Identifier: Apache-2.0
#include "admin/render.hpp"

#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/table.hpp"
#include "shared/core/text.hpp"

#include <ostream>

namespace postsluice::admin {

void print_use(context& ctx, const nlohmann::json& uses, std::size_t indent) {
    table t{{"LIMIT", ">USED", ">OF", "NEXT"}};
    for (const auto& use : uses) {
        const auto count = number_of(use, "count", -1);
        const auto wait = number_of(use, "frees_in");
        const bool bytes = text_of(use, "unit") == "bytes";
        const auto say = [bytes](std::int64_t n) {
            return bytes ? say_size(static_cast<std::uint64_t>(n)) : std::to_string(n);
        };
        t.row({text_of(use, "subject"), say(number_of(use, "used")), count < 0 ? "unlimited" : say(count),
               wait > 0 ? "in " + say_duration(seconds{wait}) : "now"});
    }
    t.print(ctx.out, "No limits apply to it.", indent);
}

void print_findings(context& ctx, const nlohmann::json& findings) {
    if (findings.empty()) return;
    ctx.out << "Found\n";
    for (const auto& f : findings)
        if (f.is_string()) ctx.out << "  " << printable(f.get<std::string>()) << '\n';
}

void print_event(context& ctx, const nlohmann::json& event) {
    ctx.out << printable(text_of(event, "sentence"))
            << (flag_of(event, "observed") ? " (Observe mode: the message went on.)" : "") << '\n';
    fact_list facts;
    facts.add("Account", text_of(event, "account"));
    facts.add("Verdict", text_of(event, "verdict"));
    facts.add("Reason", text_of(event, "reason"));
    facts.add("Time", say_time(time_of(event, "at"), ctx.now()));
    facts.add("Sender", text_of(event, "sender"));
    facts.add("Recipients", join(part_of(event, "recipients")));
    facts.add("Message-ID", text_of(event, "message_id"));
    facts.add("Queue ID", text_of(event, "queue_id"));
    facts.print(ctx.out, 2);
    print_findings(ctx, part_of(event, "findings"));
}

void print_overrides(context& ctx, const nlohmann::json& answer) {
    const auto& all = part_of(answer, "overrides");
    if (all.empty()) return;
    table t{{"LIMIT", "UNTIL", "BY", "SET", "WHY"}};
    for (const auto& o : all) {
        const auto until = time_of(o, "until");
        t.row({text_of(o, "limit"), until ? say_time(until, ctx.now()) : "cleared", text_of(o, "actor"),
               say_time(time_of(o, "set"), ctx.now()), text_of(o, "why")});
    }
    ctx.out << "\nSet by an operator\n";
    t.print(ctx.out, "", 2);
}

} // namespace postsluice::admin
