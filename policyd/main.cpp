// SPDX-License-Identifier: Apache-2.0
// postsluice-policyd: start, run, stop. The order of the start matters and stands in shared/daemon/daemon.hpp; parts
// are declared so that whatever refers to another one ends before it.
#include "policyd/control_verbs.hpp"
#include "policyd/lock_hooks.hpp"
#include "policyd/notices.hpp"
#include "policyd/service.hpp"
#include "policyd/simulation/command.hpp"
#include "shared/auth/batv.hpp"
#include "shared/auth/spf.hpp"
#include "shared/daemon/daemon.hpp"
#include "shared/daemon/memory.hpp"
#include "shared/daemon/vital.hpp"
#include "shared/dns/resolver.hpp"
#include "shared/log/log.hpp"
#include "shared/maps/map_set.hpp"
#include "shared/net/activation.hpp"
#include "shared/state/environments.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
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
    std::vector<net::endpoint> all;
    for (const auto& text : settings.listen) {
        all.push_back(need(net::endpoint::parse(text), "policyd.listen"));
        out.push_back(need(net::open_listener(all.back(), socket_mode), "policyd.listen"));
    }
    if (const int others = net::inherited_besides(all); others > 0) {
        log::warning("sockets of postsluice-policyd.socket are not in policyd.listen; who connects there waits in vain")
            .kv("sockets", others);
    }
    return out;
}

std::unique_ptr<state::environments> open_state(const config::state_settings& s, config::durability_mode durable) {
    state::environments_options options;
    options.directory = s.directory;
    options.map_size = s.map_size;
    options.writer_timeout = s.writer_timeout;
    options.sync_interval = s.sync_interval;
    options.copy_interval = s.copy_interval;
    options.journal_size = s.journal_size;
    const bool synced = durable == config::durability_mode::sync;
    options.hot = synced ? state::durability::synced : state::durability::background;
    return need(state::environments::open(options, state::user::policyd), "state");
}

// The SPF helper is started, and has confined itself, before anything of ours is open; where no profile asks for SPF it
// is started by the first evaluation, if ever there is one.
void start_spf_helper(asio::io_context& context, auth::spf_checker& spf, const config::settings& s) {
    const auto asks = [](const auto& named) { return named.second->spf != config::spf_policy::ignore; };
    if (std::ranges::none_of(s.profiles, asks)) {
        return;
    }
    result<void> started;
    asio::co_spawn(context, spf.start(), [&started](std::exception_ptr, result<void> r) { started = std::move(r); });
    context.run();
    context.restart();
    if (!started) {
        throw std::runtime_error{"spf.helper: " + started.error().message()};
    }
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

    dns::resolver names{context.get_executor(), settings->dns};
    auth::spf_checker spf{context.get_executor(), settings->spf, [&names](std::string name, dns::record_type type) {
                              return names.query(std::move(name), type);
                          }};
    start_spf_helper(context, spf, *settings);

    config::snapshot configuration{how.config_file, settings};
    const auto environments = open_state(settings->state, settings->policyd.durability);
    const clock& time = environments->time();
    const auto accounts = environments->make_accounting(
        context.get_executor(), {.books = {.lease = settings->policyd.lease,
                                           .new_recipients_after = settings->policyd.new_recipients_after,
                                           .known_recipients = settings->policyd.known_recipients},
                                 .refusal_retention = settings->state.history_retention});
    const auto tickets = open_tickets(*settings, time);
    const auto trends = environments->make_trends(*accounts);
    const auto batv = need(auth::batv_keys::open(settings->batv, true), "batv.key_file");
    stored_lock_book locks{environments->accounts()};
    stored_outbox outbox{environments->accounts()};

    recorder record{settings->policyd};
    maps::map_set maps{context.get_executor()};
    rule_helpers helpers;
    helpers.maps = &maps;
    helpers.resolver = &names;
    helpers.spf = &spf;
    helpers.batv = batv.get();
    helpers.trends = trends.get();
    pipeline asks{context.get_executor(), {*accounts, locks, *tickets, time, helpers, &record}, settings};
    server connections{context, asks, settings->policyd};
    accounts->commit_by(connections.end_of_turn());
    for (const int descriptor : listeners) {
        connections.listen(descriptor);
    }
    service all{{configuration, time, asks, connections, *accounts, environments->accounts(), *tickets,
                 [&] { return environments->state_writer().healthy(); }, [&] { return environments->hot().fill(); },
                 [&] { return environments->shared().fill(); }, trends.get(), batv.get(), &spf,
                 &environments->limit_overrides()}};
    if (const auto loaded = all.load_overrides(); !loaded) {
        throw std::runtime_error{"limits of single accounts: " + loaded.error().message()};
    }
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
    asio::co_spawn(context, all.tend(), daemon::vital{"tending"});
    asio::co_spawn(context, mails.run(), daemon::vital{"notices"});
    asio::co_spawn(context, programs.run(), daemon::vital{"hooks"});
    daemon::notify("READY=1");
    log::info("started")
        .kv("mode", settings->mode == config::run_mode::observe ? "observe" : "enforce")
        .kv("listeners", listeners.size())
        .kv("state", settings->state.directory.string());
    daemon::run_vital(context);
    log::info("stopped");
}

} // namespace

} // namespace postsluice::policyd

int main(int argc, char** argv) {
    using namespace postsluice;
    if (argc > 1 && std::string_view{argv[1]} == "--simulate") {
        return policyd::simulation::run(argc - 1, argv + 1);
    }
    daemon::bound_heaps();
    daemon::end_without_memory();
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
