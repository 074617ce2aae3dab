// SPDX-License-Identifier: Apache-2.0
// postsluice-contentfilter: start, run, stop. The order of the start matters and stands in shared/daemon/daemon.hpp;
// parts are declared so that whatever refers to another one ends before it.
#include "contentfilter/act/pseudonyms.hpp"
#include "contentfilter/bayes/trainer.hpp"
#include "contentfilter/checks/known_book.hpp"
#include "contentfilter/control_verbs.hpp"
#include "contentfilter/server.hpp"
#include "shared/auth/batv.hpp"
#include "shared/daemon/daemon.hpp"
#include "shared/daemon/memory.hpp"
#include "shared/daemon/vital.hpp"
#include "shared/log/log.hpp"
#include "shared/maps/map_set.hpp"
#include "shared/state/environments.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <linux/magic.h>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <thread>
#include <unistd.h>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

namespace {

constexpr std::string_view program = "postsluice-contentfilter";

/// The value, or the end of the start.
template <class T>
T need(result<T> got, std::string_view what) {
    if (!got) throw std::runtime_error{std::string{what} + ": " + got.error().message()};
    return std::move(*got);
}

// Three descriptors a message (client, next hop, spool), and some for ourselves.
void raise_descriptor_limit(std::size_t connections) {
    const rlim_t wanted = 3 * connections + 256;
    rlimit limits{};
    if (::getrlimit(RLIMIT_NOFILE, &limits) != 0 || limits.rlim_cur >= wanted) return;
    limits.rlim_cur = limits.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, limits.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &limits) != 0 || limits.rlim_cur < wanted) {
        log::warning("fewer descriptors than contentfilter.max_connections needs")
            .kv("limit", limits.rlim_cur)
            .kv("wanted", wanted);
    }
}

struct bound_listener {
    int descriptor;
    smtp::protocol speaks;
    way in;
};

std::vector<bound_listener> bind_listeners(const config::filter_settings& settings) {
    std::vector<bound_listener> out;
    for (const auto& text : settings.listen) {
        const auto where = need(act::service_address::parse(text, smtp::protocol::lmtp), "contentfilter.listen");
        out.push_back({need(net::open_listener(where.where, socket_mode), "contentfilter.listen"), where.speaks,
                       way::after_queue});
    }
    const auto add = [&](const std::vector<std::string>& these, smtp::protocol speaks, way in,
                         std::string_view option) {
        for (const auto& text : these) {
            const auto where = need(net::endpoint::parse(text), option);
            out.push_back({need(net::open_listener(where, socket_mode), option), speaks, in});
        }
    };
    add(settings.listen_before_queue, smtp::protocol::smtp, way::before_queue, "contentfilter.listen_before_queue");
    add(settings.listen_pipe, smtp::protocol::lmtp, way::pipe, "contentfilter.listen_pipe");
    add(settings.listen_bounces, smtp::protocol::lmtp, way::bounces, "contentfilter.listen_bounces");
    return out;
}

std::unique_ptr<state::environments> open_state(const config::state_settings& s) {
    state::environments_options options;
    options.directory = s.directory;
    options.map_size = s.map_size;
    options.writer_timeout = s.writer_timeout;
    options.sync_interval = s.sync_interval;
    options.copy_interval = s.copy_interval;
    return need(state::environments::open(options, state::user::contentfilter), "state");
}

// A large message in the spool of a tmpfs is a large message in memory.
void look_at_spool(const std::filesystem::path& directory) {
    struct ::statfs about {};
    if (::statfs(directory.c_str(), &about) == 0 && about.f_type == TMPFS_MAGIC) {
        log::warning("contentfilter.spool_directory is on a tmpfs: large messages will lie in memory")
            .kv("directory", directory.string());
    }
}

/// Runs what a start needs to its end, before there are threads.
result<void> run_to_end(asio::awaitable<result<void>> what) {
    asio::io_context alone{1};
    result<void> out{failure{errc::internal, "not finished"}};
    asio::co_spawn(alone, std::move(what), [&](std::exception_ptr e, result<void> got) {
        if (e) std::rethrow_exception(e);
        out = std::move(got);
    });
    alone.run();
    return out;
}

// A thread of the checks that hangs cannot be ended; the process can, once the messages at hand are done.
asio::awaitable<void> watch_checks(const runner& checks, std::function<void()> stop) {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    while (!checks.stuck()) {
        timer.expires_after(seconds{1});
        const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error) co_return;
    }
    log::error("a check hangs: ending, to be started again");
    stop();
}

void work_on(asio::io_context& context, std::size_t threads) {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads; ++i)
        others.emplace_back([&context] { daemon::run_vital(context); });
    daemon::run_vital(context);
}

int run(const daemon::start& how, const config::settings_ptr& settings) {
    const auto& filter = settings->contentfilter;
    daemon::prepare_directory(settings->state.directory, how.user, 0770);
    daemon::prepare_directory(settings->control.directory, how.user, 0755);
    daemon::prepare_directory(filter.spool_directory, how.user, 0700);
    daemon::prepare_directory(settings->quarantine.directory, how.user, 0700);
    const daemon::single_instance alone{settings->state.directory, program};
    raise_descriptor_limit(filter.max_connections);
    look_at_spool(filter.spool_directory);

    asio::io_context context{static_cast<int>(filter.threads)};
    const auto listeners = bind_listeners(filter);
    control::server control{context.get_executor(), settings->control.directory / "contentfilter.sock",
                            settings->control.group, max_request_bytes};
    daemon::drop_privileges(how.user);

    config::snapshot configuration{how.config_file, settings};
    const auto environments = open_state(settings->state);
    const auto tickets = need(account::ticket_ring::open(settings->state.directory / "ticket.keys"), "ticket.keys");
    act::quarantine kept{environments->quarantine(), environments->time(), settings->quarantine};
    const act::quarantine::delivered_before delivered = [&](const std::string& token, const std::string& digest,
                                                            const std::vector<std::string>& lines) {
        return environments->passed().delivered(token, digest, {lines.begin(), lines.end()});
    };
    if (const auto opened = run_to_end(kept.open(delivered)); !opened)
        throw std::runtime_error{"quarantine: " + opened.error().message()};
    const auto batv = need(auth::batv_keys::open(settings->batv, false), "batv.key_file");
    const auto pseudonyms =
        need(act::pseudonyms::open(settings->contentfilter, environments->time()), "contentfilter.identity_key_file");
    const auto maps = std::make_shared<maps::map_set>(context.get_executor());
    known_book bad;
    bad.use(need(environments->bad_fingerprints().all(), "fingerprints"));
    const account_memory accounts{&environments->accounts(),
                                  &environments->recipients(),
                                  &environments->time(),
                                  &environments->sent_campaigns(),
                                  &bad,
                                  &environments->limit_overrides(),
                                  &environments->judged()};
    runner checks{filter.threads, load_resources(*settings, maps, accounts, &environments->learned())};
    bayes::trainer trainer{environments->learned()};
    counters counts;

    service all{{configuration,
                 context.get_executor(),
                 environments->time(),
                 environments->accounts(),
                 environments->events(),
                 environments->passed(),
                 environments->tries(),
                 kept,
                 *tickets,
                 counts,
                 [&](message_ptr what, auto begun_by) { return checks.run(std::move(what), begun_by); },
                 [&](const config::settings& now) {
                     checks.swap_resources(load_resources(now, maps, accounts, &environments->learned()));
                 },
                 [&] { return checks.stuck(); },
                 find_mail_owner(filter.mail_owner),
                 [&] { return environments->state_writer().healthy(); },
                 [&] { return environments->hot().fill(); },
                 [&] { return environments->shared().fill(); },
                 maps.get(),
                 batv.get(),
                 {},
                 pseudonyms.get(),
                 &environments->recipients(),
                 &trainer,
                 &environments->sent_campaigns(),
                 &environments->bad_fingerprints(),
                 &bad,
                 &environments->handed_over(),
                 &environments->judged()}};
    if (!all.of().mail_owner)
        log::warning("no such user: only root may send to us").kv("contentfilter.mail_owner", filter.mail_owner);
    const auto connections = std::make_shared<server>(context.get_executor(), all);
    for (const auto& one : listeners)
        connections->listen(one.descriptor, one.speaks, one.in);
    add_control_verbs(control, all, *connections);

    const auto stop = [&] {
        daemon::notify("STOPPING=1");
        log::info("stopping").kv("connections", connections->connections());
        control.stop();
        connections->stop([&context] { context.stop(); });
    };
    daemon::handle_signals(context, stop, [&] { (void)all.reload(); });
    control.start();
    connections->start();
    asio::co_spawn(context, all.tend(), daemon::vital{"tending"});
    asio::co_spawn(context, all.release_held(), daemon::vital{"timed releases"});
    asio::co_spawn(context, watch_checks(checks, stop), daemon::vital{"watching"});
    daemon::notify("READY=1");
    log::info("started")
        .kv("mode", settings->mode == config::run_mode::observe ? "observe" : "enforce")
        .kv("listeners", listeners.size())
        .kv("next_hop", filter.next_hop)
        .kv("state", settings->state.directory.string());
    work_on(context, filter.threads);
    log::info("stopped");
    // A check that comes back now, or a message that was not waited for, would find gone what it uses. What is written
    // is whole at any moment.
    if (checks.stuck()) ::_exit(daemon::exit_failed);
    if (connections->connections() > 0) ::_exit(0);
    return 0;
}

} // namespace

} // namespace postsluice::contentfilter

int main(int argc, char** argv) {
    using namespace postsluice;
    daemon::bound_heaps();
    daemon::end_without_memory();
    daemon::start how;
    if (const auto code = daemon::parse_arguments(argc, argv, contentfilter::program, how)) return *code;
    const auto settings = daemon::load_or_explain(how.config_file);
    if (!settings) return daemon::exit_config;
    try {
        log::open(contentfilter::program, settings->log.destination, settings->log.level);
        return contentfilter::run(how, settings);
    } catch (const std::exception& e) {
        log::error("failed").kv("why", e.what());
        return daemon::exit_failed;
    }
}
