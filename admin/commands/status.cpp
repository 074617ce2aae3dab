// SPDX-License-Identifier: Apache-2.0
// What both daemons are doing. Works with one of them down, says so, and exits with exit_daemon_down then.
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/table.hpp"

#include <algorithm>
#include <initializer_list>
#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

/// {"limit": 3, "none": 12} as "3 limit, 12 none", without zeros and without the names in `but`.
std::string say_counts(const json& counts, std::initializer_list<std::string_view> but = {}) {
    std::string out;
    for (const auto& [name, count] : counts.items()) {
        const bool skip = std::find(but.begin(), but.end(), name) != but.end();
        if (skip || !count.is_number() || count.get<double>() == 0) continue;
        out += (out.empty() ? "" : ", ") + std::to_string(number_of(counts, name)) + " " + name;
    }
    return out;
}

std::string say_if_any(const json& counts, std::string_view name, std::string_view noun, std::string_view rest = "") {
    const auto count = number_of(counts, name);
    return count > 0 ? say_count(count, noun) + std::string{rest} : "";
}

void head(context& ctx, daemon whom, const json& a) {
    ctx.out << text_of(a, "program", program_name(whom)) << " " << text_of(a, "version") << ": up "
            << say_duration(seconds{number_of(a, "uptime")}) << ", pid " << number_of(a, "pid")
            << (text_of(a, "mode") == "observe" ? ", observing: nothing is refused" : "") << '\n';
}

void print_policyd(context& ctx, const json& a) {
    head(ctx, daemon::policyd, a);
    const json& requests = part_of(a, "requests");
    const json& connections = part_of(a, "connections");
    const json& state = part_of(a, "state");
    const json& tickets = part_of(a, "tickets");
    fact_list facts;
    facts.add("requests", std::to_string(number_of(requests, "total")) + " (" +
                              say_count(number_of(requests, "violations"), "violation") +
                              " of the protocol), connections " + std::to_string(number_of(connections, "now")) +
                              " of " + std::to_string(number_of(connections, "limit")));
    facts.add("accepted", std::to_string(number_of(part_of(a, "decisions"), "accepted")));
    facts.add("refused", say_counts(part_of(a, "decisions"), {"accepted", "none"}));
    facts.add("observed", say_counts(part_of(a, "observed")));
    facts.add(
        "tickets",
        std::to_string(number_of(tickets, "issued")) + " issued" +
            (number_of(tickets, "failed") > 0 ? ", " + std::to_string(number_of(tickets, "failed")) + " failed" : ""));
    facts.add("notices", say_if_any(a, "notices_waiting", "notice", " waiting to be mailed"));
    if (state.contains("healthy") && !flag_of(state, "healthy"))
        facts.add("state", "TROUBLE: it cannot be written; on_error = " + text_of(a, "on_error"));
    facts.print(ctx.out, 2);
}

void print_accounts(context& ctx, const json& a) {
    table accounts{{"ACCOUNT", "PROFILE", "LOCKED", "LAST SEEN", "USE"}};
    for (const auto& account : part_of(a, "accounts"))
        accounts.row({text_of(account, "account"), text_of(account, "profile"),
                      flag_of(account, "locked") ? "locked" : "-", say_time(time_of(account, "last_seen"), ctx.now()),
                      say_uses(part_of(account, "use"))});
    ctx.out << "\nAccounts\n";
    accounts.print(ctx.out, "No account has sent anything that is still counted.", 2);

    table locks{{"ACCOUNT", "KIND", "UNTIL", "CAUSE", "REF"}};
    for (const auto& lock : part_of(a, "locks"))
        locks.row({text_of(lock, "account"), text_of(lock, "kind"),
                   time_of(lock, "until") ? say_time(time_of(lock, "until"), ctx.now()) : "somebody unlocks it",
                   text_of(lock, "cause"), text_of(lock, "reference")});
    ctx.out << "\nLocked\n";
    locks.print(ctx.out, "No account is locked.", 2);
}

void print_filter(context& ctx, const json& a) {
    head(ctx, daemon::contentfilter, a);
    const json& messages = part_of(a, "messages");
    const json& connections = part_of(a, "connections");
    const json& hop = part_of(a, "next_hop");
    const json& quarantine = part_of(a, "quarantine");
    const json& state = part_of(a, "state");
    fact_list facts;
    facts.add("messages",
              std::to_string(number_of(messages, "total")) + " (" +
                  say_size(static_cast<std::uint64_t>(std::max<std::int64_t>(number_of(messages, "octets"), 0))) +
                  "), " + std::to_string(number_of(messages, "in_progress")) + " in progress, connections " +
                  std::to_string(number_of(connections, "now")) + " of " +
                  std::to_string(number_of(connections, "limit")));
    facts.add("verdicts", say_counts(part_of(a, "verdicts")));
    facts.add("reasons", say_counts(part_of(a, "reasons")));
    facts.add("observed", say_counts(part_of(a, "observed")));
    facts.add("no ticket", say_if_any(messages, "no_ticket", "message"));
    facts.add("bounced", say_if_any(messages, "bounced", "recipient", ", as invalid recipients"));
    facts.add("own trouble", say_if_any(messages, "tempfailed", "message", " put off"));
    facts.add("signed", std::to_string(number_of(a, "signed")) + " with " +
                            say_count(static_cast<std::int64_t>(part_of(a, "keys").size()), "key"));
    facts.add("unsigned", say_counts(part_of(a, "unsigned")));
    for (const auto& e : part_of(a, "key_errors"))
        if (e.is_string()) facts.add("KEY ERROR", e.get<std::string>());
    facts.add("next hop", text_of(hop, "address") + ", reached " + say_time(time_of(hop, "reached"), ctx.now()));
    facts.add("last trouble", text_of(hop, "error"));
    facts.add("quarantine",
              say_count(number_of(quarantine, "entries"), "message") + ", " +
                  say_size(static_cast<std::uint64_t>(std::max<std::int64_t>(number_of(quarantine, "octets"), 0))) +
                  " of " +
                  say_size(static_cast<std::uint64_t>(std::max<std::int64_t>(number_of(quarantine, "limit"), 0))));
    if (const json& learned = part_of(a, "learned"); number_of(learned, "remembered") > 0)
        facts.add("learned", std::to_string(number_of(learned, "spam")) + " spam, " +
                                 std::to_string(number_of(learned, "ham")) +
                                 (flag_of(learned, "speaks") ? " ham" : " ham: not enough for bayes to speak"));
    if (flag_of(a, "stuck")) facts.add("TROUBLE", "a check is stuck; the daemon finishes its messages and restarts");
    if (state.contains("healthy") && !flag_of(state, "healthy")) facts.add("TROUBLE", "the state cannot be written");
    facts.print(ctx.out, 2);
}

int status(context& ctx, const arguments&) {
    const reply policyd = ctx.ask(daemon::policyd, {{"verb", "status"}});
    if (policyd.exit == exit_config) return ctx.fail(policyd);
    const reply filter = ctx.ask(daemon::contentfilter, {{"verb", "status"}});
    const int worst = std::max(policyd.exit, filter.exit);
    for (const auto* r : {&policyd, &filter})
        if (!r->ok()) ctx.note(r->error);
    if (ctx.json()) {
        const auto part = [](const reply& r) {
            return r.ok() ? r.body : json{{"ok", false}, {"error", r.error}, {"code", r.code}};
        };
        ctx.print_json({{"ok", worst == exit_done}, {"policyd", part(policyd)}, {"contentfilter", part(filter)}});
        return worst;
    }
    if (policyd.ok()) print_policyd(ctx, policyd.body);
    if (filter.ok()) print_filter(ctx, filter.body);
    if (policyd.ok()) print_accounts(ctx, policyd.body);
    return worst;
}

} // namespace

std::vector<command> status_commands() {
    return {{"status", "", "what both daemons are doing: accounts, use, locks, verdicts", {}, "", status}};
}

} // namespace postsluice::admin
