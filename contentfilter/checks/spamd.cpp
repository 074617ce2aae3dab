// SPDX-License-Identifier: Apache-2.0
// spamd (external): SpamAssassin's rules, where a site has them: each as SA_NAME with its points times spamd.factor. A
// message over spamd.max_size is not sent, as spamc does not send it, which SA_TOO_LARGE tells. docs/checks/spamd.md.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/external_scanners.hpp"
#include "contentfilter/checks/spamd_client.hpp"

#include <stdexcept>

namespace postsluice::contentfilter::checks {

boost::asio::awaitable<std::vector<finding>> spamd(check_context context) {
    const auto scanners = context.resources->scanners;
    if (!scanners || !scanners->spamd()) co_return std::vector<finding>{};
    const auto& how = context.message->settings->spamd;
    const auto& content = context.message->content;
    if (content->size() > how.max_size.value) co_return not_asked("SA_TOO_LARGE", "larger than spamd.max_size");
    const auto answer = co_await scanners->spamd()->report(content);
    if (!answer) throw std::runtime_error{answer.error().message()};
    co_return findings_of(*answer, "SA_", how.factor);
}

} // namespace postsluice::contentfilter::checks
