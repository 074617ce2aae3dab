// SPDX-License-Identifier: Apache-2.0
// postsluice-policyd: start, run, stop. The order of the start matters and stands in shared/daemon/daemon.hpp; parts
// are declared so that whatever refers to another one ends before it.
#include "policyd/control_verbs.hpp"
#include "policyd/lock_hooks.hpp"
#include "policyd/notices.hpp"
#include "policyd/service.hpp"
#include "shared/auth/batv.hpp"
#include "shared/daemon/daemon.hpp"
#include "shared/log/log.hpp"
#include "shared/maps/map_set.hpp"
#include "shared/state/environments.hpp"

#include <boost/asio/co_spawn.hpp>

#include <stdexcept>
#include <sys/resource.h>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

constexpr std::string_view program = "postsluice-policyd";

/// The value, or the end of the start.
template <class T>
T need(result<T> got, std::string_view what) {
    if (!got) {
        throw std::runtime_error{std::string{what} + ": " + got.error().message()};
    }
    return std::move(*got);
}

void log_end_of(std::string_view what, std::exception_ptr error) noexcept {
    if (!error) {
        return;
    }
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        log::error("periodic work ended").kv("what", what).kv("why", e.what());
    } catch (...) {
        log::error("periodic work ended").kv("what", what);
    }
}

// A descriptor per connection, and some for ourselves; the usual soft limit is 1024.
void raise_descriptor_limit(std::size_t connections) {
    const rlim_t wanted = connections + 128;
    rlimit limits{};
    if (::getrlimit(RLIMIT_NOFILE, &limits) != 0 || limits.rlim_cur >= wanted) {
        return;
    }
    limits.rlim_cur = limits.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, limits.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &limits) != 0 || limits.rlim_cur < wanted) {
        log::warning("fewer descriptors than policyd.max_connections needs")
            .kv("limit", limits.rlim_cur)
            .kv("wanted", wanted);
    }
}

std::vector<int> bind_listeners(const config::policyd_settings& settings) {
    std::vector<int> out;
    for (const auto& text : settings.listen) {
        const auto where = need(net::endpoint::parse(text), "policyd.listen");
        out.push_back(need(net::open_listener(where, socket_mode), "policyd.listen"));
    }
    return out;
}

std::unique_ptr<state::environments> open_state(const config::state_settings& s) {
    state::environments_options options;
    options.directory = s.directory;
    options.map_size = s.map_size;
    options.writer_timeout = s.writer_timeout;
    options.sync_interval = s.sync_interval;
    options.copy_interval = s.copy_interval;
    return need(state::environments::open(options, state::user::policyd), "state");
}

std::unique_ptr<account::ticket_ring> open_tickets(const config::settings& s, const clock& time) {
    auto ring = need(account::ticket_ring::open(s.state.directory / "ticket.keys"), "ticket.keys");
    (void)need(ring->rotate(time.now(), s.policyd.ticket_key_rotation, s.policyd.ticket_key_retention), "ticket.keys");
    return ring;
}

void run(const daemon::start& how, config::settings_ptr settings) {
    daemon::prepare_directory(settings->state.directory, how.user, 0770);
    daemon::prepare_directory(settings->control.directory, how.user, 0755);
    const daemon::single_instance alone{settings->state.directory, program};
    raise_descriptor_limit(settings->policyd.max_connections);

    asio::io_context context{1};
    const auto listeners = bind_listeners(settings->policyd);
    control::server control{context.get_executor(), settings->control.directory / "policyd.sock",
                            settings->control.group};
    daemon::drop_privileges(how.user);

    config::snapshot configuration{how.config_file, settings};
    const auto environments = open_state(settings->state);
    const clock& time = environments->time();
    const auto accounts =
        environments->make_accounting(context.get_executor(), {.lease = settings->policyd.lease,
                                                               .refusal_retention = settings->state.history_retention});
    const auto tickets = open_tickets(*settings, time);
    const auto trends = environments->make_trends(*accounts);
    const auto batv = need(auth::batv_keys::open(settings->batv, true), "batv.key_file");
    stored_lock_book locks{environments->accounts()};
    stored_outbox outbox{environments->accounts()};

    maps::map_set maps{context.get_executor()};
    rule_helpers helpers;
    helpers.maps = &maps;
    helpers.batv = batv.get();
    helpers.trends = trends.get();
    pipeline asks{context.get_executor(), {*accounts, locks, *tickets, time, helpers}, settings};
    server connections{context, asks, settings->policyd};
    for (const int descriptor : listeners) {
        connections.listen(descriptor);
    }
    service all{{configuration, time, asks, connections, *accounts, environments->accounts(), *tickets,
                 [&] { return environments->state_writer().healthy(); }, [&] { return environments->hot().fill(); },
                 [&] { return environments->shared().fill(); }, trends.get(), batv.get()}};
    notices mails{outbox, time, [&] { return asks.settings(); }};
    stored_hook_outbox hook_calls{environments->accounts()};
    lock_hooks programs{context.get_executor(), hook_calls, [&] { return asks.settings(); }};
    add_control_verbs(control, all);

    daemon::handle_signals(
        context,
        [&] {
            daemon::notify("STOPPING=1");
            log::info("stopping").kv("connections", connections.connections());
            control.stop();
            connections.stop([&context] { context.stop(); });
        },
        [&] { (void)all.reload(); });
    control.start();
    connections.start();
    asio::co_spawn(context, all.tend(), [](std::exception_ptr e) { log_end_of("tending", e); });
    asio::co_spawn(context, mails.run(), [](std::exception_ptr e) { log_end_of("notices", e); });
    asio::co_spawn(context, programs.run(), [](std::exception_ptr e) { log_end_of("hooks", e); });
    daemon::notify("READY=1");
    log::info("started")
        .kv("mode", settings->mode == config::run_mode::observe ? "observe" : "enforce")
        .kv("listeners", listeners.size())
        .kv("state", settings->state.directory.string());
    context.run();
    log::info("stopped");
}

} // namespace

} // namespace postsluice::policyd

int main(int argc, char** argv) {
    using namespace postsluice;
    daemon::start how;
    if (const auto code = daemon::parse_arguments(argc, argv, policyd::program, how)) {
        return *code;
    }
    const auto settings = daemon::load_or_explain(how.config_file);
    if (!settings) {
        return daemon::exit_config;
    }
    try {
        log::open(policyd::program, settings->log.destination, settings->log.level);
        policyd::run(how, settings);
        return 0;
    } catch (const std::exception& e) {
        log::error("failed").kv("why", e.what());
        return daemon::exit_failed;
    }
}
