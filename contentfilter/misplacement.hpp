// SPDX-License-Identifier: Apache-2.0
// The filter's part of "misplacement is loud" (policyd/misplacement.hpp has policyd's): once an hour it compares what
// it has seen with what policyd was asked, and the log says
//  - that policyd passed messages, and none came here: content_filter is missing where users submit;
//  - that messages came from clients of whom policyd was not asked: something permits them before check_policy_service
//    (permit_mynetworks), or their service does not ask at all. Such a message has come over the network and carries no
//    ticket, not even one that we cannot open: a ticket is issued for unknown clients, too.
// An hour with little traffic says nothing; nor does one in which policyd, asked by its control socket, did not answer.
// `postsluice doctor` names what stands where in Postfix's configuration. One caller at a time.
#pragma once

#include "contentfilter/counters.hpp"
#include "contentfilter/intake/message.hpp"
#include "shared/core/clock.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>

namespace postsluice::contentfilter {

/// Counts a message that no ticket came with though a client sent it.
void count_if_unasked(const message& what, counters& counts);

class misplacement {
public:
    static constexpr seconds every{3600};
    static constexpr seconds again{60};         ///< until policyd has answered for the first time
    static constexpr std::uint64_t enough = 20; ///< messages in the hour until their like ought to have been seen

    /// What policyd has counted since its start.
    struct asked {
        std::uint64_t rcpt = 0, tickets = 0, tickets_failed = 0;
    };

    /// To be called every now and then; looks once an hour.
    boost::asio::awaitable<void> look(instant now, config::settings_ptr settings, const counters& counts);
    /// What it does then: the first time it only remembers. No answer: begins anew.
    void compare(const std::optional<asked>& policyd, const counters& counts);

private:
    struct seen {
        asked policyd;
        std::uint64_t messages = 0, unasked = 0;
    };
    std::optional<seen> before_;
    instant looked_{};
};

} // namespace postsluice::contentfilter
