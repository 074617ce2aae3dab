// SPDX-License-Identifier: Apache-2.0
// check and defaults work on files alone, with or without daemons; reload asks both daemons and shows what each said;
// set changes the file and reloads.
#include "admin/commands/commands.hpp"
#include "admin/commands/config_set.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "shared/core/text.hpp"
#include "shared/maps/map_set.hpp"

#include <algorithm>
#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

json as_json(const config::config_error& e) {
    return {{"file", e.file}, {"line", e.line}, {"key", e.key}, {"text", e.text}, {"message", e.message()}};
}

int check(context& ctx, const arguments&) {
    auto loaded = config::load(ctx.config_file());
    if (loaded.settings)
        for (auto& one : maps::problems(*loaded.settings))
            loaded.errors.push_back({ctx.config_file().string(), 0, "", std::move(one)});
    const bool good = loaded.errors.empty() && loaded.settings != nullptr;
    if (ctx.json()) {
        json errors = json::array();
        for (const auto& e : loaded.errors)
            errors.push_back(as_json(e));
        ctx.print_json({{"ok", good}, {"file", ctx.config_file().string()}, {"errors", errors}});
        return good ? exit_done : exit_config;
    }
    for (const auto& e : loaded.errors)
        ctx.err << e.message() << '\n';
    if (good)
        ctx.out << ctx.config_file().string() << ": no errors\n";
    else
        ctx.err << ctx.config_file().string() << ": "
                << say_count(static_cast<std::int64_t>(loaded.errors.size()), "error") << '\n';
    return good ? exit_done : exit_config;
}

int defaults(context& ctx, const arguments&) {
    if (!ctx.json()) return ctx.out << config::print_defaults(), exit_done;
    json rows = json::array();
    for (const auto& o : config::describe_options())
        rows.push_back({{"key", o.key}, {"default", o.default_value}, {"range", o.range}, {"help", o.help}});
    ctx.print_json({{"options", rows}});
    return exit_done;
}

/// One daemon's part of a reload: prints it, and returns its exit code.
int reload_one(context& ctx, daemon whom, json& merged) {
    const auto r = ctx.ask(whom, {{"verb", "reload"}});
    if (!r.ok()) {
        ctx.note(r.error);
        merged[short_name(whom)] = {
            {"reloaded", false}, {"error", r.error}, {"code", r.code}, {"errors", json::array()}};
        return r.exit;
    }
    const bool reloaded = flag_of(r.body, "reloaded");
    json part = r.body;
    part.erase("ok");
    merged[short_name(whom)] = part;
    if (reloaded) {
        if (!ctx.json()) ctx.out << program_name(whom) << ": the new configuration is in force\n";
        // Keys that cannot be used leave the rest in force, and mail of their domains waiting: not a success.
        for (const auto& e : part_of(r.body, "key_errors"))
            if (e.is_string()) ctx.note(printable(e.get<std::string>()));
        return part_of(r.body, "key_errors").empty() ? exit_done : exit_config;
    }
    for (const auto& e : part_of(r.body, "errors"))
        ctx.err << printable(text_of(e, "message"), 2000) << '\n';
    ctx.err << program_name(whom) << ": the old configuration stays in force\n";
    return exit_config;
}

int reload(context& ctx, const arguments&) {
    json merged = json::object();
    const int policyd = reload_one(ctx, daemon::policyd, merged);
    const int filter = reload_one(ctx, daemon::contentfilter, merged);
    // Errors of the configuration weigh more than a daemon that is down: they are what there is to mend.
    const int worst = policyd == exit_config || filter == exit_config ? exit_config : std::max(policyd, filter);
    merged["ok"] = worst == exit_done;
    if (ctx.json()) ctx.print_json(merged);
    return worst;
}

int set(context& ctx, const arguments& given) {
    if (const auto failed = set_value(ctx, given["KEY"], given["VALUE"])) return *failed;
    return reload(ctx, given);
}

} // namespace

std::vector<command> config_commands() {
    return {
        {"config", "check", "every error of the configuration file, with or without daemons", {}, "", check},
        {"config", "defaults", "every option with its default", {}, "", defaults},
        {"config",
         "set",
         "change one value in its place in the file, and have both daemons read it",
         {{"KEY", "as `config defaults` has it: mode, policyd.accounting, profile.default.from"},
          {"VALUE", "as in the file; text may stand without quotes"}},
         "",
         set},
        {"config", "reload", "have both daemons read the configuration again", {}, "reload", reload},
    };
}

} // namespace postsluice::admin
