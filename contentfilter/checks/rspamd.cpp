// SPDX-License-Identifier: Apache-2.0
// rspamd (external): Rspamd's rules, where a site has them: each symbol as RSPAMD_NAME with its score times
// rspamd.factor. A message over rspamd.max_size is not sent. docs/checks/rspamd.md.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/external_scanners.hpp"
#include "contentfilter/checks/rspamd_client.hpp"

#include <stdexcept>

namespace postsluice::contentfilter::checks {

boost::asio::awaitable<std::vector<finding>> rspamd(check_context context) {
    const auto scanners = context.resources->scanners;
    if (!scanners || !scanners->rspamd()) co_return std::vector<finding>{};
    const auto& how = context.message->settings->rspamd;
    if (context.message->content->size() > how.max_size.value)
        co_return not_asked("RSPAMD_TOO_LARGE", "larger than rspamd.max_size");
    const auto answer = co_await scanners->rspamd()->check(context.message);
    if (!answer) throw std::runtime_error{answer.error().message()};
    co_return findings_of(*answer, "RSPAMD_", how.factor);
}

} // namespace postsluice::contentfilter::checks
