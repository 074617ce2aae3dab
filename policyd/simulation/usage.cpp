// SPDX-License-Identifier: Apache-2.0
#include "policyd/simulation/usage.hpp"

#include <algorithm>
#include <array>

namespace postsluice::policyd::simulation {

namespace {

constexpr std::array units{limit_unit::messages, limit_unit::recipients};
constexpr std::array periods{seconds{60}, seconds{3600}, seconds{86400}};

/// The nearest rank: the smallest value that at least `percent` of all do not exceed.
std::uint64_t percentile(std::vector<std::uint64_t> values, std::size_t percent) {
    if (values.empty()) {
        return 0;
    }
    const auto rank = (values.size() * percent + 99) / 100;
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
    std::ranges::nth_element(values, at);
    return *at;
}

} // namespace

std::uint64_t round_up(std::uint64_t n) noexcept {
    std::uint64_t digit = 1;
    while (n / digit >= 100) {
        digit *= 10;
    }
    return (n + digit - 1) / digit * digit;
}

void usage::message(const std::string& account, const std::string& profile, instant at, std::uint32_t recipients) {
    auto& of = known_[account];
    of.profile = profile;
    of.messages.push_back({at, recipients});
}

proposed_limit usage::propose(const std::vector<sent>& messages, limit_unit unit, seconds period) {
    const auto cost = [unit](const sent& m) { return unit == limit_unit::messages ? 1U : m.recipients; };
    std::vector<std::uint64_t> peaks;
    std::uint64_t in_window = 0;
    std::size_t oldest = 0;
    auto bucket = instant::min();
    for (const auto& m : messages) {
        in_window += cost(m);
        for (; messages[oldest].at <= m.at - period; ++oldest) {
            in_window -= cost(messages[oldest]);
        }
        const auto mine = instant{m.at.time_since_epoch() / period * milliseconds{period}};
        if (mine != bucket) {
            bucket = mine;
            peaks.push_back(0);
        }
        peaks.back() = std::max(peaks.back(), in_window);
    }
    proposed_limit out;
    out.percentile = percentile(peaks, 99);
    out.highest = peaks.empty() ? 0 : std::ranges::max(peaks);
    out.periods = peaks.size();
    out.what = {round_up(std::max<std::uint64_t>(out.percentile, 1)), unit, period};
    out.above = static_cast<std::size_t>(std::ranges::count_if(peaks, [&](auto n) { return n > out.what.count; }));
    return out;
}

std::vector<account_proposal> usage::accounts() const {
    std::vector<account_proposal> out;
    for (const auto& [account, of] : known_) {
        auto& made = out.emplace_back(account_proposal{account, of.profile, {}});
        for (const auto unit : units) {
            for (const auto period : periods) {
                made.limits.push_back(propose(of.messages, unit, period));
            }
        }
    }
    return out;
}

std::vector<profile_proposal> usage::profiles(const std::vector<account_proposal>& of) {
    std::map<std::string, std::vector<const account_proposal*>> by_profile;
    for (const auto& one : of) {
        by_profile[one.profile].push_back(&one);
    }
    std::vector<profile_proposal> out;
    for (const auto& [profile, accounts] : by_profile) {
        auto& made = out.emplace_back(profile_proposal{profile, accounts.size(), {}});
        for (std::size_t i = 0; i < units.size() * periods.size(); ++i) {
            profile_limit line;
            std::vector<std::uint64_t> all;
            for (const auto* one : accounts) {
                const auto& mine = one->limits[i];
                all.push_back(mine.percentile);
                if (mine.percentile >= line.highest) {
                    line.highest = mine.percentile;
                    line.highest_account = one->account;
                    line.what = mine.what;
                }
            }
            line.median = percentile(all, 50);
            made.limits.push_back(std::move(line));
        }
    }
    return out;
}

} // namespace postsluice::policyd::simulation
