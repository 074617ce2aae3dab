// SPDX-License-Identifier: Apache-2.0
// What was counted of a message, so that it counts once however often Postfix hands it over: a verdict that is a
// temporary failure is found anew at each try (verdict_memory keeps none), and a message that waits for hours is judged
// again. Its second try has the reference of the first, and no event of its own. A message is its queue ID and its
// digest: mail without a queue ID is counted each time, since a client's second try is a new transaction. Not kept over
// a restart. Any thread. Bounds: `most` entries, each for `keep` since it was last asked for, which is longer than
// Postfix's maximal_backoff_time (4000 s); beyond that the one that was asked for longest ago is forgotten, and counts
// anew.
#pragma once

#include <chrono>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace postsluice::contentfilter {

class counted_once {
public:
    using time_point = std::chrono::steady_clock::time_point;
    explicit counted_once(std::size_t most = 10'000, std::chrono::seconds keep = std::chrono::hours{3})
        : most_{most}
        , keep_{keep} {}

    /// The reference that `what` of the message had when it was counted; nothing: it counts now, under `reference`,
    /// which may be empty.
    [[nodiscard]] std::optional<std::string> before(std::string_view message, std::string_view what,
                                                    std::string_view reference = {},
                                                    time_point now = std::chrono::steady_clock::now());

private:
    struct entry {
        std::string key, reference;
        time_point asked;
    };
    void forget_old(time_point now, std::size_t most);

    std::size_t most_;
    std::chrono::seconds keep_;
    std::mutex mutex_;                                                        // what follows
    std::list<entry> entries_;                                                ///< who was asked for longest ago first
    std::unordered_map<std::string_view, std::list<entry>::iterator> places_; ///< by the entries' own keys
};

} // namespace postsluice::contentfilter
