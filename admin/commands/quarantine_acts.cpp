// SPDX-License-Identifier: Apache-2.0
// What is done with messages in quarantine: with those that are named, or with all that a filter finds. One request a
// message; what was done is told at once, and stays done where a later one fails.
#include "admin/commands/quarantine_acts.hpp"

#include "admin/commands/quarantine_query.hpp"
#include "admin/human.hpp"
#include "admin/table.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"

#include <iostream>
#include <limits>
#include <optional>
#include <unistd.h>
#include <variant>

namespace postsluice::admin {

namespace {

using nlohmann::json;

struct deed {
    std::string_view question; ///< "Delete"
    std::string_view done;     ///< "Deleted"
    json request;              ///< all but the id
    bool always_ask = false;   ///< also for messages that were named
    void (*tell)(context&, const json&);
    bool (*complete)(const json&);
};

/// As people type it: lower case, O for 0. What is no reference goes as it is, and is not found.
std::string id_of(const std::string& given) {
    std::string id = normalise_reference(given);
    return id.empty() ? given : id;
}

/// The ids, or the exit code where there are none to act on.
std::variant<std::vector<std::string>, int> chosen(context& ctx, const arguments& given) {
    std::vector<std::string> ids;
    for (const auto& one : given.all("ID"))
        ids.push_back(id_of(one));
    const bool filter = has_filter(given);
    if (ids.empty() == !filter)
        return ctx.fail(exit_usage,
                        ids.empty() ? "name messages, or say which by a filter (see --help)"
                                    : "name messages, or say which by a filter, not both",
                        "usage");
    if (!filter) return ids;
    auto request = quarantine_request(ctx, given);
    if (!request) return ctx.fail(exit_usage, request.error().detail, "usage");
    const auto all =
        list_quarantine(ctx, std::move(*request), std::numeric_limits<std::size_t>::max(), [&](const json& page) {
            for (const auto& entry : page)
                ids.push_back(text_of(entry, "id"));
        });
    if (!all.last.ok()) return ctx.fail(all.last);
    if (ids.empty()) return ctx.fail(exit_not_found, "no message in quarantine is like that", "not-found");
    return ids;
}

/// Nothing is asked of programs, nor where nobody can answer: they say --yes.
bool confirmed(context& ctx, const arguments& given, const deed& what, std::size_t messages) {
    if (given.get("--yes")) return true;
    if (ctx.json() || ::isatty(STDIN_FILENO) == 0) {
        ctx.fail(exit_usage, "nobody is here to ask: say --yes", "usage");
        return false;
    }
    ctx.out << what.question << " " << say_count(static_cast<std::int64_t>(messages), "message") << "? [y/N] "
            << std::flush;
    std::string answer;
    std::getline(std::cin, answer);
    if (iequals(trim(answer), "y") || iequals(trim(answer), "yes")) return true;
    ctx.note("nothing was done");
    return false;
}

reply act(context& ctx, const deed& what, const std::string& id) {
    auto request = what.request;
    request["id"] = id;
    // The next hop may take its time for each recipient.
    return ctx.ask(daemon::contentfilter, request, std::chrono::seconds{60});
}

int act_on_one(context& ctx, const deed& what, const std::string& id) {
    const auto r = act(ctx, what, id);
    if (!r.ok()) return ctx.fail(r);
    const int exit = what.complete(r.body) ? exit_done : exit_refused;
    if (ctx.json()) return ctx.print_json(r.body), exit;
    what.tell(ctx, r.body);
    return exit;
}

int act_on_many(context& ctx, const deed& what, const std::vector<std::string>& ids) {
    std::optional<json_stream> document;
    if (ctx.json()) document.emplace(ctx.out, "messages");
    std::size_t done = 0;
    int exit = exit_done;
    for (const auto& id : ids) {
        const auto r = act(ctx, what, id);
        const bool good = r.ok() && what.complete(r.body);
        done += good ? 1 : 0;
        if (!good) exit = exit_refused;
        if (document)
            document->add(r.ok() ? r.body : json{{"ok", false}, {"id", id}, {"error", r.error}, {"code", r.code}});
        else if (r.ok())
            what.tell(ctx, r.body);
        else
            ctx.note(id + ": " + r.error);
        if (r.exit == exit_daemon_down) break;
    }
    if (document)
        document->end({{"done", done}, {"of", ids.size()}, {"ok", exit == exit_done}});
    else
        ctx.out << what.done << " " << done << " of " << ids.size() << " messages.\n";
    return exit;
}

int carry_out(context& ctx, const arguments& given, const deed& what) {
    auto found = chosen(ctx, given);
    if (const auto* const exit = std::get_if<int>(&found)) return *exit;
    const auto& ids = std::get<std::vector<std::string>>(found);
    const bool named = !has_filter(given);
    if ((what.always_ask || !named) && !confirmed(ctx, given, what, ids.size())) return exit_usage;
    return named && ids.size() == 1 ? act_on_one(ctx, what, ids.front()) : act_on_many(ctx, what, ids);
}

void tell_release(context& ctx, const json& body) {
    const auto kept = number_of(body, "kept");
    const bool complete = flag_of(body, "complete");
    ctx.out << "Released " << printable(text_of(body, "id")) << ", signed and handed on for "
            << printable(join(part_of(body, "delivered")));
    if (complete && kept > 0) ctx.out << "; still in quarantine for " << say_count(kept, "recipient");
    ctx.out << ".\n";
    const auto learned = text_of(body, "learned");
    if (learned == "failed")
        ctx.note("it could not be learned as ham; the filter's log says why");
    else if (!learned.empty())
        ctx.out << "Learned as ham.\n";
    if (complete) return;
    table remaining{{"STILL IN QUARANTINE FOR", "BECAUSE"}};
    for (const auto& rest : part_of(body, "remaining"))
        remaining.row({text_of(rest, "recipient"), text_of(rest, "reply")});
    remaining.print(ctx.out, "Some recipients are still in quarantine.");
}

void tell_delete(context& ctx, const json& body) {
    const auto learned = text_of(body, "learned");
    ctx.out << "Deleted " << printable(text_of(body, "id")) << (learned.empty() ? "" : ", learned as spam") << ".\n";
}

bool always(const json&) {
    return true;
}

} // namespace

int release_quarantined(context& ctx, const arguments& given) {
    json request = {{"verb", "quarantine release"}};
    if (const auto to = given.all("--to"); !to.empty()) request["recipients"] = to;
    if (const auto redirect = given.get("--redirect")) request["redirect"] = *redirect;
    if (given.get("--keep")) request["keep"] = true;
    if (given.get("--force")) request["force"] = true;
    if (given.get("--ham")) request["learn"] = "ham";
    return carry_out(ctx, given, {"Release", "Released", std::move(request), false, tell_release, [](const json& body) {
                                      return flag_of(body, "complete");
                                  }});
}

int delete_quarantined(context& ctx, const arguments& given) {
    json request = {{"verb", "quarantine delete"}};
    if (given.get("--spam")) request["learn"] = "spam";
    return carry_out(ctx, given, {"Delete", "Deleted", std::move(request), true, tell_delete, always});
}

int keep_quarantined(context& ctx, const arguments& given) {
    return carry_out(ctx, given,
                     {"Keep",
                      "Kept",
                      {{"verb", "quarantine keep"}},
                      false,
                      [](context& c, const json& body) {
                          c.out << printable(text_of(body, "id")) << " leaves the quarantine only by hand now.\n";
                      },
                      always});
}

} // namespace postsluice::admin
