// SPDX-License-Identifier: Apache-2.0
#include "shared/state/change_layer.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

namespace postsluice::state {
namespace {

constexpr std::size_t first_buckets = 1024;
constexpr std::size_t few = 32; // so many are put in their places one by one

} // namespace

char* octet_arena::take(std::size_t size) {
    size = (size + 7) / 8 * 8;
    taken_ += size;
    if (size > block_size / 4) return large_.emplace_back(std::make_unique_for_overwrite<char[]>(size)).get();
    if (at_ + size > block_size) {
        if (used_ == blocks_.size()) blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_size));
        current_ = blocks_[used_++].get();
        at_ = 0;
    }
    return current_ + std::exchange(at_, at_ + size);
}

void octet_arena::clear() noexcept {
    large_.clear();
    blocks_.resize(std::min(blocks_.size(), used_)); // what the time before last needed more
    used_ = taken_ = 0;
    at_ = block_size;
}

change_layer::change_layer()
    : buckets_(first_buckets, none_) {}

std::size_t change_layer::bucket_of(std::string_view key) const noexcept {
    return std::hash<std::string_view>{}(key) & (buckets_.size() - 1);
}

const change_layer::change* change_layer::find(std::string_view key) const noexcept {
    for (auto i = buckets_[bucket_of(key)]; i != none_; i = changes_[i].next_)
        if (changes_[i].key() == key) return &changes_[i];
    return nullptr;
}

change_layer::change& change_layer::entry_of(std::string_view key) {
    if (const auto* known = find(key)) return changes_[static_cast<std::size_t>(known - changes_.data())];
    if (changes_.size() >= buckets_.size()) grow();
    char* const copy = arena_.take(key.size());
    std::memcpy(copy, key.data(), key.size());
    auto& first = buckets_[bucket_of(key)];
    change fresh;
    fresh.key_ = copy;
    fresh.key_size_ = static_cast<std::uint32_t>(key.size());
    fresh.next_ = std::exchange(first, static_cast<std::uint32_t>(changes_.size()));
    return changes_.emplace_back(fresh);
}

void change_layer::grow() {
    buckets_.assign(2 * buckets_.size(), none_);
    for (std::uint32_t i = 0; i < changes_.size(); ++i)
        changes_[i].next_ = std::exchange(buckets_[bucket_of(changes_[i].key())], i);
}

void change_layer::remember(std::uint32_t index, std::optional<std::string_view> below) {
    auto& c = changes_[index];
    if (c.turn_ == turn_) return;
    c.turn_ = turn_;
    std::string_view before;
    bool known = true;
    if (c.what_ == kind::put)
        before = c.value();
    else if (c.what_ == kind::none && below)
        before = *below;
    else
        known = false;
    undo_.push_back({index, c.what_, known, old_values_.size(), before.size()});
    old_values_.append(before);
}

void change_layer::store(change& c, std::string_view value) {
    if (value.size() > c.room_) {
        // A little more than asked for: records of transactions grow with their recipients.
        c.room_ = static_cast<std::uint32_t>(value.size() + value.size() / 4);
        c.value_ = arena_.take(c.room_);
    }
    if (!value.empty()) std::memcpy(c.value_, value.data(), value.size());
    c.value_size_ = static_cast<std::uint32_t>(value.size());
}

void change_layer::set(std::string_view key, std::optional<std::string_view> value,
                       std::optional<std::string_view> below) {
    auto& c = entry_of(key);
    remember(static_cast<std::uint32_t>(&c - changes_.data()), below);
    c.what_ = value ? kind::put : kind::erased;
    if (value)
        store(c, *value);
    else
        c.value_size_ = 0;
}

void change_layer::keep_turn() noexcept {
    undo_.clear();
    old_values_.clear();
    ++turn_;
}

void change_layer::take_back_turn() {
    for (const auto& u : undo_) {
        auto& c = changes_[u.index];
        c.what_ = u.what;
        const bool own = u.what == kind::put;
        store(c, own ? std::string_view{old_values_}.substr(u.at, u.size) : std::string_view{});
    }
    keep_turn();
}

void change_layer::sort() {
    const auto by_key = [this](std::uint32_t a, std::uint32_t b) { return changes_[a].key() < changes_[b].key(); };
    const auto fresh = changes_.size() - sorted_.size();
    if (fresh > few) {
        while (sorted_.size() < changes_.size())
            sorted_.push_back(static_cast<std::uint32_t>(sorted_.size()));
        std::sort(sorted_.begin(), sorted_.end(), by_key);
        return;
    }
    while (sorted_.size() < changes_.size()) {
        const auto index = static_cast<std::uint32_t>(sorted_.size());
        sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), index, by_key), index);
    }
}

std::span<const std::uint32_t> change_layer::range(std::string_view prefix, std::string_view from) {
    sort();
    const auto start = std::max(prefix, from);
    const auto first = std::lower_bound(sorted_.begin(), sorted_.end(), start,
                                        [this](std::uint32_t i, std::string_view k) { return changes_[i].key() < k; });
    const auto last = std::partition_point(
        first, sorted_.end(), [this, prefix](std::uint32_t i) { return changes_[i].key().starts_with(prefix); });
    return {first, last};
}

void change_layer::clear() noexcept {
    changes_.clear();
    sorted_.clear();
    undo_.clear();
    old_values_.clear();
    std::fill(buckets_.begin(), buckets_.end(), none_);
    arena_.clear();
    ++turn_;
}

} // namespace postsluice::state
