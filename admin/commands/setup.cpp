// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/setup.hpp"
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"

namespace postsluice::admin {
namespace {

int run_setup(context& ctx, const arguments& given) {
    setup::request what;
    what.config_directory = given.get("--config-directory").value_or(given["-c"]);
    if (const auto named = given.get("--way")) {
        what.by = setup::parse_way(*named);
        if (!what.by)
            return ctx.fail(exit_usage, "--way is lmtp, smtp, before-queue or pipe, not \"" + *named + '"',
                            "malformed");
    }
    if (ctx.json()) return ctx.fail(exit_usage, "setup shows a patch; it has no --json", "unsupported");
    const bool apply = given.get("--apply").has_value(), undo = given.get("--undo").has_value();
    if (apply && undo) return ctx.fail(exit_usage, "--apply or --undo, not both", "malformed");
    return undo ? setup::take_out(ctx, what) : setup::put_in(ctx, what, apply);
}

} // namespace

std::vector<command> setup_commands() {
    return {{"setup",
             "",
             "put Postsluice into this machine's Postfix: shows what would change; tried out before it is applied",
             {{"--apply", "change it, after a trial on a copy", false, "FLAG"},
              {"--undo", "take back what --apply did; again, once the queue needs it no more", false, "FLAG"},
              {"--way", "how mail gets into the filter: lmtp (default), smtp, before-queue, pipe", false, "WAY"},
              {"--config-directory", "main.cf's directory, for another Postfix instance", false, "DIR"},
              {"-c", "the same, in short", false, "DIR"}},
             "",
             run_setup}};
}

} // namespace postsluice::admin
