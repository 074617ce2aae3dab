// SPDX-License-Identifier: Apache-2.0
// Keys of the `filter` environment:
//   I <hash of queue ID>                        passage
//   D <hash of queue ID, digest>                hashes of the recipients it was delivered to, sorted
//   J <time, ascending> <I or D> <hash>         when to look whether it is old
#include "shared/state/passages.hpp"

#include "shared/state/codec.hpp"

#include <algorithm>

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t max_text = 512;
constexpr std::size_t hash_size = 8;
constexpr std::size_t time_size = 8;
constexpr std::size_t place_header = 1 + time_size;

std::string encode(const passage& p) {
    encoder out{version, 128};
    out.time(p.at).text(p.account, max_text).text(p.login, max_text).text(p.body_hash, max_text);
    return out.take();
}

std::optional<passage> decode(std::string_view value) {
    decoder in{value, version};
    passage p;
    p.at = in.time();
    p.account = in.text();
    p.login = in.text();
    p.body_hash = in.text();
    return in.complete() ? std::optional{std::move(p)} : std::nullopt;
}

struct ledger_record {
    instant at{};
    std::vector<std::string> hashes; ///< sorted

    [[nodiscard]] std::string encode() const {
        encoder out{version, 16 + hashes.size() * hash_size};
        out.time(at).number(static_cast<std::uint32_t>(hashes.size()));
        for (const auto& h : hashes)
            out.raw(h);
        return out.take();
    }
    /// A damaged one is as none: it costs a duplicate.
    [[nodiscard]] static ledger_record decode(std::string_view value) {
        decoder in{value, version};
        ledger_record r;
        r.at = in.time();
        const std::size_t n = in.count<std::uint32_t>(hash_size);
        r.hashes.reserve(n);
        for (std::size_t i = 0; i < n; ++i)
            r.hashes.emplace_back(in.raw(hash_size));
        return in.complete() ? r : ledger_record{};
    }
    [[nodiscard]] bool has(const std::string& hash) const {
        return std::binary_search(hashes.begin(), hashes.end(), hash);
    }
};

/// Under `key` with a place in time, so that it can be forgotten. A record that is there keeps its place: the sweep
/// gives it a later one.
result<void> put_with_place(write_txn& txn, const std::string& key, const std::string& value, instant at) {
    const bool fresh = !txn.get(key).has_value();
    if (auto put = txn.put(key, value); !put) return put;
    if (!fresh) return {};
    return txn.put("J" + ascending(at) + key, "\1");
}

instant time_of(std::string_view key, std::string_view value) {
    if (key.starts_with('I')) {
        const auto p = decode(value);
        return p ? p->at : instant{};
    }
    return ledger_record::decode(value).at;
}

} // namespace

passages::passages(store& where, std::string hash_secret, const clock& time)
    : store_{where}
    , secret_{std::move(hash_secret)}
    , clock_{time} {}

std::string passages::hash_of(std::string_view recipient) const {
    return hashed_key('r', secret_, {recipient}).substr(1, hash_size);
}

result<void> passages::add(std::string_view queue_id, std::string_view digest, const passage& what,
                           const std::vector<std::string_view>& recipients) {
    auto txn = store_.write();
    if (!txn) return txn.error();
    const auto ledger_key = hashed_key('D', secret_, {queue_id, digest});
    const auto known = txn->get(ledger_key);
    auto ledger = known ? ledger_record::decode(*known) : ledger_record{};
    ledger.at = what.at;
    for (const auto one : recipients)
        ledger.hashes.push_back(hash_of(one));
    std::sort(ledger.hashes.begin(), ledger.hashes.end());
    ledger.hashes.erase(std::unique(ledger.hashes.begin(), ledger.hashes.end()), ledger.hashes.end());
    if (ledger.hashes.size() > most_recipients) ledger.hashes.resize(most_recipients);
    if (auto put = put_with_place(*txn, ledger_key, ledger.encode(), what.at); !put) return put;
    if (auto put = put_with_place(*txn, hashed_key('I', secret_, {queue_id}), encode(what), what.at); !put) return put;
    return txn->commit();
}

result<std::vector<bool>> passages::delivered(std::string_view queue_id, std::string_view digest,
                                              const std::vector<std::string_view>& recipients) {
    std::vector<bool> out(recipients.size(), false);
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const auto value = txn->get(hashed_key('D', secret_, {queue_id, digest}));
    if (txn->damaged()) return failure{errc::corrupt, "delivered recipients"};
    if (!value) return out;
    const auto ledger = ledger_record::decode(*value);
    for (std::size_t i = 0; i < recipients.size(); ++i)
        out[i] = ledger.has(hash_of(recipients[i]));
    return out;
}

result<std::optional<passage>> passages::find(std::string_view queue_id) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const auto value = txn->get(hashed_key('I', secret_, {queue_id}));
    if (txn->damaged()) return failure{errc::corrupt, "passages"};
    return value ? decode(*value) : std::optional<passage>{};
}

result<void> passages::forget_before(instant t, std::size_t most) {
    auto txn = store_.write();
    if (!txn) return txn.error();
    txn->use_reserve();
    std::vector<std::string> places;
    const auto end = "J" + ascending(t);
    txn->scan("J", {}, [&](std::string_view key, std::string_view) {
        if (key >= end || places.size() >= most) return false;
        places.emplace_back(key);
        return true;
    });
    for (const auto& place : places) {
        const auto key = place.substr(std::min(place.size(), place_header));
        if (auto gone = txn->erase(place); !gone) return gone;
        const auto value = txn->get(key);
        if (!value) continue;
        const auto latest = time_of(key, *value);
        auto done = latest < t ? txn->erase(key) : txn->put("J" + ascending(latest) + key, "\1");
        if (!done) return done;
    }
    return txn->commit();
}

} // namespace postsluice::state
