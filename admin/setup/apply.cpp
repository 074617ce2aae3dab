// SPDX-License-Identifier: Apache-2.0
#include "admin/command.hpp"
#include "admin/human.hpp"
#include "admin/setup/journal.hpp"
#include "admin/setup/live.hpp"
#include "admin/setup/preflight.hpp"
#include "admin/setup/setup.hpp"
#include "admin/setup/take_back.hpp"
#include "admin/setup/trial.hpp"
#include "admin/setup/unified_diff.hpp"
#include "admin/table.hpp"
#include "shared/core/text.hpp"

#include <nlohmann/json.hpp>
#include <ostream>
#include <unistd.h>

namespace postsluice::admin::setup {
namespace {

class applier {
public:
    applier(context& ctx, const instance& at, preflight look, way w, const config::setup_settings& bounds)
        : ctx_{ctx}
        , at_{at}
        , look_{std::move(look)}
        , way_{w}
        , journal_{at.config_directory()}
        , bounds_{bounds} {}

    /// Reads everything; nullopt: go on.
    std::optional<int> begin(const std::optional<record>& earlier) {
        auto files = at_.read();
        if (!files) return ctx_.fail(exit_refused, files.error().message(), "unavailable");
        now_ = std::move(*files);
        earlier_ = earlier;
        auto base = now_;
        if (earlier) {
            const auto half = draining(earlier->before, earlier->after);
            base = take_back(now_, earlier->after, half, earlier->before);
        }
        before_ = std::move(base);
        plan_ = plan(now_, way_, look_.here); // not of what was before us: what was edited since keeps its place
        for (auto* list : {&look_.obstacles, &plan_.obstacles})
            for (const auto& one : *list)
                ctx_.note(one);
        if (!look_.obstacles.empty() || !plan_.obstacles.empty())
            return ctx_.fail(exit_refused, "nothing was changed", "refused");
        return std::nullopt;
    }

    [[nodiscard]] bool nothing_to_do() const {
        return plan_.files == now_ && (!earlier_ || earlier_->at == phase::applied);
    }

    void show() const {
        for (const auto& [name, text] : plan_.files) {
            const auto is = now_.find(name);
            ctx_.out << unified_diff(is == now_.end() ? "" : is->second, text,
                                     (at_.config_directory() / name).string());
        }
        for (const auto* list : {&look_.notes, &plan_.notes})
            for (const auto& one : *list)
                print_wrapped(ctx_.out, printable(one, 1000), "note: ", "      ");
    }

    int apply() {
        if (::geteuid() != 0) return ctx_.fail(exit_refused, "--apply needs root", "denied");
        if (auto held = journal_.lock(); !held) return ctx_.fail(exit_refused, held.error().message(), "exists");
        if (const auto down = daemons_down()) return *down;
        const auto outcome = try_out(
            at_, plan_.files, way_, look_.here, [this] { return policyd_requests(); }, bounds_);
        for (const auto& one : outcome.passed)
            ctx_.out << "tried: " << printable(one, 500) << '\n';
        if (!outcome.failed.empty())
            return ctx_.fail(exit_refused, "on trial: " + outcome.failed + "; nothing was changed", "refused");
        if (const auto files = at_.read(); !files || *files != now_)
            return ctx_.fail(exit_refused, "main.cf or master.cf was changed meanwhile; nothing was changed", "exists");
        return change();
    }

private:
    std::optional<int> daemons_down() {
        for (const auto whom : {daemon::policyd, daemon::contentfilter})
            if (const auto r = ctx_.ask(whom, {{"verb", "status"}, {"accounts", 1}}); !r.ok()) {
                ctx_.note("Postfix would put off all mail that it hands to a daemon that does not answer.");
                return ctx_.fail(r);
            }
        return std::nullopt;
    }

    std::optional<std::int64_t> policyd_requests() {
        const auto r = ctx_.ask(daemon::policyd, {{"verb", "status"}, {"accounts", 1}});
        if (!r.ok() || !part_of(r.body, "requests").contains("rcpt")) return std::nullopt;
        return number_of(part_of(r.body, "requests"), "rcpt");
    }

    int change() {
        const live postfix{at_, now_, bounds_};
        if (auto done = journal_.store({phase::applying, way_, before_, plan_.files}); !done)
            return forget(done.error().message());
        if (auto done = at_.write(now_, plan_.files, true); !done) return roll_back(postfix, done.error().message());
        if (auto done = postfix.reload(look_.here.ways_back); !done) return roll_back(postfix, done.error().message());
        if (auto done = journal_.set_phase(phase::applied); !done)
            return ctx_.fail(exit_refused, done.error().message() + ": run this again", "unavailable");
        ctx_.out << (postfix.running() ? "Applied, and Postfix reloaded.\n"
                                       : "Applied. Postfix is not running; it starts with the new configuration.\n");
        advise();
        return exit_done;
    }

    /// The journal as it was before; without an earlier one, none.
    int forget(const std::string& why) {
        const auto restored = earlier_ ? journal_.store(*earlier_) : journal_.remove();
        return ctx_.fail(exit_refused,
                         why + "; Postfix's configuration is as it was" +
                             (restored ? "" : ", but " + restored.error().message()),
                         "refused");
    }

    int roll_back(const live& postfix, const std::string& why) {
        const auto there = at_.read();
        auto done = there ? at_.write(*there, now_, false) : result<void>{there.error()};
        if (done && postfix.running()) done = postfix.reload({});
        if (!done)
            return ctx_.fail(exit_refused,
                             why + "; and taking it back failed: " + done.error().message() +
                                 ". Run `postsluice setup --undo` when that is mended.",
                             "unavailable");
        return forget(why);
    }

    void advise() {
        const auto loaded = config::load(ctx_.config_file());
        if (loaded.settings && loaded.settings->mode == config::run_mode::observe)
            ctx_.out << "Mode is \"observe\": everything is decided, counted and logged, and nothing refused.\n"
                        "When you have seen enough (`postsluice status`): postsluice config set mode enforce\n";
        else
            ctx_.out << "Mode is \"enforce\": limits and rules hold from now on. To look on at first:\n"
                        "postsluice config set mode observe\n";
        ctx_.out << "To take all of it back: postsluice setup --undo\n";
    }

    context& ctx_;
    const instance& at_;
    preflight look_;
    way way_;
    journal journal_;
    config::setup_settings bounds_;
    std::optional<record> earlier_;
    file_set now_, before_;
    planned plan_;
};

int no_change(context& ctx, const std::optional<record>& earlier) {
    ctx.out << (earlier ? "Nothing to change: setup was applied, and all of it is in place.\n"
                        : "Nothing to change: all of it is there already, by other hands than setup's.\n");
    return exit_done;
}

} // namespace

int put_in(context& ctx, const request& what, bool apply) {
    const auto loaded = config::load(ctx.config_file());
    if (!loaded.settings) {
        for (const auto& e : loaded.errors)
            ctx.note(e.message());
        return ctx.fail(exit_config, ctx.config_file().string() + " has errors", "configuration");
    }
    const auto at = instance::open(what.config_directory);
    if (!at) return ctx.fail(exit_refused, "Postfix: " + at.error().message(), "unavailable");
    const auto earlier = journal{at->config_directory()}.load();
    if (!earlier) return ctx.fail(exit_refused, "the journal: " + earlier.error().message(), "corrupt");
    const auto w = what.by.value_or(*earlier ? (*earlier)->by : way::lmtp);
    if (*earlier && (*earlier)->by != w)
        return ctx.fail(exit_refused,
                        "setup was applied with --way " + std::string{to_string((*earlier)->by)} +
                            "; mail in the queue may need that: first `postsluice setup --undo`",
                        "exists");
    applier work{ctx, *at, look(*loaded.settings, *at, w), w, loaded.settings->setup};
    if (const auto refused = work.begin(*earlier)) return *refused;
    if (*earlier && (*earlier)->at != phase::applied)
        ctx.note("an earlier setup stopped half-way (" + std::string{to_string((*earlier)->at)} + "); " +
                 (apply ? "this one finishes it" : "--apply finishes it, --undo takes it back"));
    if (work.nothing_to_do()) return no_change(ctx, *earlier);
    work.show();
    if (apply) return work.apply();
    ctx.out << "Nothing was changed. To do so: postsluice setup --apply\n";
    return exit_done;
}

} // namespace postsluice::admin::setup
