// SPDX-License-Identifier: Apache-2.0
// Keys of the `filter` environment:
//   V <hash of account>   its last messages, oldest first: milliseconds since the epoch, doubled, and 1 for a bad one
#include "shared/state/verdict_history.hpp"

#include "shared/state/codec.hpp"

#include <algorithm>
#include <vector>

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 1;
constexpr int skipped_share = 16; // of the memory

struct judged {
    instant at{};
    bool bad = false;
};

/// A damaged record is as none: the account begins anew.
std::vector<judged> decode(std::string_view value) {
    decoder in{value, version};
    std::vector<judged> out(in.count<std::uint16_t>(8));
    for (auto& one : out) {
        const auto number = in.number<std::uint64_t>();
        one = {instant{milliseconds{static_cast<std::int64_t>(number >> 1U)}}, (number & 1U) != 0};
    }
    return in.complete() ? out : std::vector<judged>{};
}

std::string encode(const std::vector<judged>& all) {
    encoder out{version, 3 + all.size() * 8};
    out.number(static_cast<std::uint16_t>(all.size()));
    for (const auto& one : all)
        out.number(static_cast<std::uint64_t>(one.at.time_since_epoch().count()) << 1U | (one.bad ? 1U : 0U));
    return out.take();
}

std::vector<judged> read(const read_txn& txn, const std::string& key) {
    const auto value = txn.get(key);
    return value ? decode(*value) : std::vector<judged>{};
}

void keep_newest(std::vector<judged>& all, std::size_t most) {
    if (all.size() > most) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(most));
}

} // namespace

verdict_history::verdict_history(store& where, std::string hash_secret)
    : store_{where}
    , secret_{std::move(hash_secret)} {}

result<verdict_history::tally> verdict_history::ask(std::string_view account, instant since, std::size_t kept) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    auto all = read(*txn, hashed_key('V', secret_, {account}));
    if (txn->damaged()) return failure{errc::corrupt, "history of verdicts"};
    keep_newest(all, kept);
    tally out;
    for (const auto& one : all) {
        if (one.at <= since) continue;
        ++out.messages;
        out.bad += one.bad ? 1U : 0U;
    }
    return out;
}

result<void> verdict_history::learn(std::string_view account, bool bad, instant now, const bounds& within) {
    const auto key = hashed_key('V', secret_, {account});
    if (!bad) {
        const auto txn = store_.read();
        if (!txn) return txn.error();
        const auto known = read(*txn, key);
        const auto good = [](const judged& one) { return !one.bad; };
        if (known.size() >= within.kept && std::all_of(known.begin(), known.end(), good) &&
            (known.empty() || now - known.back().at < within.memory / skipped_share))
            return {};
    }
    auto txn = store_.write();
    if (!txn) return txn.error();
    auto all = read(*txn, key);
    all.push_back({now, bad});
    keep_newest(all, within.kept);
    if (auto put = txn->put(key, encode(all)); !put) return put;
    return txn->commit();
}

} // namespace postsluice::state
