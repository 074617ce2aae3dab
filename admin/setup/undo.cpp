// SPDX-License-Identifier: Apache-2.0
#include "admin/command.hpp"
#include "admin/setup/journal.hpp"
#include "admin/setup/live.hpp"
#include "admin/setup/setup.hpp"
#include "admin/setup/take_back.hpp"
#include "admin/setup/unified_diff.hpp"
#include "admin/setup/wait.hpp"

#include <ostream>
#include <unistd.h>

namespace postsluice::admin::setup {
namespace {

class undoer {
public:
    undoer(context& ctx, const instance& at, record done, file_set half, journal& j,
           const config::setup_settings& bounds)
        : ctx_{ctx}
        , at_{at}
        , record_{std::move(done)}
        , half_{std::move(half)}
        , journal_{j}
        , bounds_{bounds} {}

    int run() {
        if (record_.at != phase::draining) {
            if (auto done = journal_.set_phase(phase::undoing); !done) return stopped(done.error());
            if (auto done = step(half_); !done) return stopped(done.error());
            ctx_.out << "Mail goes past Postsluice from now on.\n";
        }
        if (const auto need = needed()) {
            if (auto done = journal_.set_phase(phase::draining); !done) return stopped(done.error());
            ctx_.out << "The transport into the filter and the way back stay: " << *need
                     << ".\nKeep the daemons running, and run `postsluice setup --undo` again when it is gone "
                        "(`postqueue -p`).\n";
            return exit_done;
        }
        if (auto done = step(record_.before); !done) return stopped(done.error());
        remove_sockets();
        if (auto done = journal_.remove(); !done) return stopped(done.error());
        ctx_.out << "Taken back: Postfix's configuration is as it was before setup. What is in Postsluice's quarantine "
                    "can no longer be released by way of Postfix.\n";
        return exit_done;
    }

private:
    /// From what is there towards `target`, and a reload.
    result<void> step(const file_set& target) {
        const auto now = at_.read();
        if (!now) return now.error();
        const auto wanted = take_back(*now, record_.after, half_, target);
        for (const auto& [name, text] : *now) {
            const auto ought = wanted.find(name);
            ctx_.out << unified_diff(text, ought == wanted.end() ? "" : ought->second,
                                     (at_.config_directory() / name).string());
        }
        if (wanted == *now) return {};
        const live postfix{at_, *now, bounds_};
        if (auto done = at_.write(*now, wanted, false); !done) return done;
        return postfix.reload({});
    }

    /// Postfix leaves those of services that are gone; a trial that was killed may have left a link.
    void remove_sockets() const {
        std::error_code error;
        const logical_lines before{record_.before.at("master.cf")}, after{record_.after.at("master.cf")};
        for (const auto& one : after.pieces) {
            const auto s = service::of(one);
            if (!s || s->get(column::type) != "unix" || find_service(before, s->label())) continue;
            const auto* where = s->get(column::is_private) == "n" ? "public" : "private";
            std::filesystem::remove(at_.queue_directory() / where / s->get(column::name), error);
        }
    }

    std::optional<std::string> needed() const {
        auto need = still_needed(at_);
        if (!need || !at_.running()) return need;
        (void)wait_for(bounds_.drain_timeout, [&] {
            need = still_needed(at_);
            return !need;
        });
        return need;
    }

    int stopped(const failure& why) {
        return ctx_.fail(exit_refused, why.message() + "; run `postsluice setup --undo` again when that is mended",
                         "unavailable");
    }

    context& ctx_;
    const instance& at_;
    record record_;
    file_set half_;
    journal& journal_;
    config::setup_settings bounds_;
};

/// A configuration with errors does not keep anybody from taking setup back.
config::setup_settings bounds_of(context& ctx) {
    const auto loaded = config::load(ctx.config_file());
    return loaded.settings ? loaded.settings->setup : config::setup_settings{};
}

} // namespace

int take_out(context& ctx, const request& what) {
    const auto at = instance::open(what.config_directory);
    if (!at) return ctx.fail(exit_refused, "Postfix: " + at.error().message(), "unavailable");
    journal book{at->config_directory()};
    const auto earlier = book.load();
    if (!earlier) return ctx.fail(exit_refused, "the journal: " + earlier.error().message(), "corrupt");
    if (!*earlier) {
        // One that was killed before it changed anything, or after it took back everything, left its copies.
        if (::geteuid() == 0 && book.lock()) (void)book.remove();
        ctx.out << "Nothing to take back: setup has changed nothing in " << at->config_directory().string() << ".\n";
        return exit_done;
    }
    if (::geteuid() != 0) return ctx.fail(exit_refused, "--undo needs root", "denied");
    if (auto held = book.lock(); !held) return ctx.fail(exit_refused, held.error().message(), "exists");
    auto half = draining((*earlier)->before, (*earlier)->after);
    return undoer{ctx, *at, **earlier, std::move(half), book, bounds_of(ctx)}.run();
}

} // namespace postsluice::admin::setup
