// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/reinject.hpp"

#include <algorithm>

namespace postsluice::contentfilter::act {

namespace {

std::vector<std::string> addresses_in(const config::settings& settings) {
    std::vector<std::string> out{settings.contentfilter.next_hop};
    const auto add = [&](const std::string& one) {
        if (!one.empty() && std::find(out.begin(), out.end(), one) == out.end()) out.push_back(one);
    };
    for (const auto& [name, profile] : settings.profiles) {
        add(profile->next_hop);
        if (profile->hold == config::hold_place::queue) add(settings.contentfilter.hold_hop);
    }
    return out;
}

/// What a pool is made with, besides its endpoint.
bool same_ways(const config::settings& a, const config::settings& b) {
    const auto& x = a.contentfilter;
    const auto& y = b.contentfilter;
    return a.hostname == b.hostname && x.deadline == y.deadline && x.next_hop_idle == y.next_hop_idle &&
           x.next_hop_connect_timeout == y.next_hop_connect_timeout &&
           x.next_hop_reply_timeout == y.next_hop_reply_timeout;
}

} // namespace

next_hops::next_hops(boost::asio::any_io_executor executor, config::settings_ptr settings, const next_hops* before)
    : executor_{std::move(executor)}
    , settings_{std::move(settings)} {
    const bool same = before != nullptr && same_ways(*settings_, *before->settings_);
    for (const auto& address : addresses_in(*settings_)) {
        auto kept = same ? before->find(address) : nullptr;
        all_.emplace_back(address, kept ? kept : std::make_shared<next_hop>(executor_, *settings_, address));
    }
}

std::shared_ptr<next_hop> next_hops::find(const std::string& address) const {
    const auto at = std::find_if(all_.begin(), all_.end(), [&](const auto& one) { return one.first == address; });
    return at == all_.end() ? nullptr : at->second;
}

std::shared_ptr<next_hop> next_hops::of(const std::string& address) const {
    if (address.empty()) return standard();
    auto found = find(address);
    return found ? found : std::make_shared<next_hop>(executor_, *settings_, address);
}

} // namespace postsluice::contentfilter::act
