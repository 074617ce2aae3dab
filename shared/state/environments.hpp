// SPDX-License-Identifier: Apache-2.0
// The state directory as one daemon uses it: directory, clock, hash secret, its hot environment (policyd: `counters`,
// contentfilter: `filter`), the shared `state` environment with its writer thread, and the repositories on them.
// Opened once, after privileges were dropped and before other threads start (it sets the umask for a moment); closed at
// the daemon's orderly end, after its loops stopped. A daemon's start-up is:
//
//     auto state = state::environments::open({.directory = ..., ...}, state::user::policyd);
//     if (!state) throw std::runtime_error{state.error().message()};
//     auto accounting = (*state)->make_accounting(loop.get_executor(), {.lease = ...});
#pragma once

#include "shared/state/account_store.hpp"
#include "shared/state/accounting_lmdb.hpp"
#include "shared/state/attempts.hpp"
#include "shared/state/campaigns.hpp"
#include "shared/state/event_log.hpp"
#include "shared/state/handovers.hpp"
#include "shared/state/known_fingerprints.hpp"
#include "shared/state/maintenance.hpp"
#include "shared/state/overrides.hpp"
#include "shared/state/passages.hpp"
#include "shared/state/quarantine_index.hpp"
#include "shared/state/recipient_memory.hpp"
#include "shared/state/token_statistics.hpp"
#include "shared/state/trend_store.hpp"
#include "shared/state/verdict_history.hpp"

namespace postsluice::state {

enum class user : std::uint8_t { policyd, contentfilter };

struct environments_options {
    std::filesystem::path directory;
    byte_count map_size{std::uint64_t{4} << 30}; ///< of each environment
    seconds writer_timeout{2};
    seconds sync_interval{1};
    seconds copy_interval{300};
    durability hot = durability::background;           ///< of `counters` or `filter`
    byte_count journal_size{std::uint64_t{24} << 20U}; ///< of `counters`
};

class environments {
public:
    [[nodiscard]] static result<std::unique_ptr<environments>> open(const environments_options& options, user who);
    environments(const environments&) = delete;
    environments& operator=(const environments&) = delete;

    [[nodiscard]] const boot_clock& time() const noexcept { return clock_; }
    [[nodiscard]] const std::string& secret() const noexcept { return secret_; }
    /// `counters` or `filter`.
    [[nodiscard]] store& hot() noexcept { return hot_->get(); }
    [[nodiscard]] store& shared() noexcept { return *state_; }
    [[nodiscard]] writer& state_writer() noexcept { return *writer_; }
    [[nodiscard]] account_store& accounts() noexcept { return *accounts_; }
    /// The operator's limits for single accounts; policyd writes them.
    [[nodiscard]] overrides& limit_overrides() noexcept { return *overrides_; }
    [[nodiscard]] quarantine_index& quarantine() noexcept { return *quarantine_; }
    /// contentfilter only (asserted).
    [[nodiscard]] event_log& events();
    /// contentfilter only (asserted).
    [[nodiscard]] passages& passed();
    [[nodiscard]] handovers& handed_over();
    [[nodiscard]] attempts& tries();
    [[nodiscard]] recipient_memory& recipients();
    [[nodiscard]] verdict_history& judged();
    [[nodiscard]] token_statistics& learned();
    [[nodiscard]] campaigns& sent_campaigns();
    [[nodiscard]] known_fingerprints& bad_fingerprints();
    /// policyd only (asserted), once; it must end before this and before the loop's context.
    [[nodiscard]] std::unique_ptr<accounting> make_accounting(asio::any_io_executor loop,
                                                              accounting_options options = {});
    /// policyd only; beside the accounting that make_accounting() made, which must outlive it.
    [[nodiscard]] std::unique_ptr<trend_store> make_trends(accounting& beside);

private:
    explicit environments(const std::filesystem::path& directory)
        : clock_{directory} {}
    boot_clock clock_;
    user user_{};
    std::string secret_;
    std::unique_ptr<background_environment> hot_;
    std::unique_ptr<store> state_;
    std::unique_ptr<maintenance> state_maintenance_;
    std::unique_ptr<writer> writer_;
    std::unique_ptr<account_store> accounts_;
    std::unique_ptr<overrides> overrides_;
    std::unique_ptr<quarantine_index> quarantine_;
    std::unique_ptr<event_log> events_;
    std::unique_ptr<passages> passages_;
    std::unique_ptr<handovers> handovers_;
    std::unique_ptr<attempts> attempts_;
    std::unique_ptr<recipient_memory> recipients_;
    std::unique_ptr<verdict_history> judged_;
    std::unique_ptr<token_statistics> learned_;
    std::unique_ptr<campaigns> campaigns_;
    std::unique_ptr<known_fingerprints> known_fingerprints_;
};

} // namespace postsluice::state
