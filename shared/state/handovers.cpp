// SPDX-License-Identifier: Apache-2.0
// Keys of the `filter` environment:
//   H <hash of queue ID>                        handover
//   B <time, ascending> <hash of H>             when it may be forgotten
#include "shared/state/handovers.hpp"

#include "shared/state/codec.hpp"

#include <algorithm>
#include <vector>

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t max_text = 512;
constexpr std::size_t place_header = 1 + 8; // the letter and the time

std::string encode(const handover& h) {
    encoder out{version, 128};
    out.time(h.at).text(h.account, max_text).text(h.login, max_text).text(h.client, max_text).text(h.sender, max_text);
    return out.take();
}

std::optional<handover> decode(std::string_view value) {
    decoder in{value, version};
    handover h;
    h.at = in.time();
    h.account = in.text();
    h.login = in.text();
    h.client = in.text();
    h.sender = in.text();
    return in.complete() ? std::optional{std::move(h)} : std::nullopt;
}

std::string key_of(const std::string& secret, std::string_view queue_id) {
    return hashed_key('H', secret, {queue_id});
}

} // namespace

handovers::handovers(store& where, std::string hash_secret)
    : store_{where}
    , secret_{std::move(hash_secret)} {}

result<void> handovers::add(std::string_view queue_id, const handover& what) {
    auto txn = store_.write();
    if (!txn) return txn.error();
    const auto key = key_of(secret_, queue_id);
    if (auto put = txn->put(key, encode(what)); !put) return put;
    if (auto put = txn->put("B" + ascending(what.at) + key.substr(1), "\1"); !put) return put;
    return txn->commit();
}

result<std::optional<handover>> handovers::find(std::string_view queue_id) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const auto value = txn->get(key_of(secret_, queue_id));
    if (txn->damaged()) return failure{errc::corrupt, "handovers"};
    return value ? decode(*value) : std::optional<handover>{};
}

result<void> handovers::forget_before(instant t, std::size_t most) {
    auto txn = store_.write();
    if (!txn) return txn.error();
    txn->use_reserve();
    std::vector<std::string> places;
    const auto end = "B" + ascending(t);
    txn->scan("B", {}, [&](std::string_view place, std::string_view) {
        if (place >= end || places.size() >= most) return false;
        places.emplace_back(place);
        return true;
    });
    if (places.empty()) return {};
    for (const auto& place : places) {
        if (auto gone = txn->erase(place); !gone) return gone;
        const auto key = "H" + place.substr(std::min(place.size(), place_header));
        const auto value = txn->get(key);
        const auto known = value ? decode(*value) : std::nullopt;
        if (known && known->at >= t) continue; // a short queue ID that was used again
        if (auto gone = txn->erase(key); !gone) return gone;
    }
    return txn->commit();
}

} // namespace postsluice::state
