// SPDX-License-Identifier: Apache-2.0
// What the running daemon is made of, for sessions, control verbs and periodic work: the settings, what is loaded from
// them (keys, next hops, resources of the checks) and can be loaded anew, and the pipeline. Any thread. What it refers
// to is main()'s and outlives it.
#pragma once

#include "contentfilter/act/published.hpp"
#include "contentfilter/act/refunds.hpp"
#include "contentfilter/feedback/bounces.hpp"
#include "contentfilter/misplacement.hpp"
#include "contentfilter/pipeline.hpp"
#include "contentfilter/runner.hpp"
#include "shared/account/ticket.hpp"
#include "shared/config/snapshot.hpp"

#include <atomic>

namespace postsluice::state {
class known_fingerprints;
}

namespace postsluice::contentfilter {

namespace bayes {
class trainer;
}
class known_book;

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
        run_checks checks;
        /// Loads the checks' resources for new settings; throws std::runtime_error naming file and line.
        std::function<void(const config::settings&)> reload_checks;
        std::function<bool()> stuck; ///< a check's thread hangs: the daemon is to end and be started again
        std::optional<uid_t> mail_owner;
        /// Health of the state directory, for `status`.
        std::function<bool()> healthy;
        std::function<double()> filter_fill, state_fill;
        maps::map_set* maps = nullptr;
        auth::batv_keys* batv = nullptr;
        act::key_publication::txt_lookup look_up = {}; ///< absent: the DNS
        act::pseudonyms* pseudonyms = nullptr;
        state::recipient_memory* recipients = nullptr;
        bayes::trainer* trainer = nullptr; ///< null: nothing can be learned
        state::campaigns* campaigns = nullptr;
        state::known_fingerprints* bad_fingerprints = nullptr;
        known_book* bad = nullptr;               ///< the same in memory
        state::handovers* handed_over = nullptr; ///< for delivery feedback
        state::verdict_history* verdicts = nullptr;
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
    [[nodiscard]] std::shared_ptr<const act::next_hops> hops() const { return hops_.load(); }
    [[nodiscard]] std::shared_ptr<act::next_hop> hop() const { return hops()->standard(); }
    [[nodiscard]] std::shared_ptr<const auth::key_table> keys() const { return keys_.load(); }
    [[nodiscard]] std::vector<std::string> key_errors() const;
    /// Loads the keys anew where their files changed. Waits while others load them: who asks sees what is on disk now.
    void look_at_keys();
    [[nodiscard]] act::key_publication& published() noexcept { return published_; }
    [[nodiscard]] act::refunds& refunds() noexcept { return refunds_; }
    [[nodiscard]] instant started() const noexcept { return started_; }

    /// Probes the next hop, then tends connections, quarantine, events and keys until the context stops.
    boost::asio::awaitable<void> tend();
    /// Releases what is held and due, until the context stops. Beside tend(): a next hop may take its time.
    boost::asio::awaitable<void> release_held();

private:
    std::vector<std::string> load_keys(config::settings_ptr by);
    std::vector<std::string> load_keys_again(); ///< loading_keys_ is held
    void load_changed_keys();                   ///< so it is
    void watch_keys();                          ///< loads them anew where their files changed
    boost::asio::awaitable<void> tend_quarantine();
    boost::asio::awaitable<void> ask_about_keys();   ///< until the context stops
    boost::asio::awaitable<void> give_memory_back(); ///< at rest; until the context stops

    parts of_;
    instant started_;
    std::atomic<std::shared_ptr<const act::next_hops>> hops_;
    std::atomic<std::shared_ptr<const auth::key_table>> keys_;
    std::atomic<instant> keys_watched_{};
    std::mutex reloading_; ///< one reload at a time
    std::mutex loading_keys_;
    config::settings_ptr keys_by_; ///< under loading_keys_; a reload may fail after the settings changed
    mutable std::mutex mutex_;
    std::vector<std::string> key_errors_;
    act::key_publication published_;
    act::refunds refunds_;
    misplacement misplacement_; ///< of tend() alone
    pipeline flow_;
};

} // namespace postsluice::contentfilter
