// SPDX-License-Identifier: Apache-2.0
// Keys of the `filter` environment:
//   B <hash of queue ID, digest>    process, tries, holders, time
#include "shared/state/attempts.hpp"

#include "shared/core/random.hpp"
#include "shared/state/codec.hpp"

#include <cstring>
#include <vector>

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 1;

struct mark {
    std::uint64_t process = 0;
    std::uint32_t tries = 0;   ///< by processes that are dead
    std::uint32_t holders = 0; ///< slices of it that `process` is looking at
    instant at{};

    [[nodiscard]] std::string encode() const {
        encoder out{version, 32};
        out.number(process).number(tries).number(holders).time(at);
        return out.take();
    }
    /// A damaged one is as none.
    [[nodiscard]] static mark decode(std::string_view value) {
        decoder in{value, version};
        mark m;
        m.process = in.number<std::uint64_t>();
        m.tries = in.number<std::uint32_t>();
        m.holders = in.number<std::uint32_t>();
        m.at = in.time();
        return in.complete() ? m : mark{};
    }
};

std::uint64_t random_number() {
    std::uint64_t out = 0;
    const auto octets = random_bytes(sizeof out);
    std::memcpy(&out, octets.data(), sizeof out);
    return out;
}

} // namespace

attempts::attempts(store& where, std::string hash_secret, const clock& time)
    : store_{where}
    , secret_{std::move(hash_secret)}
    , clock_{time}
    , process_{random_number()} {}

result<std::uint32_t> attempts::begin(std::string_view queue_id, std::string_view digest) {
    auto txn = store_.write();
    if (!txn) return txn.error();
    const auto key = hashed_key('B', secret_, {queue_id, digest});
    const auto value = txn->get(key);
    auto m = value ? mark::decode(*value) : mark{};
    if (m.process != process_) {
        if (m.holders > 0) ++m.tries;
        m.process = process_;
        m.holders = 0;
    }
    ++m.holders;
    m.at = clock_.now();
    if (auto put = txn->put(key, m.encode()); !put) return put.error();
    if (auto done = txn->commit(); !done) return done.error();
    return m.tries;
}

result<void> attempts::end(std::string_view queue_id, std::string_view digest) {
    auto txn = store_.write();
    if (!txn) return txn.error();
    txn->use_reserve();
    const auto key = hashed_key('B', secret_, {queue_id, digest});
    const auto value = txn->get(key);
    if (!value) return {};
    auto m = mark::decode(*value);
    if (m.holders > 1 && m.process == process_) {
        --m.holders;
        if (auto put = txn->put(key, m.encode()); !put) return put;
    } else if (auto gone = txn->erase(key); !gone) {
        return gone;
    }
    return txn->commit();
}

result<void> attempts::forget_before(instant t, std::size_t most) {
    auto txn = store_.write();
    if (!txn) return txn.error();
    txn->use_reserve();
    std::vector<std::string> old;
    txn->scan("B", {}, [&](std::string_view key, std::string_view value) {
        const auto m = mark::decode(value);
        if (m.process != process_ && m.at < t) old.emplace_back(key);
        return old.size() < most;
    });
    for (const auto& key : old)
        if (auto gone = txn->erase(key); !gone) return gone;
    return txn->commit();
}

} // namespace postsluice::state
