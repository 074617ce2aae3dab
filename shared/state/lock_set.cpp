// SPDX-License-Identifier: Apache-2.0
#include "shared/state/lock_set.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace postsluice::state {

namespace {

constexpr std::string_view network_scope = "network:";
constexpr std::array<std::string_view, 6> scopes{
    "domain:", "customer:", "client:", network_scope, "sender:", "sender-domain:"};

bool has_scope(std::string_view key) noexcept {
    return std::any_of(scopes.begin(), scopes.end(), [key](auto scope) { return key.starts_with(scope); });
}

int prefix_of(const ip_network& network) {
    const auto text = network.to_string();
    int prefix = 128;
    if (const auto slash = text.find('/'); slash != std::string::npos)
        std::from_chars(text.data() + slash + 1, text.data() + text.size(), prefix);
    return prefix;
}

} // namespace

lock_set::lock_set(std::vector<locked_account> all, std::set<std::string, std::less<>> damaged, place_function place_of)
    : damaged_{std::move(damaged)}
    , place_of_{std::move(place_of)} {
    for (auto& one : all) {
        scopes_ = scopes_ || has_scope(one.account);
        if (one.account.starts_with(network_scope)) {
            if (const auto network = ip_network::parse(one.account.substr(network_scope.size())))
                networks_.push_back({*network, one});
        }
        by_key_.insert_or_assign(std::move(one.account), std::move(one.lock));
    }
    std::stable_sort(networks_.begin(), networks_.end(),
                     [](const auto& a, const auto& b) { return prefix_of(a.network) > prefix_of(b.network); });
}

result<const lock_state*> lock_set::find(std::string_view key) const {
    if (!damaged_.empty() && place_of_ && damaged_.contains(place_of_(key))) {
        return failure{errc::corrupt, "the lock record of " + std::string{key} +
                                          " is damaged; postsluice account reset " + std::string{key} + " repairs it"};
    }
    const auto at = by_key_.find(key);
    return at == by_key_.end() ? nullptr : &at->second;
}

const locked_account* lock_set::network_around(const ip_address& address, instant now) const {
    const auto at = std::find_if(networks_.begin(), networks_.end(), [&](const auto& one) {
        return one.network.contains(address) && is_locked(one.what.lock, now);
    });
    return at == networks_.end() ? nullptr : &at->what;
}

} // namespace postsluice::state
