// SPDX-License-Identifier: Apache-2.0
// Which limits hold for a request, and under which keys they count: the profile's limits, sorted by scope once and
// shared by all requests, with an operator's overrides for single accounts in their places. On the event loop's thread;
// owned by the pipeline. Overrides are held here in memory, so that no request reads them from the state; who changes
// them there (control verbs) changes them here, and the start loads them.
#pragma once

#include "shared/account/scopes.hpp"
#include "shared/state/accounting.hpp"
#include "shared/state/overrides.hpp"

#include <array>
#include <map>
#include <unordered_map>

namespace postsluice::policyd {

struct rule_context;

/// The limits of one profile or account: as they are written, and by scope.
struct limit_plan {
    std::vector<limit> all;
    std::array<state::limit_list, static_cast<std::size_t>(last_limit_scope) + 1> by_scope;
    [[nodiscard]] const state::limit_list& of(limit_scope scope) const noexcept {
        return by_scope[static_cast<std::size_t>(scope)];
    }
    bool of_account_only = true; ///< no other scope has a limit
    [[nodiscard]] bool counts(limit_unit unit) const noexcept;
};
[[nodiscard]] std::shared_ptr<const limit_plan> make_plan(const std::vector<limit>& limits);

class limit_book {
public:
    /// What holds for the account now.
    [[nodiscard]] std::shared_ptr<const limit_plan> plan(const config::profile& profile, std::string_view account,
                                                         instant now);
    /// Another configuration holds: plans are made anew.
    void forget_plans() noexcept;

    /// All overrides there are, in place of those before.
    void load(std::vector<state::limit_override> all);
    /// Those of one account, in place of those before.
    void put(const std::string& account, std::vector<state::limit_override> its);
    [[nodiscard]] std::vector<state::limit_override> overrides_of(std::string_view account, instant now) const;

private:
    struct own_plan {
        std::shared_ptr<const limit_plan> plan;
        const config::profile* of = nullptr;
        instant until{}; ///< an override ends; the epoch: none does
    };
    std::unordered_map<const config::profile*, std::shared_ptr<const limit_plan>> plans_;
    std::map<std::string, std::vector<state::limit_override>, std::less<>> overrides_;
    std::map<std::string, own_plan, std::less<>> own_plans_;
};

/// What holds for the account of a request: the profile's limits alone where there is no book (tests of rules).
[[nodiscard]] std::shared_ptr<const limit_plan> plan_of(const rule_context& context);

/// The plan with the keys that the request counts under. The account's own always comes first.
[[nodiscard]] std::vector<state::counted_limits> counted_under(const limit_plan& plan, const config::settings& settings,
                                                               const account::scope_facts& facts);
/// The same under the account alone, written into `out`, whose memory is used again. For plans of no other scope.
void count_under_account(std::vector<state::counted_limits>& out, const limit_plan& plan, std::string_view account);
/// The same without a request: the account, its domain, its customer and the server.
[[nodiscard]] std::vector<state::counted_limits> counted_for(const limit_plan& plan, const config::settings& settings,
                                                             const account::identity& who);

} // namespace postsluice::policyd
