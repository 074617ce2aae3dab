// SPDX-License-Identifier: Apache-2.0
// Private to pipeline*.cpp: one message on its way through, and what the log will say of it. Shared, because an answer
// at the deadline leaves the work behind that missed it.
#pragma once

#include "contentfilter/act/refuse.hpp"
#include "contentfilter/intake/identity.hpp"
#include "contentfilter/intake/message_notes.hpp"
#include "contentfilter/pipeline.hpp"

#include <boost/asio/steady_timer.hpp>

namespace postsluice::contentfilter {

struct pipeline::work {
    work(job given, const boost::asio::any_io_executor& executor)
        : j{std::move(given)}
        , late{executor} {}
    [[nodiscard]] const message& what() const { return *j.what; }
    [[nodiscard]] const config::settings& settings() const { return *j.what->settings; }
    /// How many processes died over it.
    [[nodiscard]] std::uint32_t deaths() const { return j.mark ? j.mark->deaths() : 0; }
    void answer(const smtp::reply& r) { replies = act::for_all(r, j.speaks, j.what->envelope.recipients.size()); }

    job j;
    boost::asio::steady_timer late;
    bool finished = false;
    bool repeated = false;  ///< its verdict was found for another slice, or an earlier try, and counted there
    std::string recognised; ///< the verdict of which that was asked; empty: of none yet
    std::string release;    ///< the release that it is handed on by, out of quarantine; empty: none
    std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
    // for the reply and the log
    std::vector<smtp::reply> replies;
    verdict decided;
    std::optional<state::passage> earlier; ///< it passed before, and was queued again behind us
    std::string done = "-";                ///< what was done about it, where that is not the verdict's name
    std::string reference;                 ///< empty for a clean pass
    std::string sign = "-", next_queue_id = "-", trouble;
    std::size_t delivered = 0;
};

} // namespace postsluice::contentfilter
