// SPDX-License-Identifier: Apache-2.0
// Remembers values by a key for a time, the most recently used of them; bounded. One thread.
#pragma once

#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace postsluice::contentfilter {

template <class Value>
class digest_cache {
public:
    using steady = std::chrono::steady_clock;
    digest_cache(std::size_t entries, steady::duration life)
        : entries_{entries}
        , life_{life} {}

    [[nodiscard]] std::optional<Value> find(const std::string& key, steady::time_point now) {
        const auto at = by_key_.find(key);
        if (at == by_key_.end()) return std::nullopt;
        if (now - at->second->since >= life_) {
            order_.erase(at->second);
            by_key_.erase(at);
            return std::nullopt;
        }
        order_.splice(order_.begin(), order_, at->second);
        return at->second->value;
    }
    void put(const std::string& key, Value value, steady::time_point now) {
        if (entries_ == 0) return;
        if (const auto at = by_key_.find(key); at != by_key_.end()) {
            order_.erase(at->second);
            by_key_.erase(at);
        }
        while (order_.size() >= entries_) {
            by_key_.erase(order_.back().key);
            order_.pop_back();
        }
        order_.push_front({key, std::move(value), now});
        by_key_[key] = order_.begin();
    }
    void clear() {
        order_.clear();
        by_key_.clear();
    }
    [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }

private:
    struct entry {
        std::string key;
        Value value;
        steady::time_point since;
    };
    std::size_t entries_;
    steady::duration life_;
    std::list<entry> order_; // the most recently used first
    std::unordered_map<std::string, typename std::list<entry>::iterator> by_key_;
};

} // namespace postsluice::contentfilter
