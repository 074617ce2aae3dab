// SPDX-License-Identifier: Apache-2.0
// Private to shared/maps: answers of socketmap servers, the ones used last first; values and "not found" alike, errors
// never. Any thread.
#pragma once

#include "shared/maps/map_set.hpp"

#include <chrono>
#include <list>
#include <mutex>
#include <unordered_map>

namespace postsluice::maps {

class answer_cache {
public:
    using value = std::optional<std::string>;
    using time = std::chrono::steady_clock::time_point;

    std::optional<value> find(const std::string& question, time now) {
        const std::lock_guard guard{mutex_};
        const auto at = index_.find(question);
        if (at == index_.end()) return std::nullopt;
        if (at->second->until <= now) {
            order_.erase(at->second);
            index_.erase(at);
            return std::nullopt;
        }
        order_.splice(order_.begin(), order_, at->second);
        return at->second->what;
    }
    /// At most `bound` answers stay.
    void keep(const std::string& question, value what, time until, std::size_t bound) {
        const std::lock_guard guard{mutex_};
        if (const auto at = index_.find(question); at != index_.end()) {
            order_.erase(at->second);
            index_.erase(at);
        }
        if (bound > 0) {
            order_.push_front({question, std::move(what), until});
            index_[question] = order_.begin();
        }
        while (order_.size() > bound) {
            index_.erase(order_.back().question);
            order_.pop_back();
        }
    }
    [[nodiscard]] std::size_t size() const {
        const std::lock_guard guard{mutex_};
        return order_.size();
    }

private:
    struct entry {
        std::string question;
        value what;
        time until;
    };
    mutable std::mutex mutex_;
    std::list<entry> order_;
    std::unordered_map<std::string, std::list<entry>::iterator> index_;
};

} // namespace postsluice::maps
