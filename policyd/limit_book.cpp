// SPDX-License-Identifier: Apache-2.0
#include "policyd/limit_book.hpp"

#include "policyd/rules/rule.hpp"

#include <algorithm>

namespace postsluice::policyd {
namespace {

constexpr std::string_view account_prefix = "account:";

} // namespace

bool limit_plan::counts(limit_unit unit) const noexcept {
    return std::any_of(by_scope.begin(), by_scope.end(), [unit](const auto& list) { return list.counts(unit); });
}

std::shared_ptr<const limit_plan> make_plan(const std::vector<limit>& limits) {
    static const state::limit_list none;
    auto out = std::make_shared<limit_plan>();
    out->all = limits;
    for (std::size_t scope = 0; scope < out->by_scope.size(); ++scope) {
        std::vector<limit> here;
        std::copy_if(limits.begin(), limits.end(), std::back_inserter(here),
                     [scope](const limit& l) { return static_cast<std::size_t>(l.scope) == scope; });
        if (scope != static_cast<std::size_t>(limit_scope::account) && !here.empty()) out->of_account_only = false;
        out->by_scope[scope] = here.empty() ? none : state::limit_list{std::move(here)};
    }
    return out;
}

std::shared_ptr<const limit_plan> limit_book::plan(const config::profile& profile, std::string_view account,
                                                   instant now) {
    const auto own = overrides_.empty() ? overrides_.end() : overrides_.find(account);
    if (own == overrides_.end()) {
        auto& known = plans_[&profile];
        if (!known) known = make_plan(profile.limits);
        return known;
    }
    auto& mine = own_plans_[own->first];
    if (mine.plan && mine.of == &profile && (mine.until == instant{} || now < mine.until)) return mine.plan;
    mine = {make_plan(state::with_overrides(profile.limits, own->second, now)), &profile, {}};
    for (const auto& o : own->second) {
        if (o.until != instant{} && o.in_force(now) && (mine.until == instant{} || o.until < mine.until))
            mine.until = o.until;
    }
    return mine.plan;
}

void limit_book::forget_plans() noexcept {
    plans_.clear();
    own_plans_.clear();
}

void limit_book::load(std::vector<state::limit_override> all) {
    overrides_.clear();
    own_plans_.clear();
    for (auto& one : all)
        overrides_[one.account].push_back(std::move(one));
}

void limit_book::put(const std::string& account, std::vector<state::limit_override> its) {
    own_plans_.erase(account);
    if (its.empty())
        overrides_.erase(account);
    else
        overrides_[account] = std::move(its);
}

std::vector<state::limit_override> limit_book::overrides_of(std::string_view account, instant now) const {
    std::vector<state::limit_override> out;
    if (const auto at = overrides_.find(account); at != overrides_.end())
        std::copy_if(at->second.begin(), at->second.end(), std::back_inserter(out),
                     [now](const auto& o) { return o.in_force(now); });
    return out;
}

std::shared_ptr<const limit_plan> plan_of(const rule_context& context) {
    return context.helpers.limits != nullptr
               ? context.helpers.limits->plan(context.profile, context.who.account, context.now)
               : make_plan(context.profile.limits);
}

void count_under_account(std::vector<state::counted_limits>& out, const limit_plan& plan, std::string_view account) {
    out.resize(1);
    out[0].key.assign(account_prefix).append(account);
    out[0].limits = plan.of(limit_scope::account);
}

std::vector<state::counted_limits> counted_under(const limit_plan& plan, const config::settings& settings,
                                                 const account::scope_facts& facts) {
    std::vector<state::counted_limits> out;
    count_under_account(out, plan, facts.who.account);
    for (std::size_t i = 1; i < plan.by_scope.size(); ++i) {
        if (plan.by_scope[i].size() == 0) continue;
        if (auto key = account::scope_key(settings, static_cast<limit_scope>(i), facts))
            out.push_back({std::move(*key), plan.by_scope[i]});
    }
    return out;
}

std::vector<state::counted_limits> counted_for(const limit_plan& plan, const config::settings& settings,
                                               const account::identity& who) {
    return counted_under(plan, settings, {who, {}, mail_address{}});
}

} // namespace postsluice::policyd
