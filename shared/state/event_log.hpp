// SPDX-License-Identifier: Apache-2.0
// Verdict events of the content filter, by reference (`filter` environment, written by contentfilter alone): what
// `postsluice why REF` explains. Every verdict but a clean pass leaves one. Also the daily counters behind `status`.
// Any thread; every verb is a short write transaction of its own. Bounds: 20 recipients, 100 findings, 2 KiB a text.
#pragma once

#include "shared/core/reason.hpp"
#include "shared/state/store.hpp"

#include <map>
#include <string>
#include <vector>

namespace postsluice::state {

struct verdict_event {
    std::string reference;
    instant at{};
    std::string account, sender, queue_id, message_id, verdict; ///< verdict: "quarantine", "reject", ...
    reason why = reason::none;
    std::vector<std::string> recipients; ///< at most 20
    std::vector<std::string> findings;   ///< "SYMBOL(score) evidence"
    bool observed = false;
};

class event_log {
public:
    event_log(store& where, std::string hash_secret, const clock& time);
    [[nodiscard]] result<void> record(const verdict_event& event);
    [[nodiscard]] result<std::optional<verdict_event>> find(std::string_view reference);
    [[nodiscard]] result<std::vector<verdict_event>> recent(std::string_view account,
                                                            std::size_t most); ///< empty account: all
    /// How many events named `what` the account had within the period before now (the bounce cap), and counts one if it
    /// is under `most`. Exact: one write transaction.
    [[nodiscard]] result<bool> count_under(std::string_view account, std::string_view what, seconds period,
                                           std::uint32_t most);
    [[nodiscard]] result<void> forget_before(instant t, std::size_t most);
    /// Adds to today's counter of that name (days of UTC); counters of forgotten days go with forget_before().
    [[nodiscard]] result<void> count(std::string_view name, std::uint64_t by = 1);
    [[nodiscard]] result<std::map<std::string, std::uint64_t>> counts_of_day(instant day);

private:
    store& store_;
    std::string secret_;
    const clock& clock_;
};

} // namespace postsluice::state
