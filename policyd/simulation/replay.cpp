// SPDX-License-Identifier: Apache-2.0
#include "policyd/simulation/replay.hpp"

#include "shared/core/random.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace postsluice::policyd::simulation {

namespace asio = boost::asio;

namespace {

constexpr std::size_t most_connections = 100'000; // whose end a record does not tell; a lease ends what they hold
constexpr std::size_t swept_at_once = 1000;
constexpr seconds sweep_every{60};
constexpr seconds ticket_life{10L * 365 * 86400}; // no key of the scratch directory is ever replaced

template <class T>
T need(result<T> got, std::string_view what) {
    if (!got) {
        throw std::runtime_error{std::string{what} + ": " + got.error().message()};
    }
    return std::move(*got);
}

bool asks_network(const std::string& map) {
    return map.starts_with("socketmap:") || map.starts_with("tcp:");
}

/// Without the maps that ask the network. True: there were some.
bool only_local(std::vector<std::string>& maps) {
    return std::erase_if(maps, &asks_network) != 0;
}

// A profile that asks nobody. What is left out is named.
config::profile offline(config::profile p, std::vector<std::string>& not_asked) {
    const auto note = [&](const char* what) {
        if (std::ranges::find(not_asked, what) == not_asked.end()) {
            not_asked.emplace_back(what);
        }
    };
    p.observe = false;
    p.observe_rules.clear();
    p.on_lock.clear();
    if (std::exchange(p.trend.factor, 0) > 0) {
        note("trend (it needs weeks)");
    }
    if (std::exchange(p.valid_sender, false)) {
        note("valid_sender (DNS)");
    }
    if (std::exchange(p.valid_recipients, config::recipient_policy::ignore) != config::recipient_policy::ignore) {
        note("valid_recipients (DNS)");
    }
    if (std::exchange(p.spf, config::spf_policy::ignore) != config::spf_policy::ignore) {
        note("spf (DNS)");
    }
    if (only_local(p.sender_maps) | only_local(p.blocked_senders) | only_local(p.blocked_recipients)) {
        note("maps of the network (socketmap)");
    }
    if (p.from.what == config::from_rule::kind::map && only_local(p.from.entries)) {
        note("from = a map of the network (socketmap)");
        p.from.what = p.from.entries.empty() ? config::from_rule::kind::any : p.from.what;
    }
    return p;
}

} // namespace

config::settings_ptr settings_for_simulation(const config::settings& from, std::vector<std::string>& not_asked) {
    auto out = std::make_shared<config::settings>(from);
    out->mode = config::run_mode::enforce;
    out->policyd.on_error = config::error_policy::defer;
    out->policyd.on_error_of.clear();
    out->policyd.record.clear();
    out->batv.domains.clear(); // mail of others is not looked at
    for (auto& [name, profile] : out->profiles) {
        profile = std::make_shared<const config::profile>(offline(*profile, not_asked));
    }
    return out;
}

replay::replay(const config::settings& settings, const std::filesystem::path& scratch)
    : settings_{settings_for_simulation(settings, outcome_.not_asked)} {
    const auto open = [&](const char* name) {
        return need(state::store::open({.directory = scratch / name,
                                        .map_size = settings.state.map_size,
                                        .how = state::durability::background}),
                    name);
    };
    counters_ = open("counters");
    state_ = open("state");
    const auto secret = need(state::state_secret(scratch), "hash.key");
    writer_ = std::make_unique<state::writer>(*state_, seconds{30});
    store_ = std::make_unique<state::account_store>(*state_, *writer_, secret, time_);
    accounts_ = std::make_unique<state::accounting_lmdb>(
        *counters_, context_.get_executor(), secret, time_,
        state::accounting_options{.books = {.lease = settings.policyd.lease,
                                            .new_recipients_after = settings.policyd.new_recipients_after,
                                            .known_recipients = settings.policyd.known_recipients},
                                  .refusal_retention = settings.state.history_retention});
    tickets_ = need(account::ticket_ring::open(scratch / "ticket.keys"), "ticket.keys");
    (void)need(tickets_->rotate(time_.now(), ticket_life, ticket_life), "ticket.keys");
    locks_ = std::make_unique<stored_lock_book>(*store_);
    rule_helpers helpers;
    helpers.maps = &maps_;
    asks_ = std::make_unique<pipeline>(
        context_.get_executor(), pipeline::parts{*accounts_, *locks_, *tickets_, time_, helpers, nullptr}, settings_);
}

replay::~replay() {
    connections_.clear();
}

// Everything that it brings about has happened when this returns.
template <class Job>
void replay::run(Job job) {
    asio::co_spawn(context_, std::move(job), [](std::exception_ptr error, auto&&...) {
        if (error) {
            std::rethrow_exception(error);
        }
    });
    context_.restart();
    context_.run();
}

void replay::move_to(instant t) {
    if (outcome_.from == instant{}) {
        outcome_.from = t;
        swept_ = t;
        time_.set(t);
    }
    time_.set(std::max(time_.now(), t));
    outcome_.until = time_.now();
    if (time_.now() - swept_ < sweep_every) {
        return;
    }
    swept_ = time_.now();
    for (std::size_t n = swept_at_once; n == swept_at_once;) {
        n = 0;
        asio::co_spawn(context_, accounts_->sweep(swept_at_once),
                       [&n](std::exception_ptr, auto done) { n = done ? *done : 0; });
        context_.restart();
        context_.run();
    }
}

std::optional<account::identity> replay::identified(const request& what) const {
    return account::identify(*settings_, {what.sasl_username, what.client_address, std::nullopt, what.ccert_fingerprint,
                                          what.ccert_pubkey_fingerprint});
}

bool replay::ask(const request& what, speaker& from) {
    ++outcome_.requests;
    decision said;
    asio::co_spawn(context_, asks_->answer(what, from), [&said](std::exception_ptr error, decision d) {
        if (error) {
            std::rethrow_exception(error);
        }
        said = std::move(d);
    });
    context_.restart();
    context_.run();
    const auto who = identified(what);
    if (who) {
        book(*who, what, said);
    } else {
        ++outcome_.not_ours;
    }
    return said.refuses();
}

void replay::book(const account::identity& who, const request& what, const decision& said) {
    auto& of = outcome_.accounts[who.account];
    if (of.profile.empty()) {
        of.profile = account::select_profile(*settings_, who)->name;
    }
    const bool rcpt = what.at == stage::rcpt;
    of.recipients += rcpt ? 1 : 0;
    of.messages += what.at == stage::data && !said.refuses() ? 1 : 0;
    if (!said.refuses()) {
        return;
    }
    if (said.why == reason::state_unavailable) {
        ++outcome_.trouble;
        return;
    }
    const std::uint64_t count = rcpt ? 1 : what.recipient_count;
    of.refused += count;
    // What a lock names is a time: another one with each lock.
    auto kind =
        std::pair{std::string{said.rule}, said.why == reason::account_locked ? std::string{"locked"} : said.subject};
    if (of.by.size() >= most_kinds && !of.by.contains(kind)) {
        kind.second = "others";
    }
    auto& by = of.by[kind];
    if (by.count == 0) {
        by.first = time_.now();
        by.example = said.text;
    }
    by.count += count;
    by.last = time_.now();
}

void replay::sent(const request& what, std::uint32_t recipients) {
    const auto who = identified(what);
    if (who && recipients > 0) {
        usage_.message(who->account, account::select_profile(*settings_, *who)->name, time_.now(), recipients);
    }
}

void replay::close(connection& over) {
    run(asks_->abandon(over.from));
}

void replay::feed(const recorded& line) {
    move_to(line.at);
    if (connections_.size() >= most_connections) {
        connections_.clear();
    }
    auto& on = connections_[line.connection];
    if (line.close) {
        close(on);
        connections_.erase(line.connection);
        return;
    }
    on.from.number = line.connection;
    if (on.instance != line.instance) {
        on = {on.from, line.instance, 0, 0};
    }
    const request what = line.view();
    switch (what.at) {
    case stage::rcpt: {
        const bool refused = ask(what, on.from);
        on.now_refused += refused && !line.refused() ? 1 : 0;
        on.now_passed += !refused && line.refused() ? 1 : 0;
        break;
    }
    case stage::data:
        sent(what, what.recipient_count);
        ask_data(line, on);
        break;
    default:
        if (on.from.current.data) { // else the simulation refused all of it
            (void)ask(what, on.from);
        }
        on.now_refused = on.now_passed = 0;
        break;
    }
}

// recipient_count as Postfix would have counted, had it been told what the simulation says.
bool replay::ask_data(const recorded& line, connection& on) {
    request what = line.view();
    what.recipient_count += on.now_passed;
    what.recipient_count -= std::min(what.recipient_count, on.now_refused);
    return what.recipient_count == 0 || ask(what, on.from);
}

void replay::feed(const logged_message& message) {
    move_to(message.at);
    connection on;
    on.from.number = next_connection_++;
    const std::string instance = message.queue_id + '.' + std::to_string(on.from.number);
    request what;
    what.client_address = message.client_address;
    what.server_address = "maillog";
    what.sender = message.sender;
    what.queue_id = message.queue_id;
    what.instance = instance;
    what.sasl_username = message.sasl_username;
    sent(what, message.recipient_count);
    const auto known = message.recipients.size();
    for (std::uint32_t i = 0; i < message.recipient_count; ++i) {
        const std::string placeholder = "recipient-" + std::to_string(i) + '@' + message.queue_id + ".invalid";
        what.at = stage::rcpt;
        what.recipient = i < known ? message.recipients[i] : placeholder;
        on.now_refused += ask(what, on.from) ? 1 : 0;
    }
    what.recipient = {};
    what.recipient_count = message.recipient_count - on.now_refused;
    what.at = stage::data;
    if (what.recipient_count > 0 && !ask(what, on.from)) {
        what.at = stage::end_of_message;
        what.size = message.size;
        (void)ask(what, on.from);
    }
    close(on);
}

} // namespace postsluice::policyd::simulation
