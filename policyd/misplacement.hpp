// SPDX-License-Identifier: Apache-2.0
// The log's part of "misplacement is loud": what the traffic of the last hour shows of a Postfix that asks at the wrong
// places. A warning an hour for each complaint, for as long as it holds; an hour with little traffic says nothing.
// `postsluice doctor` sees more, since it also reads Postfix's configuration; what takes both daemons to see the filter
// says (contentfilter/misplacement.hpp).
#pragma once

#include "policyd/counters.hpp"
#include "policyd/hooks.hpp"
#include "shared/core/clock.hpp"

#include <map>

namespace postsluice::policyd {

class misplacement {
public:
    static constexpr seconds every{3600};
    static constexpr std::uint64_t enough = 20; ///< requests in the hour until their like ought to have been seen

    /// To be called every now and then; looks once an hour.
    void look(instant now, const config::settings& settings, const counters& counts, const hook_table& hooks);

private:
    struct seen {
        std::uint64_t rcpt = 0, data = 0, data_alone = 0, end_of_message = 0;
    };
    void look_at_logins(const counters& counts);
    static seen since(const hook& now, seen& before);
    void look_at_stages(const config::settings& settings, const hook_table& hooks);

    instant looked_{};
    std::uint64_t rcpt_ = 0, with_login_ = 0, not_ours_ = 0;
    std::map<const hook*, seen> hooks_;
};

} // namespace postsluice::policyd
