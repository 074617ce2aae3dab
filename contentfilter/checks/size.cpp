// SPDX-License-Identifier: Apache-2.0
// size (size): MESSAGE_TOO_LARGE where the message is over the profile's max_message_size (0: no bound but the
// listener's) or its limit in bytes per message, which policyd can refuse only where the client announced SIZE=:
// reject. A limit that an operator set for one account, or whose action is hold or warn, is policyd's alone.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/mime/tree.hpp"

#include <algorithm>

namespace postsluice::contentfilter::checks {

namespace {

byte_count bound_of(const config::profile& profile) {
    auto bound = profile.max_message_size;
    for (const auto& l : profile.limits) {
        const bool refuses = l.then != limit_action::hold && l.then != limit_action::warn;
        if (l.unit != limit_unit::bytes || l.period.count() != 0 || l.count == limit::unlimited || !refuses) continue;
        if (bound.value == 0 || l.count < bound.value) bound.value = l.count;
    }
    return bound;
}

} // namespace

boost::asio::awaitable<std::vector<finding>> size(check_context context) {
    std::vector<finding> found;
    const auto& message = *context.message;
    if (!message.sender.profile) co_return found;
    const auto bound = bound_of(*message.sender.profile);
    if (bound.value == 0 || message.content->size() <= bound.value) co_return found;
    finding f;
    f.symbol = "MESSAGE_TOO_LARGE";
    f.score = 8;
    f.group = "size";
    f.action = config::forced_verdict::reject;
    f.why = reason::message_too_large;
    f.evidence = std::to_string(message.content->size()) + " octets of " + to_string(bound) + " allowed";
    if (context.mime) {
        const auto& parts = context.mime->parts();
        const auto attachments =
            std::count_if(parts.begin(), parts.end(), [](const auto& p) { return p.is_attachment(); });
        f.evidence += ", " + std::to_string(attachments) + (attachments == 1 ? " attachment" : " attachments");
    }
    found.push_back(std::move(f));
    co_return found;
}

} // namespace postsluice::contentfilter::checks
