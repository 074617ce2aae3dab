// SPDX-License-Identifier: Apache-2.0
// What operators know to be bad: the filter knows it again, whoever sends it, and much of what is made like it.
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/message_files.hpp"
#include "admin/table.hpp"
#include "shared/core/random.hpp"
#include "shared/core/result.hpp"
#include "shared/core/text.hpp"

#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

int add(context& ctx, const arguments& given) {
    const auto message = read_message(given["FILE"]);
    if (!message) return ctx.fail(exit_refused, message.error().detail, "malformed");
    json request = {{"verb", "fingerprint add"}, {"content", base64(*message)}};
    if (const auto why = given.get("--why")) request["why"] = *why;
    const auto r = ctx.ask(daemon::contentfilter, request);
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    ctx.out << "Mail like this is kept from now on: " << text_of(r.body, "id") << ", by "
            << join(part_of(r.body, "fingerprints")) << ".\n";
    return exit_done;
}

int list(context& ctx, const arguments&) {
    const auto r = ctx.ask(daemon::contentfilter, {{"verb", "fingerprint list"}});
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    table t{{"ID", "ADDED", "BY", "SUBJECT", "FINGERPRINTS", "WHY"}};
    for (const auto& one : part_of(r.body, "messages"))
        t.row({text_of(one, "id"), say_time(time_of(one, "added"), ctx.now()), text_of(one, "actor"),
               text_of(one, "subject"), join(part_of(one, "fingerprints")), text_of(one, "why")});
    t.print(ctx.out, "No message was added.");
    return exit_done;
}

int remove(context& ctx, const arguments& given) {
    std::string id = normalise_reference(given["ID"]); // as people type it
    if (id.empty()) id = given["ID"];
    const auto r = ctx.ask(daemon::contentfilter, {{"verb", "fingerprint delete"}, {"id", id}});
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    ctx.out << id << " is forgotten; mail like it passes again.\n";
    return exit_done;
}

} // namespace

std::vector<command> fingerprint_commands() {
    return {
        {"fingerprint",
         "add",
         "keep mail like this from now on, whoever sends it",
         {{"FILE", "the message with its header; - for standard input"}, {"--why", "words for the findings", false}},
         "",
         add},
        {"fingerprint", "list", "the messages that were added, the newest first", {}, "", list},
        {"fingerprint", "delete", "forget one", {{"ID", "its reference"}}, "", remove},
    };
}

} // namespace postsluice::admin
