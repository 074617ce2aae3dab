// SPDX-License-Identifier: Apache-2.0
// One verdict for one message, however often Postfix hands it over: it cuts more than 50 recipients into slices that
// arrive at the same time, and comes again after a 4xx. The first one finds the verdict, the others wait for it; so the
// checks run once, and strikes, bounces and events count once. A temporary failure is shared by those that wait for it
// and kept for nobody else: the next try asks anew (counted_once.hpp knows that it was counted). A message is its queue
// ID and its digest. Not kept over a restart: then the checks run again, and the state's own rules (same proof, same
// quarantine entry) keep the counts.
// Any thread. Bounds: `most` verdicts, each for `keep`; beyond that the oldest are forgotten.
#pragma once

#include "contentfilter/verdict.hpp"
#include "shared/core/clock.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace postsluice::contentfilter {

class verdict_memory {
public:
    struct remembered {
        verdict what;
        std::string reference;
    };
    explicit verdict_memory(std::size_t most = 10'000, std::chrono::seconds keep = std::chrono::hours{1})
        : most_{most}
        , keep_{keep} {}

    /// The verdict; nothing: the caller is the first, finds it, and calls tell() or give_up(). Waits until `deadline`
    /// for another one that is finding it, then throws std::runtime_error.
    boost::asio::awaitable<std::optional<remembered>> ask(std::string key,
                                                          std::chrono::steady_clock::time_point deadline);
    /// Also changes what was told before.
    void tell(const std::string& key, remembered what);
    /// May the strike of this verdict be dealt? Once it may, by the slice or the try whose act came first to its end:
    /// an act that fails (a quarantine that is full) deals none, and the message comes again.
    [[nodiscard]] bool first_to_strike(const std::string& key);
    /// It was not dealt after all.
    void not_struck(const std::string& key);
    /// A verdict for those that wait now; whoever comes later is the first again.
    void tell_waiting(const std::string& key, const remembered& what);
    /// No verdict came of it: the next one that waits is the first now.
    void give_up(const std::string& key);

private:
    struct one_waiting {
        boost::asio::steady_timer until;
        std::optional<remembered> told; ///< under the lock
    };
    using waiter = std::shared_ptr<one_waiting>;
    struct entry {
        std::optional<remembered> known;
        std::chrono::steady_clock::time_point since;
        std::vector<waiter> waiting;
        bool struck = false;
    };
    void forget_old(std::chrono::steady_clock::time_point now);
    void end_waiting(const std::string& key, const std::optional<remembered>& what);
    static void wake(std::vector<waiter>& waiting);

    std::size_t most_;
    std::chrono::seconds keep_;
    std::mutex mutex_; // what follows
    std::unordered_map<std::string, entry> entries_;
    std::deque<std::pair<std::chrono::steady_clock::time_point, std::string>>
        order_; ///< of what is known, oldest first
};

} // namespace postsluice::contentfilter
