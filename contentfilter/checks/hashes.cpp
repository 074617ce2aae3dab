// SPDX-License-Identifier: Apache-2.0
// hashes (attachments): KNOWN_FILE where the SHA-256 of a part stands in one of the operator's lists (hashes.files):
// quarantine, virus, and a strike. docs/checks/hashes.md.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/checks/hash_lists.hpp"
#include "contentfilter/checks/part_file.hpp"
#include "shared/core/text.hpp"

namespace postsluice::contentfilter::checks {

boost::asio::awaitable<std::vector<finding>> hashes(check_context context) {
    finding_list found{"attachments"};
    const auto lists = context.resources->hashes;
    if (!context.mime || !lists || lists->size() == 0) co_return found.take();
    for (const auto& part : context.mime->parts()) {
        if (part.container) continue;
        const auto known = lists->find(sha256_of(part));
        if (!known) continue;
        auto& f = found.add("KNOWN_FILE", 15, part.label() + ": " + printable(*known, 300));
        f.action = config::forced_verdict::quarantine;
        f.why = reason::virus;
        f.strikes = strike_kind::virus;
    }
    co_return found.take();
}

} // namespace postsluice::contentfilter::checks
