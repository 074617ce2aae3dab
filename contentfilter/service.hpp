// SPDX-License-Identifier: Apache-2.0
// What the running daemon is made of, for sessions, control verbs and periodic work: the settings, what is loaded from
// them (keys, next hop, resources of the checks) and can be loaded anew, and the pipeline. Any thread. What it refers
// to is main()'s and outlives it.
#pragma once

#include "contentfilter/pipeline.hpp"
#include "contentfilter/runner.hpp"
#include "shared/account/ticket.hpp"
#include "shared/config/snapshot.hpp"

#include <atomic>

namespace postsluice::contentfilter {

class service {
public:
    struct parts {
        config::snapshot& configuration;
        boost::asio::any_io_executor executor;
        const clock& time;
        state::account_store& accounts;
        state::event_log& events;
        state::passages& passed;
        state::attempts& tries;
        act::quarantine& kept;
        account::ticket_ring& tickets;
        counters& counts;
        std::function<boost::asio::awaitable<std::vector<finding>>(message_ptr)> checks;
        /// Loads the checks' resources for new settings; throws std::runtime_error naming file and line.
        std::function<void(const config::settings&)> reload_checks;
        std::function<bool()> stuck; ///< a check's thread hangs: the daemon is to end and be started again
        std::optional<uid_t> mail_owner;
        /// Health of the state directory, for `status`.
        std::function<bool()> healthy;
        std::function<double()> filter_fill, state_fill;
        maps::map_set* maps = nullptr;
        auth::batv_keys* batv = nullptr;
    };
    /// Loads the keys, and reports those that cannot be. Throws std::runtime_error where next_hop cannot be read.
    explicit service(parts of);
    service(const service&) = delete;

    struct reload_outcome {
        std::vector<config::config_error> errors; ///< the old settings stay in force
        std::vector<std::string> key_errors;
    };
    reload_outcome reload();

    [[nodiscard]] const parts& of() const noexcept { return of_; }
    [[nodiscard]] pipeline& flow() noexcept { return flow_; }
    [[nodiscard]] config::settings_ptr settings() const { return of_.configuration.get(); }
    [[nodiscard]] std::shared_ptr<act::next_hop> hop() const { return hop_.load(); }
    [[nodiscard]] std::shared_ptr<const auth::key_table> keys() const { return keys_.load(); }
    [[nodiscard]] std::vector<std::string> key_errors() const;
    [[nodiscard]] instant started() const noexcept { return started_; }

    /// Probes the next hop, then tends connections, quarantine and events until the context stops.
    boost::asio::awaitable<void> tend();

private:
    std::vector<std::string> load_keys(const config::settings& settings);
    void watch_keys(); ///< loads them anew where their files changed
    boost::asio::awaitable<void> tend_quarantine();

    parts of_;
    instant started_;
    std::atomic<std::shared_ptr<act::next_hop>> hop_;
    std::atomic<std::shared_ptr<const auth::key_table>> keys_;
    std::atomic<instant> keys_watched_{};
    std::mutex reloading_; ///< one reload at a time
    mutable std::mutex mutex_;
    std::vector<std::string> key_errors_;
    pipeline flow_;
};

} // namespace postsluice::contentfilter
