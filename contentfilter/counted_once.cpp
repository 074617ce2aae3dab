// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/counted_once.hpp"

namespace postsluice::contentfilter {

std::optional<std::string> counted_once::before(std::string_view message, std::string_view what,
                                                std::string_view reference, time_point now) {
    std::string key{message};
    key.append("\n").append(what);
    const std::lock_guard guard{mutex_};
    forget_old(now, most_);
    if (const auto at = places_.find(key); at != places_.end()) {
        at->second->asked = now;
        entries_.splice(entries_.end(), entries_, at->second);
        return at->second->reference;
    }
    forget_old(now, most_ - 1);
    entries_.push_back({std::move(key), std::string{reference}, now});
    places_.emplace(entries_.back().key, std::prev(entries_.end()));
    return std::nullopt;
}

void counted_once::forget_old(time_point now, std::size_t most) {
    while (!entries_.empty() && (entries_.size() > most || now - entries_.front().asked > keep_)) {
        places_.erase(entries_.front().key);
        entries_.pop_front();
    }
}

} // namespace postsluice::contentfilter
