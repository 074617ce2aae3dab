// SPDX-License-Identifier: Apache-2.0
// What the running daemon is made of, for those who look at all of it: the control verbs, the periodic work, the
// reload. Owns nothing of it; main() does, and keeps every part alive longer than the event loop runs.
#pragma once

#include "policyd/misplacement.hpp"
#include "policyd/server.hpp"
#include "shared/config/snapshot.hpp"
#include "shared/daemon/memory.hpp"

#include <functional>

namespace postsluice::policyd {

class service {
public:
    struct parts {
        config::snapshot& configuration;
        const clock& time;
        pipeline& asks;
        server& connections;
        state::accounting& accounts;
        state::account_store& store;
        account::ticket_ring& tickets;
        /// Health of the state directory, for `status`.
        std::function<bool()> healthy;
        std::function<double()> counters_fill, state_fill;
        state::trend_store* trends = nullptr;
        auth::batv_keys* batv = nullptr;
        auth::spf_checker* spf = nullptr;
        state::overrides* overrides = nullptr; ///< the operator's limits for single accounts; null: cannot be set
    };
    explicit service(parts of);

    /// Reads the configuration again: new settings for the next request, or the errors and the old ones.
    std::vector<config::config_error> reload();

    [[nodiscard]] const parts& of() const noexcept { return of_; }
    [[nodiscard]] instant started() const noexcept { return started_; }
    /// Reads the operator's limits from the state, at the start and where one was changed. Those that this version
    /// cannot read do not hold, and the log says so.
    result<void> load_overrides();

    /// Its settings, as requests see them.
    [[nodiscard]] config::settings_ptr settings() const { return of_.asks.settings(); }

    /// Leases, windows, locks that time out, ticket keys: until the context stops. Never in a request's way.
    boost::asio::awaitable<void> tend();
    /// One round of it.
    boost::asio::awaitable<void> tend_once(bool thoroughly);

private:
    void rotate_ticket_key();
    void use_batv(const config::batv_settings& settings);
    void look_for_rest(daemon::rest_watch& memory);
    parts of_;
    instant started_;
    misplacement misplacement_;
};

} // namespace postsluice::policyd
