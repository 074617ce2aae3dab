// SPDX-License-Identifier: Apache-2.0
// What `status` tells of the daemon's life: numbers since the start. Any thread may count; readers see each number as
// it is then.
#pragma once

#include "contentfilter/verdict.hpp"

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace postsluice::contentfilter {

struct counters {
    using number = std::atomic<std::uint64_t>;
    static constexpr std::size_t verdict_kinds = 7, reasons_at_most = 64;

    number connections{}, connections_refused{};
    number messages{}, octets{}, in_progress{};
    number aborted{}; ///< broken off before the final dot
    number no_ticket{};
    number bounce_notices{}; ///< of Postfix's, for delivery feedback
    number bounced{};        ///< recipients that they told of, counted
    number tempfailed{};     ///< trouble of our own or of the next hop
    number signed_messages{};
    std::array<number, verdict_kinds> verdicts{}, observed{};
    std::array<number, reasons_at_most> reasons{};

    void count(const verdict& v) {
        ++(v.observed && v.kind != verdict_kind::pass ? observed : verdicts).at(static_cast<std::size_t>(v.kind));
        if (v.observed && v.kind != verdict_kind::pass) ++verdicts.front(); // it passed
        if (v.kind != verdict_kind::pass) ++reasons.at(static_cast<std::size_t>(v.why));
    }
    /// Of whom policyd was not asked (misplacement.hpp).
    void count_unasked(std::string_view client) {
        const std::lock_guard guard{mutex_};
        ++unasked_;
        unasked_client_ = client;
    }
    /// How many, and the last one's client.
    [[nodiscard]] std::pair<std::uint64_t, std::string> unasked() const {
        const std::lock_guard guard{mutex_};
        return {unasked_, unasked_client_};
    }
    void count_unsigned(std::string_view why) {
        const std::lock_guard guard{mutex_};
        ++unsigned_[std::string{why}];
    }
    [[nodiscard]] std::map<std::string, std::uint64_t> unsigned_by_reason() const {
        const std::lock_guard guard{mutex_};
        return unsigned_;
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::uint64_t> unsigned_;
    std::uint64_t unasked_ = 0;
    std::string unasked_client_;
};

} // namespace postsluice::contentfilter
