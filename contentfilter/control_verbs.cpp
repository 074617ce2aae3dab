// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/control_verbs.hpp"

#include "config.h"
#include "contentfilter/act/pseudonyms.hpp"
#include "contentfilter/control_json.hpp"
#include "contentfilter/server.hpp"
#include "contentfilter/service.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <unistd.h>

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using namespace control_json;

namespace {

constexpr std::size_t recent_events = 10;

json program() {
    return {{"program", "postsluice-contentfilter"}, {"version", PACKAGE_VERSION}, {"pid", ::getpid()}};
}

json messages(const counters& of) {
    return {{"total", of.messages.load()},
            {"octets", of.octets.load()},
            {"in_progress", of.in_progress.load()},
            {"aborted", of.aborted.load()},
            {"no_ticket", of.no_ticket.load()},
            {"tempfailed", of.tempfailed.load()},
            {"bounce_notices", of.bounce_notices.load()},
            {"bounced", of.bounced.load()}};
}

json next_hop(const act::next_hop& of) {
    const auto now = of.status();
    json capabilities = json::array();
    for (const auto& one : now.capabilities)
        capabilities.push_back(printable(one));
    json reached;
    if (now.reached) reached = to_iso8601(std::chrono::time_point_cast<milliseconds>(*now.reached));
    return {{"address", now.address},
            {"capabilities", std::move(capabilities)},
            {"reached", std::move(reached)},
            {"error", printable(now.error)}};
}

json keys_of(const auth::key_table& table) {
    json out = json::array();
    for (const auto* one : table.all())
        out.push_back(key(*one));
    return out;
}

answer status(service* s, const server* connections, control::request_context, arguments) {
    const auto settings = s->settings();
    const auto& parts = s->of();
    const auto& counts = parts.counts;
    const auto kept = parts.kept.total();
    json out = program();
    out["started"] = to_iso8601(s->started());
    out["uptime"] = std::chrono::floor<seconds>(parts.time.now() - s->started()).count();
    out["mode"] = settings->mode == config::run_mode::observe ? "observe" : "enforce";
    out["connections"] = {{"now", connections->connections()},
                          {"total", counts.connections.load()},
                          {"refused", counts.connections_refused.load()},
                          {"limit", connections->most()}};
    out["messages"] = messages(counts);
    out["verdicts"] = verdicts(counts.verdicts);
    out["observed"] = verdicts(counts.observed);
    out["reasons"] = reasons(counts);
    out["unsigned"] = counts.unsigned_by_reason();
    out["signed"] = counts.signed_messages.load();
    out["next_hop"] = next_hop(*s->hop());
    out["next_hops"] = json::array();
    for (const auto hops = s->hops(); const auto& [address, one] : hops->all())
        out["next_hops"].push_back(next_hop(*one));
    out["keys"] = keys_of(*s->keys());
    out["key_errors"] = s->key_errors();
    out["quarantine"] = {{"entries", kept.entries},
                         {"octets", kept.octets},
                         {"limit", kept.max_octets},
                         {"max_entries", kept.max_entries}};
    if (json learned; learned_so_far(*s, learned)) out["learned"] = std::move(learned);
    out["stuck"] = parts.stuck();
    out["state"] = {
        {"healthy", parts.healthy()}, {"filter_fill", parts.filter_fill()}, {"state_fill", parts.state_fill()}};
    co_return control::success(std::move(out));
}

answer why(service* s, control::request_context, arguments given) {
    const auto asked = text(*given, "ref", true);
    if (!asked) co_return asked.error();
    const auto reference = normalise_reference(trim(*asked));
    const failure unknown{errc::not_found, "no message is known under reference " + printable(*asked, 64)};
    if (reference.empty()) co_return unknown;
    const auto found = s->of().events.find(reference);
    if (!found) co_return found.error();
    if (!*found) co_return unknown;
    const auto kept = s->of().kept.find(reference);
    json quarantined;
    if (kept && *kept) quarantined = entry(**kept);
    co_return control::success(
        {{"kind", "message"}, {"event", event(**found)}, {"quarantined", std::move(quarantined)}});
}

answer whois(service* s, control::request_context, arguments given) {
    const auto token = text(*given, "token", true);
    if (!token) co_return token.error();
    if (s->of().pseudonyms == nullptr) co_return failure{errc::not_found, "there are no pseudonyms here"};
    const auto found = s->of().pseudonyms->who(trim(*token));
    if (!found) co_return found.error();
    const auto recent = s->of().events.recent(found->account, recent_events);
    if (!recent) co_return recent.error();
    json events = json::array();
    for (const auto& one : *recent)
        events.push_back(event(one));
    json until;
    if (found->until) until = to_iso8601(*found->until);
    co_return control::success({{"account", printable(found->account)},
                                {"from", to_iso8601(found->from)},
                                {"until", std::move(until)},
                                {"events", std::move(events)}});
}

answer reload(service* s, control::request_context, arguments) {
    const auto outcome = s->reload();
    json errors = json::array();
    for (const auto& e : outcome.errors)
        errors.push_back({{"file", e.file},
                          {"line", e.line},
                          {"key", e.key},
                          {"text", printable(e.text, 1000)},
                          {"message", printable(e.message(), 1200)}});
    co_return control::success(
        {{"reloaded", outcome.errors.empty()}, {"errors", std::move(errors)}, {"key_errors", outcome.key_errors}});
}

answer ping(control::request_context, arguments) {
    co_return control::success(program());
}

} // namespace

void add_control_verbs(control::server& to, service& what, const server& connections) {
    const auto s = &what;
    const auto c = &connections;
    to.on("status", [s, c](auto who, auto given) { return status(s, c, std::move(who), std::move(given)); });
    to.on("why", [s](auto who, auto given) { return why(s, std::move(who), std::move(given)); });
    to.on("whois", [s](auto who, auto given) { return whois(s, std::move(who), std::move(given)); });
    to.on("reload", [s](auto who, auto given) { return reload(s, std::move(who), std::move(given)); });
    to.on("ping", [](auto who, auto given) { return ping(std::move(who), std::move(given)); });
    add_quarantine_verbs(to, what);
    add_message_verbs(to, what);
    add_fingerprint_verbs(to, what);
    add_dkim_verbs(to, what);
    add_learn_verbs(to, what);
}

} // namespace postsluice::contentfilter
