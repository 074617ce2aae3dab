// SPDX-License-Identifier: Apache-2.0
// The result of a simulation, for people (80 columns) and for programs. Pure. The JSON document:
//   {"ok": true, "from", "until": TIME | null, "requests", "not_ours", "trouble", "unreadable": lines that were
//   skipped,
//    "not_asked": [what was switched off], "accounts": [{"account", "profile", "recipients", "refused", "messages",
//      "by": [{"rule", "what", "count", "first", "last": TIME, "example": the reply's text}]}],
//    with --propose: "proposals": [{"account", "profile", "limits": [PROPOSED]}],
//      PROPOSED {"limit", "unit", "period", "percentile_99", "highest", "periods", "above"},
//      "profiles": [{"profile", "accounts", "limits": [{"limit", "unit", "period", "median", "highest", "account"}]}]}
#pragma once

#include "policyd/simulation/replay.hpp"

#include <iosfwd>

namespace postsluice::policyd::simulation {

struct report {
    outcome what;
    std::uint64_t unreadable = 0;
    bool with_proposals = false;
    std::vector<account_proposal> proposals;
};

void print_text(std::ostream& out, const report& of);
void print_json(std::ostream& out, const report& of);

} // namespace postsluice::policyd::simulation
