// SPDX-License-Identifier: Apache-2.0
#include "shared/state/known_recipients.hpp"

#include <algorithm>
#include <cstring>

namespace postsluice::state {
namespace {

constexpr char version = 1;
constexpr std::size_t head_size = 1;
constexpr std::size_t mark_size = sizeof(std::uint32_t);
constexpr std::size_t buckets = 256;

std::string prefix_of(const record_key& account) {
    std::string out{"K"};
    return out.append(account.data() + 1, account.size() - 1);
}
std::string bucket_of(const record_key& account, std::uint64_t hash) {
    return prefix_of(account) + static_cast<char>(hash & 0xff);
}
std::uint32_t mark_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash >> 32U);
}

// The marks of a bucket; of a damaged one none.
std::vector<std::uint32_t> marks_in(std::optional<std::string_view> value) {
    if (!value || value->size() < head_size || value->front() != version ||
        (value->size() - head_size) % mark_size != 0)
        return {};
    std::vector<std::uint32_t> out((value->size() - head_size) / mark_size);
    if (!out.empty()) std::memcpy(out.data(), value->data() + head_size, out.size() * mark_size);
    return out;
}

std::string encode(const std::vector<std::uint32_t>& marks) {
    std::string value(head_size + marks.size() * mark_size, version);
    if (!marks.empty()) std::memcpy(value.data() + head_size, marks.data(), marks.size() * mark_size);
    return value;
}

} // namespace

bool knows_recipient(const read_txn& txn, const record_key& account, std::uint64_t hash) {
    const auto marks = marks_in(txn.get(bucket_of(account, hash)));
    return std::find(marks.begin(), marks.end(), mark_of(hash)) != marks.end();
}

result<void> learn_recipient(write_txn& txn, const record_key& account, std::uint64_t hash, std::size_t most) {
    const auto key = bucket_of(account, hash);
    const std::size_t room = std::max<std::size_t>(1, (most + buckets - 1) / buckets);
    auto marks = marks_in(txn.get(key));
    const auto known = std::find(marks.begin(), marks.end(), mark_of(hash));
    if (known != marks.end()) {
        const auto place = static_cast<std::size_t>(known - marks.begin());
        if (marks.size() < room || place >= marks.size() / 2) return {};
        marks.erase(known);
    }
    marks.push_back(mark_of(hash));
    if (marks.size() > room) marks.erase(marks.begin(), marks.end() - static_cast<std::ptrdiff_t>(room));
    return txn.put(key, encode(marks));
}

result<void> unlearn_recipient(write_txn& txn, const record_key& account, std::uint64_t hash) {
    const auto key = bucket_of(account, hash);
    auto marks = marks_in(txn.get(key));
    if (std::erase(marks, mark_of(hash)) == 0) return {};
    return marks.empty() ? txn.erase(key) : txn.put(key, encode(marks));
}

result<void> forget_recipients(write_txn& txn, const record_key& account) {
    std::vector<std::string> keys;
    txn.scan(prefix_of(account), {}, [&](std::string_view key, std::string_view) {
        keys.emplace_back(key);
        return true;
    });
    for (const auto& key : keys)
        if (auto gone = txn.erase(key); !gone) return gone;
    return {};
}

std::size_t count_recipients(const read_txn& txn, const record_key& account) {
    std::size_t sum = 0;
    txn.scan(prefix_of(account), {}, [&](std::string_view, std::string_view value) {
        sum += marks_in(value).size();
        return true;
    });
    return sum;
}

} // namespace postsluice::state
