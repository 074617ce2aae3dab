// SPDX-License-Identifier: Apache-2.0
// size (size): what the profile bounds, as reject:
//   MESSAGE_TOO_LARGE     the message, by max_message_size (0: no bound but the listener's) or the account's limit in
//                         bytes per message, an operator's for it alone included, which policyd can refuse only where
//                         the client announced SIZE=; a limit whose action is hold or warn is policyd's alone
//   ATTACHMENT_TOO_LARGE  an attachment, decoded, by max_attachment_size
//   TOO_MANY_ATTACHMENTS  their number, by max_attachments
// The number of parts has the bound of the whole filter, contentfilter.max_parts (MIME_BOUND).
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/mime/tree.hpp"
#include "shared/config/limit_language.hpp"
#include "shared/core/clock.hpp"
#include "shared/state/overrides.hpp"

#include <algorithm>
#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

std::vector<limit> limits_of(const check_context& context) {
    const auto& sender = context.message->sender;
    const auto& accounts = context.resources->accounts;
    if (accounts.limits == nullptr || accounts.time == nullptr || sender.account == "-") return sender.profile->limits;
    const auto now = accounts.time->now();
    auto its = accounts.limits->of(sender.account, now);
    if (!its) throw std::runtime_error{its.error().message()};
    std::erase_if(*its, [](auto& one) {
        const auto read = config::parse_limit(one.text);
        if (read) one.what = *read;
        return !read;
    });
    return with_overrides(sender.profile->limits, *its, now);
}

byte_count bound_of(const check_context& context) {
    auto bound = context.message->sender.profile->max_message_size;
    for (const auto& l : limits_of(context)) {
        const bool refuses = l.then != limit_action::hold && l.then != limit_action::warn;
        if (l.unit != limit_unit::bytes || l.period.count() != 0 || l.count == limit::unlimited || !refuses) continue;
        if (bound.value == 0 || l.count < bound.value) bound.value = l.count;
    }
    return bound;
}

void refuse(finding_list& to, std::string_view symbol, const std::string& evidence) {
    auto& f = to.add(symbol, 8, evidence);
    f.action = config::forced_verdict::reject;
    f.why = reason::message_too_large;
}

/// Octets, as far as the bound and one more.
std::uint64_t size_within(const mime::part& part, std::uint64_t bound) {
    std::uint64_t size = 0;
    const auto done = mime::decoded(part, bound + 1, [&](std::string_view piece) {
        size += piece.size();
        return true;
    });
    if (!done) throw std::runtime_error{"part " + part.path + ": " + done.error().message()};
    return size;
}

void judge_message(const check_context& context, finding_list& to) {
    const auto& content = *context.message->content;
    const auto bound = bound_of(context);
    if (bound.value == 0 || content.size() <= bound.value) return;
    auto evidence = std::to_string(content.size()) + " octets of " + to_string(bound) + " allowed";
    if (context.mime) {
        const auto& parts = context.mime->parts();
        const auto n = std::count_if(parts.begin(), parts.end(), [](const auto& p) { return p.is_attachment(); });
        evidence += ", " + std::to_string(n) + (n == 1 ? " attachment" : " attachments");
    }
    refuse(to, "MESSAGE_TOO_LARGE", evidence);
}

void judge_attachments(const check_context& context, finding_list& to) {
    const auto& profile = *context.message->sender.profile;
    const auto largest = profile.max_attachment_size.value;
    std::size_t n = 0;
    for (const auto& part : context.mime->parts()) {
        if (!part.is_attachment()) continue;
        ++n;
        // What is encoded is never shorter than what it encodes.
        if (largest == 0 || part.container || part.end - part.begin <= largest || size_within(part, largest) <= largest)
            continue;
        refuse(to, "ATTACHMENT_TOO_LARGE",
               part.label() + ": over " + to_string(profile.max_attachment_size) + " allowed");
    }
    if (profile.max_attachments != 0 && n > profile.max_attachments)
        refuse(to, "TOO_MANY_ATTACHMENTS",
               std::to_string(n) + " attachments of " + std::to_string(profile.max_attachments) + " allowed");
}

} // namespace

boost::asio::awaitable<std::vector<finding>> size(check_context context) {
    finding_list found{"size"};
    if (!context.message->sender.profile) co_return found.take();
    judge_message(context, found);
    if (context.mime) judge_attachments(context, found);
    co_return found.take();
}

} // namespace postsluice::contentfilter::checks
