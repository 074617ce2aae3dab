// SPDX-License-Identifier: Apache-2.0
#include "shared/state/environments.hpp"

#include "shared/log/log.hpp"
#include "shared/state/umask_guard.hpp"

#include <cstdlib>
#include <stdexcept>

namespace postsluice::state {
namespace {

constexpr std::uint32_t counters_schema = 3; // 1: windows were written one field after the other; 2: with all slots
constexpr std::uint32_t filter_schema = 1;
constexpr std::uint32_t state_schema = 1;

void require(bool holds, std::string_view what) {
    if (holds) return;
    log::error("broken invariant").kv("what", what);
    std::abort();
}

} // namespace

result<std::unique_ptr<environments>> environments::open(const environments_options& options, user who) {
    const umask_guard group_only;
    std::error_code ec;
    std::filesystem::create_directories(options.directory, ec);
    if (ec) return failure{errc::denied, options.directory.string() + ": " + ec.message()};
    std::unique_ptr<environments> self;
    try {
        self.reset(new environments{options.directory});
    } catch (const std::runtime_error& e) {
        return failure{errc::unavailable, e.what()};
    }
    self->user_ = who;
    auto secret = state_secret(options.directory);
    if (!secret) return secret.error();
    self->secret_ = std::move(*secret);

    const bool policy = who == user::policyd;
    maintenance_options schedule;
    schedule.sync_interval = options.sync_interval;
    schedule.copy_interval = options.copy_interval;
    schedule.synced = options.hot == durability::synced;
    if (policy) schedule.journal_size = options.journal_size;
    auto hot = background_environment::open({.directory = options.directory / (policy ? "counters" : "filter"),
                                             .map_size = options.map_size,
                                             .schema = policy ? counters_schema : filter_schema},
                                            self->clock_.boot_id(), schedule);
    if (!hot) return hot.error();
    self->hot_ = std::move(*hot);
    auto state = store::open({.directory = options.directory / "state",
                              .map_size = options.map_size,
                              .how = durability::synced,
                              .schema = state_schema});
    if (!state) return state.error();
    self->state_ = std::move(*state);
    self->state_maintenance_ = std::make_unique<maintenance>(*self->state_, maintenance_options{});
    self->writer_ = std::make_unique<writer>(*self->state_, options.writer_timeout);
    self->accounts_ = std::make_unique<account_store>(*self->state_, *self->writer_, self->secret_, self->clock_);
    self->quarantine_ = std::make_unique<quarantine_index>(*self->state_, *self->writer_);
    self->overrides_ = std::make_unique<overrides>(*self->state_, *self->writer_, self->secret_);
    if (!policy) {
        self->events_ = std::make_unique<event_log>(self->hot(), self->secret_, self->clock_);
        self->attempts_ = std::make_unique<attempts>(options.directory / "tries", self->secret_, self->clock_);
        self->recipients_ = std::make_unique<recipient_memory>(self->hot(), self->secret_);
        self->judged_ = std::make_unique<verdict_history>(self->hot(), self->secret_);
        self->learned_ = std::make_unique<token_statistics>(self->hot(), self->secret_, self->clock_);
        self->campaigns_ = std::make_unique<campaigns>(self->hot(), self->secret_);
        self->known_fingerprints_ = std::make_unique<known_fingerprints>(*self->state_, *self->writer_);
        self->passages_ = std::make_unique<passages>(self->hot(), self->secret_, self->clock_);
        self->handovers_ = std::make_unique<handovers>(self->hot(), self->secret_);
    }
    return self;
}

event_log& environments::events() {
    require(events_ != nullptr, "the filter environment is contentfilter's");
    return *events_;
}

passages& environments::passed() {
    require(passages_ != nullptr, "the filter environment is contentfilter's");
    return *passages_;
}

handovers& environments::handed_over() {
    require(handovers_ != nullptr, "the filter environment is contentfilter's");
    return *handovers_;
}

attempts& environments::tries() {
    require(attempts_ != nullptr, "the filter environment is contentfilter's");
    return *attempts_;
}

recipient_memory& environments::recipients() {
    require(recipients_ != nullptr, "the filter environment is contentfilter's");
    return *recipients_;
}

verdict_history& environments::judged() {
    require(judged_ != nullptr, "the filter environment is contentfilter's");
    return *judged_;
}

token_statistics& environments::learned() {
    require(learned_ != nullptr, "the filter environment is contentfilter's");
    return *learned_;
}

campaigns& environments::sent_campaigns() {
    require(campaigns_ != nullptr, "the filter environment is contentfilter's");
    return *campaigns_;
}

known_fingerprints& environments::bad_fingerprints() {
    require(known_fingerprints_ != nullptr, "fingerprints are contentfilter's");
    return *known_fingerprints_;
}

std::unique_ptr<accounting> environments::make_accounting(asio::any_io_executor loop, accounting_options options) {
    require(user_ == user::policyd, "the counters environment is policyd's");
    return std::make_unique<accounting_lmdb>(hot(), std::move(loop), secret_, clock_, options);
}

std::unique_ptr<trend_store> environments::make_trends(accounting& beside) {
    auto* const turns = dynamic_cast<turn*>(&beside);
    require(turns != nullptr, "trends are written in the accounting's turn");
    return make_trend_store(*turns, secret_, clock_);
}

} // namespace postsluice::state
