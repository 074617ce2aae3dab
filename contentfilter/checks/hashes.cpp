// SPDX-License-Identifier: Apache-2.0
// hashes (attachments): KNOWN_FILE where the SHA-256 of a part stands in one of the operator's lists (hashes.files):
// quarantine, virus, and a strike; and what the [[hash]] of the rule files say. docs/checks/hashes.md.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/checks/hash_lists.hpp"
#include "contentfilter/checks/part_file.hpp"
#include "contentfilter/checks/rule_files.hpp"
#include "shared/core/text.hpp"

namespace postsluice::contentfilter::checks {

boost::asio::awaitable<std::vector<finding>> hashes(check_context context) {
    finding_list found{"attachments"};
    const auto lists = context.resources->hashes;
    const auto rules = context.resources->rules;
    const bool listed = lists && lists->size() > 0, ruled = rules && !rules->hashes.empty();
    if (!context.mime || (!listed && !ruled)) co_return found.take();
    for (const auto& part : context.mime->parts()) {
        if (part.container) continue;
        const auto sum = sha256_of(part);
        if (const auto* const rule = ruled ? rules->of_sum(sum) : nullptr)
            found.add(rule->found, rule->found.symbol, part.label() + ": " + rule->position);
        const auto known = listed ? lists->find(sum) : std::nullopt;
        if (!known) continue;
        auto& f = found.add("KNOWN_FILE", 15, part.label() + ": " + printable(*known, 300));
        f.action = config::forced_verdict::quarantine;
        f.why = reason::virus;
        f.strikes = strike_kind::virus;
    }
    co_return found.take();
}

} // namespace postsluice::contentfilter::checks
